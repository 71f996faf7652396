"""What an officer's command accepts to sign, and how it shows it."""

import re
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from rich.console import Console

from operator_command.officer.acts.key import read_key_file
from operator_command.officer.acts.purpose import OwnRequest, accept_purpose, name_method
from operator_command.officer.acts.showing import show_purpose
from operator_command.speech import Language, Speech
from refusals import Refusal
from signed_acts.keys import write_nonce
from signed_acts.purpose import require_act
from signed_acts.request import hash_canonical
from tests.support.in_process import Authority
from toroku.officer.v1 import proposals_pb2

METHOD = proposals_pb2.DESCRIPTOR.services_by_name["Proposals"].methods_by_name["RejectProposal"]
REQUEST = proposals_pb2.RejectProposalRequest(
    proposal_id="6f1f9f5e-0000-4000-8000-000000000001", proposal_sha256=bytes(range(32)), reason="取り違えのため"
)
REQUEST_ID = "6f1f9f5e-0000-4000-8000-000000000002"
JAPANESE = ["提案を却下します。", "理由：取り違えのため"]
ENGLISH = ["Rejects a proposal.", "Reason: 取り違えのため"]
CARD = b"\xab" * 32
OWN = OwnRequest(instance="saitama", certificate_sha256=CARD, method=METHOD, request=REQUEST, request_id=REQUEST_ID)
VALUES: dict[str, Any] = {
    "instance": "saitama",
    "type": "act",
    "operation": "toroku.officer.v1.Proposals/RejectProposal",
    "role": "sole",
    "nonce": write_nonce(bytes(32)),
    "certificate_sha256": CARD.hex(),
    "proposal_sha256": bytes(range(32)).hex(),
    "request_id": REQUEST_ID,
    "request_sha256": hash_canonical(REQUEST).hex(),
    "lines": [*JAPANESE, *ENGLISH],
}


def encode(**changes: Any) -> bytes:
    return rfc8785.dumps({key: value for key, value in (VALUES | changes).items() if value is not None})


def show(language: Language, tmp_path: Path, *, details: bool = False, **changes: Any) -> list[str]:
    files = Authority(tmp_path, "saitama").officer("kawagoe-city/suzuki", "suspension")
    speech = Speech(language)
    key = read_key_file(files.certificate, files.private_key, speech)
    purpose = accept_purpose(encode(**changes), OWN)
    console = Console(width=200)
    with console.capture() as captured:
        show_purpose(console, purpose, require_act(purpose), key, speech, details=details)
    return captured.get().splitlines()


def test_act_for_the_commands_own_request_is_accepted() -> None:
    purpose = accept_purpose(encode(), OWN)
    assert purpose.operation == name_method(METHOD)
    assert require_act(purpose).lines == (*JAPANESE, *ENGLISH)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"instance": "aomori"}, "PURPOSE_FOR_ANOTHER_INSTANCE"),
        ({"operation": "toroku.officer.v1.Proposals/ApproveProposal"}, "PURPOSE_FOR_ANOTHER_OPERATION"),
        ({"operation": "registration", "agency": "a", "category": "b", "bidder_id": "1", "proposal_sha256": None},
         "PURPOSE_FOR_ANOTHER_OPERATION"),
        ({"certificate_sha256": bytes(32).hex()}, "PURPOSE_FOR_ANOTHER_CARD"),
        ({"request_sha256": bytes(32).hex()}, "PURPOSE_FOR_ANOTHER_REQUEST"),
        ({"request_id": "6f1f9f5e-0000-4000-8000-000000000003"}, "PURPOSE_FOR_ANOTHER_REQUEST"),
        ({"proposal_sha256": bytes(32).hex()}, "PURPOSE_FOR_ANOTHER_REQUEST"),
        ({"proposal_sha256": None}, "PURPOSE_FOR_ANOTHER_REQUEST"),
        ({"agency": "kawagoe-city"}, "PURPOSE_FOR_ANOTHER_AGENCY"),
        ({"bidder_id": "1000000001"}, "PURPOSE_FOR_ANOTHER_BIDDER"),
        ({"person_id": "tanaka"}, "PURPOSE_FOR_ANOTHER_SUBJECT"),
        ({"card_sha256": bytes(32).hex()}, "PURPOSE_FOR_ANOTHER_SUBJECT"),
        ({"type": "log-in", "request_id": None, "request_sha256": None, "lines": None, "proposal_sha256": None},
         "PURPOSE_FOR_ANOTHER_TYPE"),
        ({"amount": "1"}, "PURPOSE_MALFORMED"),
        ({"lines": []}, "PURPOSE_MALFORMED"),
        ({"lines": ["却下します。\u202e"]}, "PURPOSE_MALFORMED"),
        ({"lines": ["却下します。\x1b[2J"]}, "PURPOSE_MALFORMED"),
    ],
)  # fmt: skip
def test_act_for_anything_else_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refusal, match=reason):
        accept_purpose(encode(**changes), OWN)


@pytest.mark.parametrize("altered", [encode() + b" ", encode().replace(b'"role"', b' "role"'), b"", b"[]"])
def test_altered_encoding_is_refused(altered: bytes) -> None:
    with pytest.raises(Refusal, match="PURPOSE_MALFORMED"):
        accept_purpose(altered, OWN)


def test_lines_are_shown_in_the_officers_language(tmp_path: Path) -> None:
    heading, *lines, signer = show(Language.JAPANESE, tmp_path)
    assert (heading, lines) == ("署名する内容", [f"　{line}" for line in JAPANESE])
    assert signer.startswith("　署名に用いる証明書：")
    heading, *lines, signer = show(Language.ENGLISH, tmp_path)
    assert (heading, lines) == ("What you sign", [f"  {line}" for line in ENGLISH])
    assert signer.startswith("  certificate that signs: ")


def test_lines_that_are_not_clearly_in_both_languages_are_all_shown(tmp_path: Path) -> None:
    lines = [*JAPANESE, "Rejects a proposal.", "理由：別の理由"]
    assert show(Language.ENGLISH, tmp_path, lines=lines)[1:-1] == [f"  {line}" for line in lines]


def test_invisible_characters_of_a_line_are_seen(tmp_path: Path) -> None:
    lines = ["却下\u200bします。", "Re\u00adjects."]
    assert show(Language.JAPANESE, tmp_path, lines=lines)[1] == "　却下\N{REPLACEMENT CHARACTER}します。"
    assert show(Language.ENGLISH, tmp_path, lines=lines)[1] == "  Re\N{REPLACEMENT CHARACTER}jects."


def test_details_are_every_value_that_is_signed(tmp_path: Path) -> None:
    shown = "\n".join(show(Language.JAPANESE, tmp_path, details=True))
    for key, value in VALUES.items():
        values = value if isinstance(value, list) else [bytes(32).hex() if key == "nonce" else value]
        assert [each for each in values if each not in shown] == [] or key in ("type", "role")


def test_certificate_that_signs_is_named_with_its_end(tmp_path: Path) -> None:
    assert re.search(
        r"certificate that signs: \S+ \(valid until \d{4}-\d\d-\d\d\)$", show(Language.ENGLISH, tmp_path)[-1]
    )

"""The agent signs only purposes that it can show and that fit the person's current operation."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from card_agent.console import words
from card_agent.console.place import Place
from card_agent.console.words import Words, say
from card_agent.signing.act_lines import pair_lines
from card_agent.signing.card_use import list_purpose_rows, list_purpose_values, show_purpose
from card_agent.signing.purpose import ExpectedPurpose, ExpectedRequest, check_purpose, read_purpose
from refusals import Refusal
from refusals.catalogue import explain
from signed_acts.operations import Operation
from tests.support.scripted_person import ScriptedPerson
from toroku.frontdoor.v1 import front_door_pb2

VECTORS = Path(__file__).parents[3] / "protos" / "vectors" / "purposes.json"
CARD = b"\xab" * 32
REQUEST_SHA256 = b"\xcd" * 32
LOG_IN_VALUES: dict[str, Any] = {
    "instance": "saitama",
    "type": "log-in",
    "operation": "registration",
    "role": "sole",
    "agency": "saitama-prefecture",
    "category": "works",
    "nonce": base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode(),
    "certificate_sha256": CARD.hex(),
}
ACT_VALUES: dict[str, Any] = LOG_IN_VALUES | {
    "type": "act",
    "bidder_id": "1234567890",
    "request_id": "7f8a1c1e-6f0c-4a52-9f2b-3f1f7f6c2d11",
    "request_sha256": REQUEST_SHA256.hex(),
    "lines": ["利用者登録：このICカードを髙﨑建設のカードとして登録します。", "Registration"],
}
REQUEST = ExpectedRequest("1234567890", ACT_VALUES["request_id"], REQUEST_SHA256)
LOG_IN = ExpectedPurpose("saitama", "saitama-prefecture", "works", CARD)
EXPECTED = replace(LOG_IN, request=REQUEST)


def encoded(values: dict[str, Any]) -> bytes:
    return rfc8785.dumps(values)


def refusal_of(encoded: bytes) -> Refusal:
    with pytest.raises(Refusal) as refused:
        read_purpose(encoded)
    return refused.value


def test_act_is_read_completely() -> None:
    purpose = read_purpose(encoded(ACT_VALUES))
    act = purpose.content.act
    assert act is not None
    assert purpose.lines == tuple(ACT_VALUES["lines"])
    assert (purpose.content.certificate_sha256, act.request_sha256) == (CARD, REQUEST_SHA256)
    assert purpose.content.nonce == bytes(range(32))
    check_purpose(purpose, EXPECTED)


def test_received_bytes_are_signed_unchanged() -> None:
    content = encoded(LOG_IN_VALUES)
    assert read_purpose(content).to_be_signed == b"toroku card signature v1\x00" + content
    assert read_purpose(content).lines == ()


def test_every_value_of_a_purpose_that_the_agent_signs_is_shown() -> None:
    vectors = json.loads(VECTORS.read_text("utf-8"))["accepted"]
    purposes = [vector["purpose"] for vector in vectors if vector["purpose"]["operation"] in words.OPERATION_NAMES]
    assert {purpose["type"] for purpose in purposes} == {"log-in", "act"}
    for purpose in purposes:
        shown = [say(value, "ja") for _, value in list_purpose_values(read_purpose(encoded(purpose)), Place())]
        types = {"log-in": words.CHECK_OF_THE_CARD, "act": words.OPERATION_NAMES[purpose["operation"]]}
        named = {"type": types, "operation": words.OPERATION_NAMES, "role": words.ROLE_NAMES}
        expected = {key: named[key][value].ja if key in named else value for key, value in purpose.items()}
        expected["nonce"] = read_purpose(encoded(purpose)).content.nonce.hex()
        assert sorted(shown) == sorted(value for key, value in expected.items() if key != "lines")
        assert list(read_purpose(encoded(purpose)).lines) == purpose.get("lines", [])


def test_what_a_purpose_is_for_is_shown_by_names_without_codes_and_hashes() -> None:
    place = Place(
        instance=front_door_pb2.Instance(bidder_id_label=front_door_pb2.Text(ja="登録番号", en="Number")),
        agency=front_door_pb2.Agency(code="saitama-prefecture", name=front_door_pb2.Text(ja="埼玉県", en="Saitama")),
        category=front_door_pb2.Category(code="works", name=front_door_pb2.Text(ja="工事等", en="Works")),
    )
    person = ScriptedPerson({})
    show_purpose(person, read_purpose(encoded(ACT_VALUES)), place, details=False)
    assert person.shown["署名する内容"] == [
        ("種別", "利用者登録"),
        ("調達機関", "埼玉県"),
        ("業務区分", "工事等"),
        ("登録番号", "1234567890"),
    ]


def test_where_the_place_is_not_known_a_purpose_is_for_its_codes_and_for_nothing_that_it_does_not_say() -> None:
    named = [words.CHOOSE_AGENCY, words.CHOOSE_CATEGORY]
    rows = list_purpose_rows(read_purpose(encoded(LOG_IN_VALUES)), Place())
    assert [row for row in rows if row[0] in named] == list(zip(named, ("saitama-prefecture", "works"), strict=True))
    everywhere = {name: value for name, value in LOG_IN_VALUES.items() if name not in ("agency", "category")}
    rows = list_purpose_rows(read_purpose(encoded(everywhere | {"operation": "view"})), Place())
    assert [row for row in rows if row[0] in named] == []


JAPANESE = ["利用者登録（例示県）：このICカードを登録します。", "証明書の発行者：CN=A: B", "登録先：例示県／工事等"]
ENGLISH = ["Registration (例示県): registers this card.", "ユーザID: 1, 登録、建設", "It can't be undone."]


def test_lines_of_an_act_are_paired_with_their_translations() -> None:
    assert pair_lines([*JAPANESE, *ENGLISH]) == [Words(*pair) for pair in zip(JAPANESE, ENGLISH, strict=True)]


@pytest.mark.parametrize(
    "lines",
    [
        [*JAPANESE, *ENGLISH[:2]],
        [*JAPANESE[:2], *ENGLISH, JAPANESE[2]],
        [*ENGLISH, *JAPANESE],
        [*JAPANESE, *ENGLISH[:2], "登録します。"],
        [*JAPANESE, *ENGLISH[:2], "no punctuation"],
        ["登録", "Registration"],
        [JAPANESE[0]],
    ],
)
def test_lines_that_are_not_half_japanese_and_half_english_are_all_shown(lines: list[str]) -> None:
    assert list(pair_lines(lines)) == lines


@pytest.mark.parametrize(
    "operation",
    ["stop", "statement", "withdrawal", "toroku.qualification.v1.QualificationRegistry/CommitRoster"],
)
def test_operation_that_the_agent_can_not_show_is_refused_by_name(operation: str) -> None:
    values = LOG_IN_VALUES | {"operation": operation}
    if operation == "stop" or operation.startswith("toroku"):
        values = {key: value for key, value in values.items() if key not in ("agency", "category")}
    refusal = refusal_of(encoded(values))
    assert (refusal.reason, refusal.metadata) == ("PURPOSE_OPERATION_UNKNOWN", {"operation": operation})
    assert "最新版に更新" in explain(refusal.reason, refusal.metadata).ja.next


def spaces(values: dict[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False).encode()


def escapes(values: dict[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()


def unsorted(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode()


def byte_order_mark(values: dict[str, Any]) -> bytes:
    return b"\xef\xbb\xbf" + encoded(values)


def duplicate_key(values: dict[str, Any]) -> bytes:
    return encoded(values)[:-1] + b',"type":"act"}'


def inside_a_list(values: dict[str, Any]) -> bytes:
    return b"[" + encoded(values) + b"]"


def truncated(values: dict[str, Any]) -> bytes:
    return encoded(values)[:-1]


def followed_by_more(values: dict[str, Any]) -> bytes:
    return encoded(values) + b"\n"


def cp932(values: dict[str, Any]) -> bytes:
    return encoded(values | {"lines": ["登録"]}).decode().encode("cp932")


@pytest.mark.parametrize(
    "write",
    [spaces, escapes, unsorted, byte_order_mark, duplicate_key, inside_a_list, truncated, followed_by_more, cp932],
    ids=lambda write: write.__name__,
)
def test_non_canonical_encoding_is_refused(write: Callable[[dict[str, Any]], bytes]) -> None:
    refusal = refusal_of(write(ACT_VALUES))
    assert refusal.reason == "PURPOSE_MALFORMED"
    assert refusal.metadata["part"] in ("encoding", "duplicate key")


@pytest.mark.parametrize("content", [b"", b"\x00", b"null", b"[" * 5000, b'{"a":NaN}', b"x" * 100_000])
def test_other_bytes_are_refused(content: bytes) -> None:
    assert refusal_of(content).reason == "PURPOSE_MALFORMED"


@pytest.mark.parametrize("key", sorted(ACT_VALUES))
def test_missing_key_is_refused(key: str) -> None:
    values = {name: value for name, value in ACT_VALUES.items() if name != key}
    assert refusal_of(encoded(values)).reason == "PURPOSE_MALFORMED"


def test_unknown_key_is_refused() -> None:
    refusal = refusal_of(encoded(ACT_VALUES | {"amount": "1000000"}))
    assert (refusal.reason, refusal.metadata["part"]) == ("PURPOSE_MALFORMED", "unknown key amount")


def test_log_in_with_a_key_of_an_act_is_refused() -> None:
    assert refusal_of(encoded(LOG_IN_VALUES | {"bidder_id": "1234567890"})).reason == "PURPOSE_MALFORMED"


@pytest.mark.parametrize(
    "line",
    ["\x1b[2J", "a\nb", "a\rb", "a\x00b", "a\x85b", "a\u2028b", "\u202e登録", "\u2066x", "a\u200fb", "", "　"],
    ids=ascii,
)
def test_line_with_control_or_bidirectional_characters_is_refused(line: str) -> None:
    refusal = refusal_of(encoded(ACT_VALUES | {"lines": ["登録", line]}))
    assert (refusal.reason, refusal.metadata["part"]) == ("PURPOSE_MALFORMED", "lines")


@pytest.mark.parametrize("lines", [[], "登録", [1], [["登録"]], None, ["x"] * 101])
def test_lines_other_than_a_list_of_texts_are_refused(lines: object) -> None:
    assert refusal_of(encoded(ACT_VALUES | {"lines": lines})).reason == "PURPOSE_MALFORMED"


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "AAAA"},
        {"nonce": LOG_IN_VALUES["nonce"] + "="},
        {"nonce": LOG_IN_VALUES["nonce"][:-1] + "9"},
        {"nonce": "+" * 43},
        {"certificate_sha256": CARD.hex().upper()},
        {"certificate_sha256": CARD.hex()[:-2]},
        {"certificate_sha256": 7},
        {"instance": ""},
        {"instance": "sai\ttama"},
        {"type": "hash"},
        {"type": 1},
    ],
)
def test_malformed_value_is_refused(changes: dict[str, Any]) -> None:
    assert refusal_of(encoded(LOG_IN_VALUES | changes)).reason == "PURPOSE_MALFORMED"


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"instance": "aomori"}, "INSTANCE"),
        ({"agency": "kawagoe-city"}, "AGENCY"),
        ({"category": "goods"}, "CATEGORY"),
        ({"certificate_sha256": (b"\x01" * 32).hex()}, "CARD"),
        ({"bidder_id": "1234567891"}, "BIDDER"),
        ({"request_id": "00000000-0000-0000-0000-000000000000"}, "REQUEST"),
        ({"request_sha256": (b"\x02" * 32).hex()}, "REQUEST"),
    ],
)
def test_unexpected_purpose_is_refused(changes: dict[str, Any], subject: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_purpose(read_purpose(encoded(ACT_VALUES | changes)), EXPECTED)
    assert refused.value.reason == f"PURPOSE_FOR_ANOTHER_{subject}"
    assert refused.value.metadata["found"] != refused.value.metadata["expected"]


def test_log_in_is_not_accepted_as_act_nor_act_as_log_in() -> None:
    log_in = read_purpose(encoded(LOG_IN_VALUES))
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_TYPE"):
        check_purpose(log_in, EXPECTED)
    check_purpose(log_in, LOG_IN)
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_TYPE"):
        check_purpose(read_purpose(encoded(ACT_VALUES)), LOG_IN)


def test_purpose_of_another_operation_is_refused() -> None:
    expected = replace(LOG_IN, operation=Operation.CHANGE)
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_OPERATION"):
        check_purpose(read_purpose(encoded(LOG_IN_VALUES)), expected)

"""The words of `toroku history`: for every finding, and for everything that a registry writes into its history."""

import json
import sys
from base64 import b64encode
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from history.entries import ERASED
from history.findings import Fault, Finding
from officers.proposal_entry import ProposalAction
from operator_command.history.details import describe_details
from operator_command.history.entry_words import ACTS, describe_act, describe_person
from operator_command.history.finding_words import describe_finding
from operator_command.history.progress import VerificationProgress
from operator_command.speech import Language, Speech

SERVICES = Path(__file__).parents[3] / "services"


def test_every_act_of_a_registry_has_words() -> None:
    modules = [file.relative_to(file.parents[2]) for file in SERVICES.glob("*/*/domain/history.py")]
    actions = {
        str(action)
        for module in modules
        for action in import_module(".".join(module.with_suffix("").parts)).HistoryAction
    }
    assert len(actions) >= 6
    assert actions | {*ProposalAction} | {ERASED} <= set(ACTS)
    assert describe_act("something new").ja == "その他の操作（something new）"


def test_persons_are_named_by_kind() -> None:
    speech = Speech(Language.ENGLISH)
    assert [
        describe_person(who, speech)
        for who in ("card 00", "officer kawagoe-city/yamada", "person kawagoe-city/sato", "agency kawagoe-city")
    ] == [
        "card 00",
        "officer yamada of kawagoe-city (kawagoe-city/yamada)",
        "invited person (kawagoe-city/sato)",
        "system of kawagoe-city (kawagoe-city)",
    ]
    assert [describe_person(who, speech) for who in ("service agency-sync", "certificate-registry", "operator")] == [
        "service agency-sync",
        "service certificate-registry",
        "the operator, by a service's command",
    ]


def test_every_finding_has_a_sentence_in_both_languages() -> None:
    places: list[dict[str, Any]] = [
        {"first_position": 4, "last_position": 4, "number": 9, "head": 3, "act": 12},
        {"first_position": 4, "last_position": 6, "head": 3, "act": 12},
    ]
    for fault in (*Fault, None):
        for place in places:
            said = describe_finding(Finding(fault=fault, **place))
            assert said.ja.endswith("。")
            assert said.en.endswith(".")
            assert said.en[0].isupper()
            assert "3" in said.ja or "4" in said.ja
    sentences = {describe_finding(Finding(fault=fault, **places[0])).en for fault in Fault}
    assert len(sentences) == len(Fault)
    unplaced = describe_finding(Finding(fault=Fault.INSERTED, number=9))
    assert unplaced.en.startswith("The entry without a position (number 9) is not what was sealed")
    assert unplaced.ja.startswith("位置のない記録（記録番号9）は封印された履歴にないもの")


class Terminal(StringIO):
    @override
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_of_a_terminal_and_few_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, written in (
        (Terminal(), "\r\x1b[2Kx: 0 entries verified\r\x1b[2Kx: 1,000 entries verified\r\x1b[2K"),
        (StringIO(), "x: 0 entries verified\nx: 100,000 entries verified\n"),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        progress = VerificationProgress("x", Speech(Language.ENGLISH))
        for entries in (1000,) if stream.isatty() else (1000, 99_999, 100_000, 150_000):
            progress.show(entries)
        progress.clear()
        assert stream.getvalue() == written


def test_signature_whose_certificate_another_registry_has_is_not_judged() -> None:
    vectors = json.loads((Path(__file__).parents[3] / "protos" / "vectors" / "purposes.json").read_text("utf-8"))
    purpose = next(each["bytes"] for each in vectors["accepted"] if each["purpose"]["operation"] == "change").encode()
    act = {"purpose": b64encode(purpose).decode(), "algorithm": "ECDSA_SHA256", "signature": ""}
    for certificate, judgement in (({}, "verified by certificate-registry"), ({"certificate": ""}, "wrong")):
        details = json.dumps({"before": {}, "after": {}, "act": act | certificate})
        label, said = [*describe_details(details, Speech(Language.ENGLISH))][-1]
        assert label.en == "signature"
        assert said.startswith(judgement)

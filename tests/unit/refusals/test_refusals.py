"""Refusals are converted for gRPC without loss, and every reason has words in both languages."""

import re

import pytest

from refusals import Code, Refusal, Violation
from refusals.catalogue import UNKNOWN, catalogue, explain
from refusals.status import from_status, to_status
from tools.reasons_in_sources import named_in_protos, raised


def test_refusal_survives_conversion_to_a_status() -> None:
    sent = Refusal(
        "FIELDS_INVALID",
        Code.INVALID_ARGUMENT,
        {"agency": "川口市"},
        [Violation("card_contact.address", "FIELD_TOO_LONG", {"most": "60", "actual": "61"})],
    )
    got = from_status(to_status(sent))
    assert got is not None
    assert (got.reason, got.code, got.metadata, got.violations) == (
        sent.reason,
        sent.code,
        sent.metadata,
        sent.violations,
    )


def test_every_raised_reason_has_words() -> None:
    assert sorted(set(raised()) - set(catalogue())) == []


def test_every_reason_with_words_is_raised() -> None:
    assert sorted(set(catalogue()) - set(raised()) - {UNKNOWN}) == []


def test_proto_comments_name_only_raised_reasons() -> None:
    assert {reason: rpcs for reason, rpcs in named_in_protos().items() if reason not in raised()} == {}


def test_reasons_are_found_through_helpers_and_returns() -> None:
    found = raised()
    assert "front-door" in found["AGENCY_UNKNOWN"]  # through a function that makes the refusal
    assert "certificate-registry" in found["PURPOSE_FOR_ANOTHER_ROLE"]  # composed in an f-string
    assert "qualification-registry" in found["ROSTER_QUOTE_OPEN"]  # returned by a function
    assert "servicekit" in found["INTERNAL_FAILURE"]


@pytest.mark.parametrize("reason", sorted(catalogue()))
def test_words_have_cause_and_remedy_in_both_languages(reason: str) -> None:
    words = catalogue()[reason]
    for side in (words.ja, words.en):
        assert side.what.strip()
        assert side.next.strip()
    assert re.search(r"[ぁ-んァ-ン一-龯]", words.ja.what)
    assert "None" not in str(explain(reason).ja)


def test_unknown_reason_is_shown() -> None:
    assert "NEVER_HEARD_OF" in explain("NEVER_HEARD_OF").ja.what

"""A refusal crosses gRPC whole, and every reason has its words in both languages."""

import re
from pathlib import Path

import pytest

from refusals import Code, Refusal, Violation
from refusals.catalogue import catalogue, explain
from refusals.status import from_status, to_status

ROOT = Path(__file__).parents[3]
SOURCES = ["services", "card-agent", "toroku-refusals"]
# A reason is raised as the first argument of Refusal, or stands as the second of Violation.
_RAISED = re.compile(r'(?:Refusal\(\s*|Violation\(\s*[^,()]+(?:\([^)]*\))?,\s*)"([A-Z][A-Z0-9_]+)"')


def raised_reasons() -> set[str]:
    return {
        reason
        for folder in SOURCES
        for file in (ROOT / folder).rglob("*.py")
        for reason in _RAISED.findall(file.read_text("utf-8"))
    }


def test_a_refusal_is_the_same_on_the_other_side() -> None:
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


def test_every_reason_that_is_raised_has_words() -> None:
    assert sorted(raised_reasons() - set(catalogue())) == []


@pytest.mark.parametrize("reason", sorted(catalogue()))
def test_words_say_what_happened_and_what_to_do_next(reason: str) -> None:
    words = catalogue()[reason]
    for side in (words.ja, words.en):
        assert side.what.strip()
        assert side.next.strip()
    assert re.search(r"[ぁ-んァ-ン一-龯]", words.ja.what)
    assert "None" not in str(explain(reason).ja)


def test_a_reason_without_words_is_still_told_apart() -> None:
    assert "NEVER_HEARD_OF" in explain("NEVER_HEARD_OF").ja.what

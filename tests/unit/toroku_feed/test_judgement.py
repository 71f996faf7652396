"""Whether a card is good by the copy: the words and the order are those of ResolveUser."""

from datetime import datetime, timedelta

import pytest

from tests.support.feed_messages import NOON, YEAR, change
from toroku.agencysync.v1.feed_pb2 import Change
from toroku_feed.judgement import judge
from toroku_feed.store import Position, Progress

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
# Far enough that it is no bound here.
PROGRESS = Progress(Position(1, 10), NOON, 3 * YEAR)


def find_reason(entry: Change | None, at: datetime = NOON, progress: Progress | None = PROGRESS) -> str:
    return judge(entry, progress, at).reason


def test_a_good_card_is_good_and_names_its_bidder() -> None:
    answer = judge(change(1), PROGRESS, NOON)
    assert answer
    assert (answer.reason, answer.as_of) == ("GOOD", NOON)
    assert answer.entry is not None
    assert answer.entry.bidder_id == "1100000001"


def test_an_answer_that_is_not_good_is_false() -> None:
    assert not judge(None, PROGRESS, NOON)
    assert find_reason(None) == "NOT_REGISTERED"


def test_it_is_good_from_the_first_to_the_last_second_of_the_certificate() -> None:
    entry = change(1)
    for at, reason in (
        (NOON - YEAR - SECOND, "CERTIFICATE_NOT_YET_VALID"),
        (NOON - YEAR, "GOOD"),
        (NOON + YEAR + SECOND - timedelta(microseconds=1), "GOOD"),
        (NOON + YEAR + SECOND, "CERTIFICATE_EXPIRED"),
    ):
        assert find_reason(entry, at) == reason


def test_it_is_good_from_the_first_instant_of_a_term_until_it_has_ended() -> None:
    entry = change(1, qualified=[(None, NOON), (NOON + DAY, NOON + 2 * DAY)])
    for at, reason in (
        (NOON - SECOND, "GOOD"),
        (NOON, "NOT_QUALIFIED"),
        (NOON + DAY - SECOND, "NOT_QUALIFIED"),
        (NOON + DAY, "GOOD"),
        (NOON + 2 * DAY, "NOT_QUALIFIED"),
    ):
        assert find_reason(entry, at) == reason
    assert find_reason(change(1, qualified=[])) == "NOT_QUALIFIED"


@pytest.mark.parametrize(
    ("state", "reason", "when_expired", "when_not_qualified"),
    [
        (Change.STATE_REPLACED, "CARD_REPLACED", "CARD_REPLACED", "CARD_REPLACED"),
        (Change.STATE_ENDED, "BINDING_ENDED", "BINDING_ENDED", "BINDING_ENDED"),
        (Change.STATE_ENDED, "BIDDER_ENDED", "CERTIFICATE_EXPIRED", "BIDDER_ENDED"),
        (Change.STATE_REVOKED, "CERTIFICATE_REVOKED", "CERTIFICATE_REVOKED", "CERTIFICATE_REVOKED"),
        (Change.STATE_REVOKED, "CERTIFICATE_NOT_TRUSTED", "CERTIFICATE_EXPIRED", "CERTIFICATE_NOT_TRUSTED"),
        (Change.STATE_SUSPENDED, "CARD_SUSPENDED", "CERTIFICATE_EXPIRED", "CARD_SUSPENDED"),
        (Change.STATE_SUSPENDED, "BIDDER_SUSPENDED", "CERTIFICATE_EXPIRED", "BIDDER_SUSPENDED"),
        (Change.STATE_UNDER_REVIEW, "UNDER_REVIEW", "CERTIFICATE_EXPIRED", "NOT_QUALIFIED"),
    ],
)
def test_a_stopped_card_has_the_reason_that_comes_first(
    state: Change.State.ValueType, reason: str, when_expired: str, when_not_qualified: str
) -> None:
    assert find_reason(change(1, state=state, reason=reason)) == reason
    assert find_reason(change(1, state=state, reason=reason), NOON + 2 * YEAR) == when_expired
    assert find_reason(change(1, state=state, reason=reason, qualified=[])) == when_not_qualified


def test_a_certificate_without_known_bounds_is_not_good() -> None:
    for bound in ("certificate_not_before", "certificate_not_after"):
        for state, reason in (
            (Change.STATE_GOOD, "CERTIFICATE_NOT_TRUSTED"),
            (Change.STATE_SUSPENDED, "CARD_SUSPENDED"),
        ):
            entry = change(1, state=state)
            entry.ClearField(bound)
            assert find_reason(entry) == reason


def test_a_state_without_a_reason_or_newer_than_the_program_is_not_good() -> None:
    assert find_reason(change(1, state=Change.STATE_SUSPENDED)) == "CARD_SUSPENDED"
    for state in (Change.STATE_UNSPECIFIED, 99):
        assert find_reason(change(1, state=state)) == "UNKNOWN_STATE"  # type: ignore[arg-type]


def test_after_the_stated_validity_without_news_nobody_is_let_in() -> None:
    progress = Progress(Position(1, 10), NOON, DAY)
    assert find_reason(change(1), NOON + DAY - SECOND, progress) == "GOOD"
    assert find_reason(change(1), NOON + DAY, progress) == "FEED_TOO_OLD"
    # What is not good stays so, with the reason that helps.
    assert find_reason(None, NOON + DAY, progress) == "NOT_REGISTERED"
    assert find_reason(change(1), NOON, None) == "FEED_TOO_OLD"

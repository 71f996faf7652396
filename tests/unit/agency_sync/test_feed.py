"""What a feed says of a card: the order of the verdicts, and what is an entry."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from agency_sync.domain.bidder_state import BidderState, CompanyReview, QualifiedPeriod
from agency_sync.domain.card_state import (
    AgencyRegistration,
    CardState,
    Certificate,
    CompanyComparison,
    HolderComparison,
    Origin,
    Proven,
    RegistrationState,
    Standing,
)
from agency_sync.domain.feed import (
    CardFacts,
    Change,
    ContactVersions,
    FeedHead,
    FeedPosition,
    list_new_entries,
    merge,
    take_portion,
)
from agency_sync.domain.feed_position import find_start, is_gapless
from refusals import Refusal
from servicekit.versions import Version

MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
GOOD = AgencyRegistration(UUID(int=1), RegistrationState.GOOD, Origin.CONTRACTOR, registered_at=MORNING)
CARD = CardState(
    certificate_sha256=b"c" * 32,
    category="works",
    version=Version(1, 1),
    bidder_id="b",
    is_live=True,
    is_suspended=False,
    proven=Proven(True, CompanyComparison.SAME, HolderComparison.CONTRACT_PARTY),
    registrations={"city": GOOD},
    certificate=Certificate(Standing.TRUSTED, MORNING, MORNING + timedelta(days=700)),
)
BIDDER = BidderState(
    bidder_id="b",
    category="works",
    version=Version(1, 1),
    is_suspended=False,
    suspended_agencies=frozenset(),
    approved_cards=[],
    qualified=[
        QualifiedPeriod(None, MORNING, frozenset({"city"})),
        QualifiedPeriod(MORNING, None, frozenset({"town"})),
    ],
    reviews=[],
)
NONE = ContactVersions(0, {})


def facts(card: CardState = CARD, bidder: BidderState | None = BIDDER) -> CardFacts:
    return CardFacts(card, bidder, NONE, NONE)


# Each stop, in the order in which verdicts come before each other.
STOPS: Mapping[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "CARD_REPLACED": ({}, {"state": RegistrationState.REPLACED, "replaced_by": b"n" * 32}, {}),
    "BINDING_ENDED": ({"is_live": False}, {}, {}),
    "CERTIFICATE_REVOKED": ({"certificate": Certificate(Standing.REVOKED, None, None)}, {}, {}),
    "CERTIFICATE_NOT_TRUSTED": ({"certificate": Certificate(Standing.NOT_TRUSTED, None, None)}, {}, {}),
    "BIDDER_ENDED": ({}, {}, {"is_ended": True}),
    "CARD_SUSPENDED": ({"is_suspended": True}, {}, {}),
    "BIDDER_SUSPENDED": ({}, {}, {"suspended_agencies": frozenset({"city"})}),
    "UNDER_REVIEW": ({}, {}, {"reviews": [CompanyReview(MORNING, frozenset({"city"}))]}),
}


@pytest.mark.parametrize("place", range(len(STOPS)))
def test_first_stop_in_the_order_of_the_verdicts_is_the_reason(place: int) -> None:
    card, registration, bidder = CARD, GOOD, BIDDER
    # With all that come after it; the ones that exclude each other are of one part, and the earlier one takes it.
    for of_card, of_registration, of_bidder in reversed(list(STOPS.values())[place:]):
        card, registration, bidder = (
            replace(card, **of_card),
            replace(registration, **of_registration),
            replace(bidder, **of_bidder),
        )
    merged = merge(facts(card, bidder), "city", registration, is_new_card_good=False)
    assert merged.verdict == list(STOPS)[place]
    assert (merged.replaced_by is not None) == (merged.verdict == "CARD_REPLACED")


def test_card_of_before_the_review_is_good_and_a_new_one_where_the_agency_says_so() -> None:
    review = replace(BIDDER, reviews=[CompanyReview(MORNING, frozenset({"city"}))])
    before = replace(GOOD, registered_at=MORNING - timedelta(microseconds=1))
    assert merge(facts(bidder=review), "city", before, is_new_card_good=False).verdict == ""
    assert merge(facts(bidder=review), "city", GOOD, is_new_card_good=True).verdict == ""
    assert merge(facts(bidder=review), "town", GOOD, is_new_card_good=False).verdict == ""


def test_qualified_times_are_those_of_the_agency_and_open_where_no_state_is_known() -> None:
    assert merge(facts(), "city", GOOD, is_new_card_good=True).qualified == ((None, MORNING),)
    assert merge(facts(bidder=None), "city", GOOD, is_new_card_good=True).qualified == ((None, None),)


def test_only_what_differs_from_the_newest_entry_is_a_new_one() -> None:
    (entry,) = list_new_entries(facts(), {}, rules={})
    assert entry.feed == ("city", "works")
    assert list_new_entries(facts(), {"city": entry.card}, rules={}) == []
    (ended,) = list_new_entries(facts(replace(CARD, registrations={})), {"city": entry.card}, rules={})
    assert (ended.card.verdict, ended.card.qualified) == ("NOT_REGISTERED", entry.card.qualified)
    assert list_new_entries(facts(replace(CARD, registrations={})), {"city": ended.card}, rules={}) == []


def test_portion_has_what_fits_and_one_card_at_least() -> None:
    sizes = {(bytes([number]), "works"): 3 for number in range(5)}
    assert len(take_portion(sizes, 7)) == 2
    assert len(take_portion(sizes, 1)) == 1
    assert len(take_portion(sizes, 100)) == 5
    assert take_portion({}, 100) == []


HEAD = FeedHead(epoch=3, number=9, kept_after=4, as_of=MORNING)
REFUSED = {
    (2, 9): "FEED_RESTARTED",
    (3, 10): "FEED_POSITION_AHEAD",
    (4, 0): "FEED_POSITION_AHEAD",
    (3, 3): "FEED_POSITION_TOO_OLD",
    (3, -1): "FEED_POSITION_INVALID",
    (0, 0): "FEED_POSITION_INVALID",
}


@pytest.mark.parametrize("position", REFUSED)
def test_position_from_which_nobody_can_go_on_is_refused(position: tuple[int, int]) -> None:
    with pytest.raises(Refusal, match=REFUSED[position]):
        find_start(FeedPosition(*position), HEAD)


def test_reader_goes_on_between_what_is_kept_and_the_head_and_begins_where_nothing_was_deleted() -> None:
    assert [find_start(FeedPosition(3, number), HEAD) for number in (4, 9)] == [4, 9]
    with pytest.raises(Refusal, match="FEED_POSITION_TOO_OLD"):
        find_start(None, HEAD)
    assert find_start(None, replace(HEAD, kept_after=0)) == 0


def test_gap_is_seen_wherever_it_is() -> None:
    (entry,) = list_new_entries(facts(), {}, rules={})
    changes = [Change(1, number, MORNING, b"", entry.card) for number in (5, 6, 7)]
    assert is_gapless(changes, 4)
    assert not is_gapless(changes, 3)
    assert not is_gapless([changes[0], changes[2]], 4)
    assert not is_gapless([], 4)

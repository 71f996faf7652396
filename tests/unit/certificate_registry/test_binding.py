"""Which bidder a card belongs to, and what was proven of both."""

import pytest

from certificate_registry.domain.binding import (
    BindingState,
    CardRecord,
    CardStanding,
    RegistrationKind,
    RegistrationState,
    determine_registration_kind,
    determine_standing,
    require_registered_here,
)
from certificate_registry.domain.proven import CompanyComparison, HolderComparison, Proven, add_proof
from refusals import Code, Refusal

NEW = CardRecord()
ELSEWHERE = CardRecord(1, BindingState.LIVE, "1001")
HERE = CardRecord(1, BindingState.LIVE, "1001", RegistrationState.GOOD)
RELEASED = CardRecord(1, BindingState.RELEASED)
CLOSED = CardRecord(1, BindingState.CLOSED)


def _refusal(record: CardRecord, bidder_id: str) -> Refusal:
    with pytest.raises(Refusal) as refused:
        determine_registration_kind(record, bidder_id)
    return refused.value


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (NEW, CardStanding.NEW),
        (ELSEWHERE, CardStanding.REGISTERED_ELSEWHERE),
        (HERE, CardStanding.REGISTERED_HERE),
        (RELEASED, CardStanding.NEW),
        (CardRecord(2, BindingState.LIVE, "1001"), CardStanding.REGISTERED_ELSEWHERE),
    ],
)
def test_standing_is_known_before_the_search(record: CardRecord, expected: CardStanding) -> None:
    assert determine_standing(record) is expected


def test_new_card_gets_a_binding() -> None:
    assert determine_registration_kind(NEW, "1001") is RegistrationKind.NEW_BINDING


def test_same_card_and_bidder_can_register_at_a_further_agency() -> None:
    assert determine_registration_kind(ELSEWHERE, "1001") is RegistrationKind.FURTHER_AGENCY


@pytest.mark.parametrize("bidder_id", ["1001", "1002"])
def test_card_registered_here_is_refused(bidder_id: str) -> None:
    refusal = _refusal(HERE, bidder_id)
    assert (refusal.reason, refusal.code) == ("CARD_ALREADY_REGISTERED", Code.ALREADY_EXISTS)


def test_card_of_another_bidder_is_refused_at_every_agency() -> None:
    assert _refusal(ELSEWHERE, "1002").reason == "CARD_BOUND_TO_ANOTHER_BIDDER"


@pytest.mark.parametrize("bidder_id", ["1001", "1002"])
def test_released_card_gets_a_new_binding_to_any_bidder(bidder_id: str) -> None:
    assert determine_registration_kind(RELEASED, bidder_id) is RegistrationKind.NEW_BINDING


@pytest.mark.parametrize("bidder_id", ["1001", "1002"])
@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (CLOSED, "CARD_BINDING_ENDED"),
        (CardRecord(1, BindingState.LIVE, "1001", RegistrationState.ENDED), "CARD_BINDING_ENDED"),
        (CardRecord(1, BindingState.LIVE, "1001", RegistrationState.REPLACED), "CARD_REPLACED"),
        (CardRecord(1, BindingState.CLOSED, here=RegistrationState.REPLACED), "CARD_REPLACED"),
    ],
)
def test_closed_card_and_card_replaced_here_are_refused(record: CardRecord, reason: str, bidder_id: str) -> None:
    assert _refusal(record, bidder_id).reason == reason
    for determine in (determine_standing, require_registered_here):
        with pytest.raises(Refusal, match=reason):
            determine(record)


def test_card_is_registered_here_only_while_it_is_good_here() -> None:
    require_registered_here(HERE)
    for record in (NEW, RELEASED, ELSEWHERE):
        with pytest.raises(Refusal, match="CARD_NOT_REGISTERED_HERE"):
            require_registered_here(record)
    for record in (
        CardRecord(1, BindingState.LIVE, "1001", RegistrationState.SUSPENDED),
        CardRecord(1, BindingState.LIVE, "1001", RegistrationState.GOOD, is_suspended=True),
    ):
        with pytest.raises(Refusal, match="CARD_SUSPENDED"):
            require_registered_here(record)


@pytest.mark.parametrize(
    "record",
    [
        CardRecord(is_suspended=True),
        CardRecord(1, BindingState.LIVE, "1001", is_suspended=True),
        CardRecord(1, BindingState.LIVE, "1001", RegistrationState.GOOD, is_suspended=True),
        CardRecord(1, BindingState.LIVE, "1001", RegistrationState.SUSPENDED),
    ],
)
def test_suspended_card_is_refused(record: CardRecord) -> None:
    with pytest.raises(Refusal, match="CARD_SUSPENDED"):
        determine_standing(record)


def test_newest_comparison_counts_and_a_password_stays_proven() -> None:
    known = Proven(True, CompanyComparison.SAME, HolderComparison.CONTRACT_PARTY)
    newest = Proven(False, CompanyComparison.DIFFERENT, HolderComparison.NOT_COMPARED)
    assert add_proof(known, newest) == Proven(True, CompanyComparison.DIFFERENT, HolderComparison.NOT_COMPARED)
    assert add_proof(newest, known) == known

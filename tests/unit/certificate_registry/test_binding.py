"""Which bidder a card belongs to."""

import pytest

from certificate_registry.domain.binding import (
    CardRecord,
    CardStanding,
    RegistrationKind,
    determine_registration_kind,
    determine_standing,
)
from refusals import Code, Refusal

pytestmark = pytest.mark.requirement("CRD-06")
NEW = CardRecord()
ELSEWHERE = CardRecord(bound_to="1001")
HERE = CardRecord(bound_to="1001", registered_here=True)
ENDED = CardRecord(was_bound=True)


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
        (CardRecord(bound_to="1001", was_bound=True), CardStanding.REGISTERED_ELSEWHERE),
    ],
)
def test_standing_is_known_before_the_search(record: CardRecord, expected: CardStanding) -> None:
    assert determine_standing(record) is expected


@pytest.mark.requirement("CRD-07")
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
def test_card_with_ended_binding_is_refused(bidder_id: str) -> None:
    assert _refusal(ENDED, bidder_id).reason == "CARD_BINDING_ENDED"
    with pytest.raises(Refusal):
        determine_standing(ENDED)

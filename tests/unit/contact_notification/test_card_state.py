"""The rules of card states: contacts are those that the card signed, and who may ask about a card."""

import dataclasses
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from contact_notification.domain.card_state import (
    CardState,
    Outcome,
    OutcomeState,
    Registration,
    RegistrationState,
    choose_newest,
    find_missing,
)
from contact_notification.domain.staging import Company, MissingContacts, StagedRegistration, StagedState
from servicekit.versions import Version

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
CARD, OTHER_CARD = b"\x01" * 32, b"\x02" * 32


def committed(**changes: object) -> Registration:
    values = {
        "registration_id": uuid4(),
        "agency": "city",
        "category": "works",
        "certificate_sha256": CARD,
        "bidder_id": "1000000001",
        "registered_at": NOW,
        "request_id": UUID(int=1),
        "request_sha256": b"\x07" * 32,
    }
    return Registration(**(values | changes))  # type: ignore[arg-type]  # The values of the dict have several types.


def staged(request_sha256: bytes = b"\x07" * 32) -> StagedRegistration:
    company = Company("1000000001", "例", *(None,) * 12, ())
    return StagedRegistration(
        CARD, UUID(int=1), request_sha256, "city", "works", company, uuid4(), None, "", StagedState.PENDING, NOW
    )


def card_state(card: bytes = CARD, category: str = "works", number: int = 1, *, is_live: bool = True) -> CardState:
    states = {
        "good": RegistrationState.GOOD,
        "suspended": RegistrationState.SUSPENDED,
        "replaced": RegistrationState.REPLACED,
        "ended": RegistrationState.ENDED,
        "newer": RegistrationState.UNSPECIFIED,
    }
    return CardState(card, category, Version(1, number), "1000000001", is_live, states, ())


def test_agencies_may_ask_about_good_and_suspended_registrations_of_a_live_binding_only() -> None:
    assert card_state().agencies == ["good", "suspended"]
    assert card_state(is_live=False).agencies == []


def test_newest_state_of_each_card_and_category_is_chosen_in_the_order_of_their_keys() -> None:
    newest, goods, other = card_state(number=3), card_state(category="goods"), card_state(OTHER_CARD)
    states = [other, card_state(number=2), newest, card_state(number=1), goods]
    assert choose_newest(states) == [goods, newest, other]


def test_staged_contacts_belong_to_the_signed_act() -> None:
    assert find_missing(staged(), committed()) is None


@pytest.mark.parametrize(
    ("contacts", "registration"),
    [
        (staged(b"\x08" * 32), committed()),
        (staged(), committed(agency="town")),
        (staged(), committed(category="goods")),
        (staged(), committed(bidder_id="1000000002")),
    ],
    ids=["hash", "agency", "category", "bidder"],
)
def test_contacts_of_another_act_were_not_signed(contacts: StagedRegistration, registration: Registration) -> None:
    assert find_missing(contacts, registration) is MissingContacts.NOT_SIGNED


def test_registration_without_staged_contacts_has_none() -> None:
    assert find_missing(None, committed()) is MissingContacts.NOT_STAGED


def test_outcome_names_the_registrations_of_its_state() -> None:
    registration = committed()
    outcome = Outcome(OutcomeState.REGISTERED, dataclasses.replace(card_state(), registrations=(registration,)))
    assert outcome.find_registration(UUID(int=1)) is registration
    assert outcome.find_registration(UUID(int=2)) is None
    assert Outcome(OutcomeState.REGISTERED, None).find_registration(UUID(int=1)) is None


@pytest.mark.parametrize(
    ("lower", "higher"),
    [(Version(1, 1), Version(1, 2)), (Version(1, 9), Version(2, 1)), (Version(1, 10), Version(1, 11))],
)
def test_versions_are_compared_by_epoch_then_by_number(lower: Version, higher: Version) -> None:
    assert lower < higher

"""A renewed card takes over the contact of the one before it, and what other agencies keep of it."""

import pytest

from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE, TOWN, WORKS
from tests.support.services.contact_change import (
    CARD,
    RENEWAL,
    Change,
    after,
    find_contact,
    register_at,
    renewed_state,
)
from tests.support.services.contact_messages import card_sha256, card_state, contact_form, staging_request
from tests.support.services.contact_notification import RunningContactNotification
from toroku.certificate.v1 import card_state_pb2


async def change_telephone(
    contacts: RunningContactNotification, telephone: str, *, minutes: int, number: int = 1, propagate: bool = False
) -> None:
    contacts.now[0] = after(minutes)
    change = Change(contacts=contacts, number=number, propagate=propagate)
    await change.type_over(card={"telephone": telephone})
    await change.commit()


async def test_renewed_card_takes_over_the_newest_contact(contacts: RunningContactNotification) -> None:
    request = await register_at(contacts)
    await contacts.record(renewed_state())
    found = await find_contact(contacts, CARD, 2)
    assert found.contact == request.card_contact.contact
    assert (found.version, found.counts_from.ToDatetime()) == (1, after(60).replace(tzinfo=None))
    registered = await Change(contacts=contacts, number=2).look()
    assert registered.card_contact.brought_by == card_sha256(2)
    [entry] = await contacts.find_history(RENEWAL)
    assert (entry.what, entry.who) == ("contacts taken over", "contact-notification")
    assert entry.details is not None
    assert card_sha256(1).hex() in entry.details


async def test_repetition_takes_nothing_over_again(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    await contacts.record(renewed_state())
    await change_telephone(contacts, "048-111-1111", minutes=70, number=2)
    await contacts.record(renewed_state())
    assert (await find_contact(contacts, CARD, 2)).contact.telephone == "048-111-1111"
    assert (await find_contact(contacts, CARD, 1)).contact.telephone == "048-000-0000"
    assert len(await contacts.find_history(RENEWAL)) == 1


async def test_agencies_with_an_earlier_contact_keep_it_for_the_new_card(contacts: RunningContactNotification) -> None:
    await register_at(contacts, others=(CITY, TOWN))
    await change_telephone(contacts, "048-111-1111", minutes=10)
    await change_telephone(contacts, "048-222-2222", minutes=20)
    await contacts.record(renewed_state(others=(CITY,)))
    assert (await find_contact(contacts, CARD, 2)).contact.telephone == "048-222-2222"
    at_city = await find_contact(contacts, CARD, 2, agency=CITY)
    assert at_city.contact.telephone == "048-000-0000"
    look = await Change(contacts=contacts, number=2).look()
    assert [*look.agencies_with_earlier_contacts] == [CITY, TOWN]
    assert look.card_contact.version == at_city.version + 1
    await change_telephone(contacts, "048-333-3333", minutes=70, number=2, propagate=True)
    assert (await find_contact(contacts, CARD, 2, agency=CITY)).contact.telephone == "048-333-3333"


async def test_agency_of_the_renewal_keeps_what_the_last_change_left_there(
    contacts: RunningContactNotification,
) -> None:
    request = await register_at(contacts)
    await change_telephone(contacts, "048-111-1111", minutes=10)
    await contacts.record(renewed_state(agency=CITY))
    assert (await find_contact(contacts, CARD, 2, agency=CITY)).contact == request.card_contact.contact


async def test_card_with_a_contact_of_its_own_keeps_it(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    own = staging_request(2, representative=False, agency=CITY, card_contact=contact_form("自分　次郎"))
    await contacts.register(own)
    state = renewed_state()
    state.registrations.append(contacts.states[own.certificate_sha256, WORKS].registrations[0])
    state.version.number = 2
    await contacts.record(state)
    assert (await find_contact(contacts, CARD, 2)).contact.person_name == "自分　次郎"
    assert await contacts.find_history(RENEWAL) == []


async def test_contact_passes_on_from_card_to_card(contacts: RunningContactNotification) -> None:
    request = await register_at(contacts)
    third = renewed_state(3, 2, at=120)
    await contacts.record(renewed_state(), third)
    assert (await find_contact(contacts, CARD, 3)).contact == request.card_contact.contact


async def test_state_that_comes_before_that_of_the_old_card_is_kept_and_sent_again(
    contacts: RunningContactNotification,
) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    with pytest.raises(Refusal, match="CARD_STATE_TOO_EARLY") as caught:
        await contacts.record(renewed_state())
    assert caught.value.metadata["predecessor"] == card_sha256(1).hex()
    assert await contacts.rows("SELECT agencies FROM card_states") == [([PREFECTURE],)]
    old = card_state(request)
    contacts.commit(old)
    # Both in one list, in any order.
    await contacts.record(renewed_state(), old)
    assert (await find_contact(contacts, CARD, 2)).contact == request.card_contact.contact


async def test_old_card_without_a_contact_holds_nothing_up(contacts: RunningContactNotification) -> None:
    await contacts.record(card_state(staging_request(1)), renewed_state())
    with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
        await find_contact(contacts, CARD, 2)


async def test_change_by_a_card_that_was_renewed_meanwhile_is_refused(contacts: RunningContactNotification) -> None:
    """Its act was proven just before the renewal; the new card has taken over the contact already."""
    request = await register_at(contacts)
    change = Change(contacts=contacts)
    await change.type_over(card={"telephone": "048-111-1111"})
    old = contacts.states[request.certificate_sha256, WORKS]
    old.version.number += 1
    old.registrations[0].state = card_state_pb2.REGISTRATION_STATE_REPLACED
    await contacts.record(old, renewed_state())
    with pytest.raises(Refusal, match="CARD_REPLACED"):
        await change.commit()
    # At the city the old card is good, and may change what counts there.
    change.agency = CITY
    await change.commit()


async def test_renewal_without_a_predecessor_can_not_be_read(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    state = renewed_state()
    state.registrations[0].predecessor = b"x"
    with pytest.raises(Refusal, match="CARD_STATE_INVALID") as caught:
        await contacts.record(state)
    assert caught.value.metadata["part"] == "registrations.predecessor"

"""agency-sync is told which version of a contact counts where, whatever changes it."""

from uuid import uuid4

import pytest

from contact_notification.operations.erasure import Erasure
from contact_notification.operations.owner_events import MOST_STATES, enqueue_owners
from history.erasure_order import ErasureOrder
from refusals import Refusal
from servicekit.database_clock import read_time
from tests.support.example_profile import BIDDER, CITY, TOWN, WORKS
from tests.support.services.contact_change import (
    CARD,
    REPRESENTATIVE,
    Change,
    after,
    register_at,
    renewed_state,
)
from tests.support.services.contact_messages import card_sha256, staging_request
from tests.support.services.contact_notification import RunningContactNotification


async def change(contacts: RunningContactNotification, *, minutes: int, propagate: bool) -> None:
    contacts.now[0] = after(minutes)
    made = Change(contacts=contacts, propagate=propagate)
    await made.type_over(card={"telephone": f"048-111-{minutes:04}"})
    await made.commit()


@pytest.mark.requirement("REG-10")
async def test_registration_tells_both_contacts(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    told = await contacts.tell_owners()
    for purpose, card in ((CARD, card_sha256(1)), (REPRESENTATIVE, b"")):
        state = told[purpose, card]
        assert (state.category, state.bidder_id) == (WORKS, BIDDER)
        assert (state.version.epoch, state.version.number, state.contact_version) == (1, 1, 1)
        assert not state.pins
        assert not state.planned
    assert len({state.owner_id for state in told.values()}) == 2


@pytest.mark.requirement("CHG-02")
async def test_change_at_once_tells_the_pins_that_it_begins_and_ends(contacts: RunningContactNotification) -> None:
    await register_at(contacts, others=(TOWN, CITY))
    await contacts.tell_owners()
    await change(contacts, minutes=1, propagate=False)
    told = await contacts.tell_owners()
    state = told[CARD, card_sha256(1)]
    assert (state.version.number, state.contact_version) == (2, 2)
    assert [(pin.agency, pin.contact_version) for pin in state.pins] == [(CITY, 1), (TOWN, 1)]
    assert told[REPRESENTATIVE, b""].version.number == 1
    await change(contacts, minutes=2, propagate=True)
    state = (await contacts.tell_owners())[CARD, card_sha256(1)]
    assert (state.version.number, state.contact_version) == (3, 3)
    assert not state.pins
    assert not state.planned


async def test_registration_at_an_agency_tells_that_its_pin_ended(contacts: RunningContactNotification) -> None:
    await register_at(contacts, others=(CITY, TOWN))
    contacts.now[0] = after(1)
    made = Change(contacts=contacts, propagate=False)
    await made.type_over(representative={"telephone": "048-111-0001"})
    await made.commit()
    before = (await contacts.tell_owners())[REPRESENTATIVE, b""]
    await contacts.register(staging_request(2, representative=False, agency=CITY), at=after(5))
    told = await contacts.tell_owners()
    state = told[REPRESENTATIVE, b""]
    assert state.version.number == before.version.number + 1
    assert [pin.agency for pin in state.pins] == [TOWN]
    assert told[CARD, card_sha256(2)].version.number == 1


async def test_renewal_tells_what_the_new_card_took_over(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    await change(contacts, minutes=1, propagate=False)
    await contacts.record(renewed_state(others=(CITY,)))
    told = await contacts.tell_owners()
    state = told[CARD, card_sha256(2)]
    assert (state.version.number, state.contact_version) == (1, 2)
    assert [(pin.agency, pin.contact_version) for pin in state.pins] == [(CITY, 1)]


async def test_erasure_tells_that_there_is_no_contact_any_more(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    before = await contacts.tell_owners()
    erasure = Erasure(database=contacts.database, clock=read_time, chain=contacts.chain)
    await erasure.erase(ErasureOrder(BIDDER, "request 1"))
    told = await contacts.tell_owners()
    for key, state in told.items():
        assert (state.owner_id, state.contact_version) == (before[key].owner_id, 0)
        assert state.version.number == before[key].version.number + 1


async def test_state_is_told_as_it_is_when_it_is_sent(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    await contacts.tell_owners()
    await change(contacts, minutes=1, propagate=False)
    await change(contacts, minutes=2, propagate=False)
    jobs = await contacts.rows(
        "SELECT count(*) FROM jobs.procrastinate_jobs WHERE queue_name = 'owners_to_agency_sync'"
    )
    assert jobs == [(2,)]
    await contacts.tell_owners()
    numbers = [state.version.number for states in contacts.agency_sync.contact_owners for state in states]
    assert numbers[-2:] == [3, 3]


async def test_epoch_stands_in_the_next_version(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    await contacts.execute("UPDATE epoch SET epoch = 2")
    await change(contacts, minutes=1, propagate=False)
    state = (await contacts.tell_owners())[CARD, card_sha256(1)]
    assert (state.version.epoch, state.version.number) == (2, 2)


async def test_tens_of_thousands_are_told_some_hundreds_at_a_time(contacts: RunningContactNotification) -> None:
    async with contacts.database.transaction() as connection:
        await enqueue_owners(connection, [uuid4() for _ in range(2 * MOST_STATES + 1)])
    sizes = await contacts.rows(
        "SELECT jsonb_array_length(args->'arguments'->'owners') FROM jobs.procrastinate_jobs ORDER BY 1"
    )
    assert sizes == [(1,), (MOST_STATES,), (MOST_STATES,)]
    # Owners that do not exist are nobody's business.
    await contacts.tell_owners()
    assert contacts.agency_sync.contact_owners == []


async def test_refused_state_comes_to_stand_alone(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    told = await contacts.tell_owners()
    refused, other = (state.owner_id for state in told.values())
    contacts.agency_sync.refused_owners = {refused}
    task = contacts.work.tasks["send_contact_owners"][0]
    assert await task({"owners": [refused, other]}) == [{"owners": [refused]}, {"owners": [other]}]
    with pytest.raises(Refusal) as caught:
        await task({"owners": [refused]})
    assert caught.value.reason == "CONTACT_OWNER_INVALID"
    assert contacts.work.peers["owners_to_agency_sync"].name == "agency-sync"

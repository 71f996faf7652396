"""A change reaches the other agencies in the night, where the instance propagates by night (CHG-02)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE, TOWN, example_profile
from tests.support.services.contact_change import CARD, REPRESENTATIVE, Change, after, find_contact, register_at
from tests.support.services.contact_change import renewed_state as renewed
from tests.support.services.contact_messages import card_sha256, staging_request
from tests.support.services.contact_notification import RunningContactNotification, running_contact_notification
from tests.support.statements import counted_statements
from toroku.contact.v1 import contact_notification_pb2, owner_state_pb2

BY_NIGHT, HERE = True, False


@pytest.fixture
async def contacts(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningContactNotification]:
    """contact-notification of an instance that propagates by night."""
    profile = example_profile(propagation="night")
    async with running_contact_notification(migrated_database("contact_notification"), tmp_path, profile) as running:
        yield running


async def change(
    contacts: RunningContactNotification, *, minutes: int, propagate: bool, agency: str = PREFECTURE, number: int = 1
) -> None:
    """Changes the telephone of the card's contact to one that ends in `minutes`."""
    contacts.now[0] = after(minutes)
    made = Change(contacts=contacts, propagate=propagate, agency=agency, number=number)
    await made.type_over(card={"telephone": f"048-111-{minutes:04}"})
    await made.commit()


async def planned(contacts: RunningContactNotification, number: int = 1) -> list[owner_state_pb2.PlannedChange]:
    """Returns the changes of a card's contact that agency-sync is told to carry out."""
    return [*(await contacts.tell_owners())[CARD, card_sha256(number)].planned]


async def carry_out(contacts: RunningContactNotification, agency: str, *change_ids: str) -> list[str]:
    """Has an agency follow changes, as agency-sync does; returns those that are unknown."""
    response = await contacts.from_agency_sync.PropagateChanges(
        contact_notification_pb2.PropagateChangesRequest(
            agencies=[contact_notification_pb2.AgencyChanges(agency=agency, change_ids=change_ids)]
        )
    )
    return [*response.unknown_change_ids]


async def telephone(contacts: RunningContactNotification, agency: str = CITY, number: int = 1) -> str:
    return (await find_contact(contacts, CARD, number, agency=agency)).contact.telephone


@pytest.mark.requirement("CHG-02")
async def test_other_agencies_follow_a_change_in_the_night(contacts: RunningContactNotification) -> None:
    await register_at(contacts, others=(CITY, TOWN))
    await change(contacts, minutes=10, propagate=BY_NIGHT)
    assert await telephone(contacts, PREFECTURE) == "048-111-0010"
    assert await telephone(contacts) == "048-000-0000"
    state = (await contacts.tell_owners())[CARD, card_sha256(1)]
    assert (state.version.epoch, state.contact_version) == (1, 2)
    assert [(pin.agency, pin.contact_version) for pin in state.pins] == [(CITY, 1), (TOWN, 1)]
    [plan] = state.planned
    assert (plan.certificate_sha256, plan.agency, [*plan.agencies]) == (card_sha256(1), PREFECTURE, [CITY, TOWN])
    assert plan.made_at.ToDatetime() == after(10).replace(tzinfo=None)
    contacts.now[0] = after(600)
    assert await carry_out(contacts, CITY, plan.change_id) == []
    assert await telephone(contacts) == "048-111-0010"
    told = (await contacts.tell_owners())[CARD, card_sha256(1)]
    assert told.version.number == state.version.number + 1
    assert [(pin.agency, pin.contact_version) for pin in told.pins] == [(TOWN, 1)]
    assert [[*known.agencies] for known in told.planned] == [[TOWN]]


@pytest.mark.requirement("CHG-02")
@pytest.mark.parametrize(
    ("choices", "afterwards"),
    [
        ((BY_NIGHT, HERE), "048-111-0001"),
        ((HERE, BY_NIGHT), "048-111-0002"),
        ((BY_NIGHT, HERE, BY_NIGHT), "048-111-0003"),
        ((BY_NIGHT, BY_NIGHT, HERE), "048-111-0002"),
        ((HERE, BY_NIGHT, BY_NIGHT), "048-111-0003"),
        ((HERE, BY_NIGHT, HERE), "048-111-0002"),
        ((HERE,), "048-000-0000"),
    ],
)
@pytest.mark.parametrize("in_order", [True, False])
async def test_night_brings_what_the_changes_were_meant_to_bring(
    contacts: RunningContactNotification, choices: tuple[bool, ...], afterwards: str, in_order: bool
) -> None:
    await register_at(contacts)
    plans: dict[str, None] = {}
    for minutes, propagate in enumerate(choices, start=1):
        await change(contacts, minutes=minutes, propagate=propagate)
        plans |= dict.fromkeys(plan.change_id for plan in await planned(contacts))
        assert await telephone(contacts) == "048-000-0000", "until the night"
    contacts.now[0] = after(600)
    for change_id in plans if in_order else reversed(plans):
        await carry_out(contacts, CITY, change_id)
    assert await telephone(contacts) == afterwards
    assert await telephone(contacts, PREFECTURE) == f"048-111-{len(choices):04}"
    assert await planned(contacts) == []
    # What counted before the night goes on counting for an instant before it (CHG-03).
    before = await find_contact(contacts, CARD, agency=CITY, as_of=after(599))
    assert before.contact.telephone == "048-000-0000"


async def test_repetition_changes_nothing(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    await change(contacts, minutes=1, propagate=BY_NIGHT)
    [plan] = await planned(contacts)
    await change(contacts, minutes=2, propagate=HERE)
    contacts.now[0] = after(600)
    await carry_out(contacts, CITY, plan.change_id, plan.change_id)
    pins = await contacts.rows("SELECT agency, version, counts_until IS NULL FROM contact_at_agency ORDER BY version")
    assert pins == [(CITY, 1, False), (CITY, 2, True)]
    contacts.now[0] = after(700)
    state = (await contacts.tell_owners())[CARD, card_sha256(1)]
    await carry_out(contacts, CITY, plan.change_id)
    assert (await contacts.tell_owners())[CARD, card_sha256(1)] == state
    assert await telephone(contacts) == "048-111-0001"
    assert not await contacts.verify_history()


async def test_unknown_changes_are_named_and_the_others_carried_out(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    await change(contacts, minutes=1, propagate=BY_NIGHT)
    [plan] = await planned(contacts)
    unknown = str(uuid4())
    assert await carry_out(contacts, CITY, unknown, plan.change_id) == [unknown]
    assert await telephone(contacts) == "048-111-0001"
    with pytest.raises(Refusal) as caught:
        await carry_out(contacts, CITY, "x")
    assert caught.value.reason == "REQUEST_ID_INVALID"


async def test_change_of_both_contacts_is_planned_under_one_id(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    contacts.now[0] = after(1)
    made = Change(contacts=contacts)
    await made.type_over(card={"telephone": "048-111-0001"}, representative={"telephone": "048-222-0001"})
    await made.commit()
    told = await contacts.tell_owners()
    [of_card], [of_bidder] = told[CARD, made.card].planned, told[REPRESENTATIVE, b""].planned
    assert of_card == of_bidder
    await carry_out(contacts, CITY, of_card.change_id)
    for purpose, number in ((CARD, "048-111-0001"), (REPRESENTATIVE, "048-222-0001")):
        assert (await find_contact(contacts, purpose, agency=CITY)).contact.telephone == number
    [_, entry] = await contacts.find_history(made.request_id)
    assert (entry.what, entry.who, [*entry.agencies]) == ("contacts propagated", "service agency-sync", [CITY])


async def test_change_at_an_agency_that_was_to_follow_counts_there_at_once(
    contacts: RunningContactNotification,
) -> None:
    await register_at(contacts)
    await change(contacts, minutes=1, propagate=BY_NIGHT)
    [plan] = await planned(contacts)
    await change(contacts, minutes=2, propagate=HERE, agency=CITY)
    assert await telephone(contacts) == "048-111-0002"
    assert await planned(contacts) == []
    await carry_out(contacts, CITY, plan.change_id)
    assert await telephone(contacts) == "048-111-0002"
    assert await telephone(contacts, PREFECTURE) == "048-111-0001"


async def test_registration_at_an_agency_takes_the_newest_version_before_the_night(
    contacts: RunningContactNotification,
) -> None:
    await register_at(contacts)
    contacts.now[0] = after(1)
    made = Change(contacts=contacts)
    await made.type_over(representative={"telephone": "048-222-0001"})
    await made.commit()
    second = staging_request(2, representative=False, agency=CITY)
    await contacts.register(second, at=after(5))
    told = await contacts.tell_owners()
    assert not told[REPRESENTATIVE, b""].pins
    assert not told[REPRESENTATIVE, b""].planned
    found = await find_contact(contacts, REPRESENTATIVE, agency=CITY)
    assert found.contact.telephone == "048-222-0001"


async def test_renewed_card_follows_in_the_night_too(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    await change(contacts, minutes=1, propagate=BY_NIGHT)
    await change(contacts, minutes=2, propagate=HERE)
    await contacts.record(renewed(others=(CITY,)))
    [of_old], [of_new] = await planned(contacts), await planned(contacts, 2)
    assert of_new == of_old
    assert await telephone(contacts, number=2) == "048-000-0000"
    contacts.now[0] = after(600)
    await carry_out(contacts, CITY, of_new.change_id)
    assert await telephone(contacts, number=2) == "048-111-0001"
    assert await telephone(contacts, PREFECTURE, number=2) == "048-111-0002"


@pytest.mark.requirement("CHG-02")
async def test_mail_of_a_change_says_that_the_others_follow_in_the_night(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    await contacts.send_all()
    await change(contacts, minutes=1, propagate=BY_NIGHT)
    assert not await contacts.verify_history()
    await contacts.send_all()
    text = contacts.mailbox.mails[-1].body
    assert "他の調達機関への反映 : 夜間に自動反映します（それまでは、変更前の連絡先が使用されます）" in text


async def test_any_number_of_changes_takes_the_same_few_statements(contacts: RunningContactNotification) -> None:
    plans: list[str] = []
    for number in range(1, 5):
        await register_at(contacts, number, others=(CITY, TOWN), representative=number == 1)
        await change(contacts, minutes=number, propagate=BY_NIGHT, number=number)
        plans += [plan.change_id for plan in await planned(contacts, number)]
    with counted_statements() as for_one:
        await carry_out(contacts, CITY, plans[0])
    with counted_statements() as for_three:
        await carry_out(contacts, CITY, *plans[1:])
    # The unknown ones, the locks, the end of the pins, the entries of the history and the jobs.
    assert (len(for_one), len(for_three)) == (5, 5)
    with counted_statements() as for_none:
        await carry_out(contacts, CITY, *plans)
    assert len(for_none) == 2


async def test_change_beside_the_night_is_lost_on_neither_side(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    await change(contacts, minutes=1, propagate=BY_NIGHT)
    [plan] = await planned(contacts)
    contacts.now[0] = after(600)
    made = Change(contacts=contacts, propagate=HERE)
    await made.type_over(card={"telephone": "048-111-0600"})
    await asyncio.gather(made.commit(), carry_out(contacts, CITY, plan.change_id))
    assert await telephone(contacts) == "048-111-0001"
    assert await telephone(contacts, PREFECTURE) == "048-111-0600"
    state = (await contacts.tell_owners())[CARD, card_sha256(1)]
    assert [(pin.agency, pin.contact_version) for pin in state.pins] == [(CITY, 2)]
    assert not state.planned

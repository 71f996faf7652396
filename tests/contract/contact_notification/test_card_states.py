"""States of cards are recorded whole, by version, in any order; they decide about whom an agency may ask."""

import asyncio
import logging
from datetime import timedelta

import pytest

from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, WORKS
from tests.support.services.contact_messages import (
    add_propagated,
    card_sha256,
    card_state,
    contact_form,
    facts_of,
    notice_to_others,
    registration_notice,
    staging_request,
)
from tests.support.services.contact_notification import RunningContactNotification
from toroku.certificate.v1 import card_pb2, card_state_pb2
from toroku.contact.v1 import contact_notification_pb2, contact_pb2

MISSING = "toroku_registrations_without_contacts"
MAILS = "SELECT kind FROM mails JOIN notices USING (notice_id) ORDER BY kind"


async def ask(
    contacts: RunningContactNotification, purpose: contact_pb2.ContactPurpose.ValueType, agency: str = PREFECTURE
) -> str:
    """Returns the name of a contact of card 1, as an agency asks for it."""
    caller = contacts.from_agency if agency == PREFECTURE else contacts.from_other_agency
    response = await caller.GetContact(
        contact_notification_pb2.GetContactRequest(
            agency=agency, category=WORKS, bidder_id=BIDDER, purpose=purpose, certificate_sha256=card_sha256(1)
        )
    )
    return response.contact.person_name


@pytest.mark.parametrize("deliveries", [2, 6])
async def test_concurrent_deliveries_count_once(contacts: RunningContactNotification, deliveries: int) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    state = card_state(request)
    notices = [registration_notice(facts_of(state)), notice_to_others(facts_of(state))]
    await asyncio.gather(
        *(contacts.record(state) for _ in range(deliveries)), *(contacts.notify(*notices) for _ in range(deliveries))
    )
    assert await contacts.rows(MAILS) == [("registration",), ("registration_notice",)]
    assert await contacts.rows("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'send_mail'") == [(2,)]


async def test_state_of_a_lower_version_changes_nothing(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    older = card_state(request)
    newer = card_state_pb2.CardState.FromString(older.SerializeToString())
    add_propagated(newer, CITY)
    newer.version.number = 3
    await contacts.record(newer)
    await contacts.record(older)
    assert await contacts.rows("SELECT agencies, version_number FROM card_states") == [([PREFECTURE, CITY], 3)]
    # After a restore of certificate-registry the epoch is higher, and the number begins anew.
    older.version.epoch = 2
    await contacts.record(older)
    assert await contacts.rows("SELECT agencies, version_epoch FROM card_states") == [([PREFECTURE], 2)]


async def test_state_is_replaced_as_a_whole(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    state = card_state(request)
    add_propagated(state, CITY, "town")
    await contacts.record(state)
    state.registrations[1].state = card_state_pb2.REGISTRATION_STATE_REPLACED
    state.version.number = 2
    await contacts.record(state)
    assert await contacts.rows("SELECT agencies FROM card_states") == [([PREFECTURE, "town"],)]


async def test_stop_and_resumption_write_no_mail_and_lose_none(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    state = card_state(request)
    await contacts.notify(registration_notice(facts_of(state)), notice_to_others(facts_of(state)))
    # Whichever of the states arrive: the one that only a suspension brought comes first here, the first one never.
    state.registrations[0].state = card_state_pb2.REGISTRATION_STATE_SUSPENDED
    state.version.number = 2
    await contacts.record(state)
    assert await contacts.rows(MAILS) == [("registration",), ("registration_notice",)]
    state.registrations[0].state = card_state_pb2.REGISTRATION_STATE_GOOD
    state.version.number = 3
    await contacts.record(state)
    assert await contacts.rows(MAILS) == [("registration",), ("registration_notice",)]


async def test_contacts_of_a_registration_that_ended_meanwhile_become_active(
    contacts: RunningContactNotification,
) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    state = card_state(request, state=card_state_pb2.REGISTRATION_STATE_ENDED)
    state.binding = card_state_pb2.BINDING_STATE_RELEASED
    await contacts.notify(registration_notice(facts_of(state)))
    await contacts.record(state)
    assert await contacts.rows(MAILS) == [("registration",)]
    assert (await contacts.staged(request)).card_contact == request.card_contact.contact
    with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
        await ask(contacts, contact_pb2.CONTACT_PURPOSE_CARD)


@pytest.mark.requirement("REG-10")
@pytest.mark.parametrize("purpose", [contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE, contact_pb2.CONTACT_PURPOSE_CARD])
async def test_ended_binding_gives_no_contact_any_more(
    contacts: RunningContactNotification, purpose: contact_pb2.ContactPurpose.ValueType
) -> None:
    request = staging_request(1)
    await contacts.register(request)
    assert await ask(contacts, purpose)
    ended = contacts.states[request.certificate_sha256, request.category]
    ended.binding = card_state_pb2.BINDING_STATE_CLOSED
    ended.version.number += 1
    await contacts.record(ended)
    with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
        await ask(contacts, purpose)


@pytest.mark.requirement("REG-10")
@pytest.mark.parametrize(
    ("state", "has_access"),
    [
        (card_state_pb2.REGISTRATION_STATE_GOOD, True),
        (card_state_pb2.REGISTRATION_STATE_SUSPENDED, True),
        (card_state_pb2.REGISTRATION_STATE_REPLACED, False),
        (card_state_pb2.REGISTRATION_STATE_ENDED, False),
    ],
)
async def test_registration_decides_at_its_agency_only(
    contacts: RunningContactNotification, state: card_state_pb2.RegistrationState.ValueType, has_access: bool
) -> None:
    request = staging_request(1)
    await contacts.register(request)
    changed = contacts.states[request.certificate_sha256, request.category]
    add_propagated(changed, CITY)
    changed.registrations[1].state = state
    changed.version.number += 1
    await contacts.record(changed)
    assert await ask(contacts, contact_pb2.CONTACT_PURPOSE_CARD)
    if has_access:
        assert await ask(contacts, contact_pb2.CONTACT_PURPOSE_CARD, CITY)
    else:
        with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
            await ask(contacts, contact_pb2.CONTACT_PURPOSE_CARD, CITY)


async def test_card_of_another_bidder_by_now_gives_no_contact_of_the_former(
    contacts: RunningContactNotification,
) -> None:
    request = staging_request(1)
    await contacts.register(request)
    state = contacts.states[request.certificate_sha256, request.category]
    state.bidder_id = OTHER_BIDDER
    state.ClearField("registrations")
    state.registrations.add(agency=PREFECTURE, state=card_state_pb2.REGISTRATION_STATE_GOOD)
    state.version.number += 1
    await contacts.record(state)
    for purpose in (contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE, contact_pb2.CONTACT_PURPOSE_CARD):
        with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
            await ask(contacts, purpose)


async def test_registration_without_staged_contacts_is_recorded_and_shown_once(
    contacts: RunningContactNotification, caplog: pytest.LogCaptureFixture
) -> None:
    """No repetition could bring them, so its producer has not to wait for them."""
    request = staging_request(1)
    state = card_state(request)
    with caplog.at_level(logging.ERROR):
        await contacts.record(state)
        state.version.number = 2
        await contacts.record(state)
        await contacts.notify(registration_notice(facts_of(state)))
    shown = [record.getMessage() for record in caplog.records if "ALERT" in record.getMessage()]
    assert len(shown) == 1
    assert state.registrations[0].registration_id in shown[0]
    assert (await contacts.look()).by_label(MISSING, "reason") == {"not_staged": 1, "not_signed": 0}
    assert await contacts.rows("SELECT agencies FROM card_states") == [([PREFECTURE],)]
    # Should they be staged after all, they become active.
    await contacts.stage(request)
    await contacts.record(state)
    assert await contacts.representative() == request.representative_contact.contact
    assert (await contacts.look()).by_label(MISSING, "reason") == {"not_staged": 0, "not_signed": 0}


@pytest.mark.parametrize("changed", ["request_sha256", "agency", "bidder_id"])
async def test_contacts_that_the_card_did_not_sign_never_become_active(
    contacts: RunningContactNotification, caplog: pytest.LogCaptureFixture, changed: str
) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    state = card_state(request)
    # A notice that waits for them.
    await contacts.notify(registration_notice(facts_of(state)))
    if changed == "request_sha256":
        state.registrations[0].request_sha256 = card_sha256(9)
    elif changed == "agency":
        state.registrations[0].agency = CITY
    else:
        state.bidder_id = OTHER_BIDDER
    with caplog.at_level(logging.ERROR):
        await contacts.record(state)
        await contacts.record(state)
    assert len([record for record in caplog.records if "ALERT" in record.getMessage()]) == 1
    assert await contacts.representative() is None
    assert await contacts.rows("SELECT state, reserves_representative FROM staged_registrations") == [
        ("not_signed", False)
    ]
    assert await contacts.rows("SELECT state, recipients FROM notices") == [("without_contacts", [])]
    assert (await contacts.look()).by_label(MISSING, "reason") == {"not_staged": 0, "not_signed": 1}
    # Neither the card nor its bidder has to wait for what never can end.
    await contacts.stage(staging_request(1))
    await contacts.stage(staging_request(2, category=GOODS))


async def test_bad_state_keeps_no_other_from_being_recorded(contacts: RunningContactNotification) -> None:
    good = [staging_request(number, category=WORKS if number == 1 else GOODS) for number in (1, 2)]
    for request in good:
        await contacts.stage(request)
    unstaged, unreadable = card_state(staging_request(3)), card_state(staging_request(4))
    unreadable.registrations[0].request_id = "4711"
    with pytest.raises(Refusal, match="CARD_STATE_INVALID") as caught:
        await contacts.record(unreadable, card_state(good[0]), unstaged, card_state(good[1]))
    assert caught.value.metadata == {
        "certificate_sha256": card_sha256(4).hex(),
        "part": "registrations.request_id",
    }
    assert await contacts.rows("SELECT state FROM staged_registrations") == [("active",), ("active",)]
    assert len(await contacts.rows("SELECT 1 FROM card_states")) == 3, "all that can be read"


async def test_state_without_contacts_of_one_registration_still_closes_access(
    contacts: RunningContactNotification,
) -> None:
    request = staging_request(1)
    await contacts.register(request)
    # A further registration whose contacts were lost, and then the end of the binding.
    state = contacts.states[request.certificate_sha256, request.category]
    lost = staging_request(1, representative=False, agency=CITY)
    ended = card_state(lost, before=state, number=2)
    ended.binding = card_state_pb2.BINDING_STATE_RELEASED
    await contacts.record(ended)
    with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
        await ask(contacts, contact_pb2.CONTACT_PURPOSE_CARD)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("certificate_sha256", b"short"),
        ("category", ""),
        ("category", "works\x00"),
        ("bidder_id", "\x00"),
        ("binding", card_state_pb2.BINDING_STATE_UNSPECIFIED),
        ("version", None),
        ("registrations.agency", "\x00"),
        ("registrations.registration_id", "4711"),
        ("registrations.request_id", ""),
        ("registrations.registered_at", None),
    ],
)
async def test_state_that_can_not_be_read_is_refused_with_its_part(
    contacts: RunningContactNotification, part: str, value: object
) -> None:
    state = card_state(staging_request(1))
    message = state.registrations[0] if part.startswith("registrations.") else state
    name = part.removeprefix("registrations.")
    if value is None:
        message.ClearField(name)  # type: ignore[arg-type]  # the field is one of the message
    else:
        setattr(message, name, value)
    with pytest.raises(Refusal, match="CARD_STATE_INVALID") as caught:
        await contacts.record(state)
    assert caught.value.metadata["part"] == part


async def test_newest_of_two_states_of_a_card_in_one_list_counts(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    older = card_state(request)
    newer = card_state_pb2.CardState.FromString(older.SerializeToString())
    add_propagated(newer, CITY)
    newer.version.number = 2
    await contacts.record(newer, older)
    assert await contacts.rows("SELECT agencies FROM card_states") == [([PREFECTURE, CITY],)]


@pytest.mark.every_postgresql
async def test_five_hundred_states_are_recorded_in_one_transaction(contacts: RunningContactNotification) -> None:
    agencies = [f"agency-{number:02}" for number in range(59)]
    requests = [
        staging_request(number, representative_contact=contact_form("代表", mail_address=f"desk{number}@b.example"))
        for number in range(500)
    ]
    for number, request in enumerate(requests):
        request.company.bidder_id = f"1{number:09}"
        request.representative_contact.contact.mail_address = f"desk{number}@b.example"
        await contacts.stage(request)
    states = [card_state(request) for request in requests]
    await contacts.notify(*(notice_to_others(facts_of(state)) for state in states[:20]))
    for state in states:
        add_propagated(state, *agencies)
    await contacts.record(*states)
    assert await contacts.rows(
        "SELECT count(*), sum(cardinality(agencies)), count(DISTINCT xmin::text) FROM card_states"
    ) == [(500, 30_000, 1)]
    assert await contacts.rows("SELECT state, count(*) FROM staged_registrations GROUP BY 1") == [("active", 500)]
    assert await contacts.rows("SELECT count(*) FROM mails") == [(20,)]
    # The night after: the same registrations, one more agency.
    for state in states:
        add_propagated(state, CITY)
        state.version.number = 2
    await contacts.record(*states)
    assert await contacts.rows("SELECT count(*), min(cardinality(agencies)) FROM card_states") == [(500, 61)]
    states.append(card_state(staging_request(501)))
    with pytest.raises(Refusal, match="INPUT_TOO_MANY"):
        await contacts.record(*states)


async def test_concurrent_lists_in_any_order_wait_for_each_other_in_turn(
    contacts: RunningContactNotification,
) -> None:
    requests = [staging_request(number, representative=False, category=GOODS) for number in range(40)]
    states = []
    for number, request in enumerate(requests):
        request.company.bidder_id = f"1{number:09}"
        request.representative_contact.CopyFrom(contact_form("代表"))
        await contacts.stage(request)
        states.append(card_state(request))
    await asyncio.gather(*(contacts.record(*states[::step]) for step in (1, -1, 1, -1, 1, -1)))
    assert await contacts.rows("SELECT state, count(*) FROM staged_registrations GROUP BY 1") == [("active", 40)]


async def test_registration_of_another_origin_needs_no_contacts(contacts: RunningContactNotification) -> None:
    state = card_state(staging_request(1), origin=card_pb2.REGISTRATION_ORIGIN_PROPAGATION, request_id="")
    await contacts.record(state)
    assert await contacts.rows("SELECT agencies FROM card_states") == [([PREFECTURE],)]


async def test_only_certificate_registry_records_states(contacts: RunningContactNotification) -> None:
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await contacts.from_front_door.RecordCardStates(contact_notification_pb2.RecordCardStatesRequest())


async def test_lost_state_is_settled_by_the_outcome(contacts: RunningContactNotification) -> None:
    """Also where the state names its registration no more: it gave way before the state arrived."""
    request, gone = staging_request(1), staging_request(2, category=GOODS)
    await contacts.stage(request)
    await contacts.stage(gone)
    contacts.commit(card_state(request))
    state = card_state(gone)
    contacts.commit(state)
    await contacts.notify(registration_notice(facts_of(state)))
    state.registrations[0].request_id = staging_request().request_id
    state.registrations[0].origin = card_pb2.REGISTRATION_ORIGIN_PROPAGATION
    contacts.pass_time(timedelta(days=1))
    await contacts.run("clear_pending")
    assert await contacts.rows("SELECT category, state FROM staged_registrations ORDER BY 1") == [
        (GOODS, "committed"),
        (WORKS, "active"),
    ]
    # Its people are told all the same.
    assert await contacts.rows("SELECT state FROM notices") == [("written",)]
    assert await contacts.rows("SELECT state FROM mails") == [("written",)]
    # Its contacts count for nobody, and a state that names it after all makes them count.
    assert await contacts.representative(category=GOODS) is None
    await contacts.record(card_state(gone, number=2))
    assert await contacts.representative(category=GOODS) == gone.representative_contact.contact

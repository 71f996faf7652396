"""A notice is sent once, to each mailbox once, and not before the contacts that it shows are active."""

import asyncio
import logging
from datetime import timedelta
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from contact_notification.operations import card_states
from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, WORKS
from tests.support.services.contact_messages import (
    MORNING,
    bidder_owner,
    card_owner,
    card_sha256,
    card_state,
    contact_form,
    facts_of,
    notice_to_others,
    registration_notice,
    staging_request,
)
from tests.support.services.contact_notification import RunningContactNotification
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.qualification.v1 import bidder_pb2

TO_CARD, TO_DESK = "card1@contractor.example", "desk@contractor.example"
OFFICER = contact_pb2.NoticeRecipient(mail_address="officer@agency.example")


async def written(contacts: RunningContactNotification, notice: contact_pb2.Notice | None = None) -> list[str]:
    """Returns the address of every mail of the outbox, or of those of one notice."""
    rows = await contacts.rows(
        "SELECT notice_id::text, coalesce(contacts.mail_address, mails.mail_address) AS address "
        "FROM mails LEFT JOIN contacts USING (contact_id) ORDER BY address"
    )
    return [address for notice_id, address in rows if notice is None or notice_id == notice.notice_id]


@pytest.mark.parametrize("comes_first", ["state", "notices"])
async def test_order_of_state_and_notices_does_not_matter(
    contacts: RunningContactNotification, comes_first: str
) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    state = card_state(request)
    notices = [registration_notice(facts_of(state)), notice_to_others(facts_of(state))]
    if comes_first == "state":
        await contacts.record(state)
        await contacts.notify(*notices)
    else:
        await contacts.notify(*notices)
        assert await written(contacts) == []
        await contacts.record(state)
    assert [await written(contacts, notice) for notice in notices] == [[TO_CARD], [TO_DESK]]
    assert await contacts.rows("SELECT state, recipients FROM notices") == [("written", []), ("written", [])]


async def test_state_writes_no_mail(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    await contacts.record(card_state(request))
    assert await written(contacts) == []


async def test_state_and_notice_at_the_same_time_leave_no_notice_waiting(contacts: RunningContactNotification) -> None:
    for number in range(8):
        request = staging_request(
            number, company=bidder_pb2.CompanyProfile(bidder_id=f"10000001{number:02}", name="例")
        )
        await contacts.stage(request)
        state = card_state(request)
        await asyncio.gather(contacts.record(state), contacts.notify(registration_notice(facts_of(state))))
    assert await contacts.rows("SELECT state, count(*) FROM notices GROUP BY 1") == [("written", 8)]
    assert len(await written(contacts)) == 8


@pytest.mark.parametrize("is_pending", [True, False])
async def test_repeated_notice_does_nothing(contacts: RunningContactNotification, is_pending: bool) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    state = card_state(request)
    if not is_pending:
        await contacts.record(state)
    notice = registration_notice(facts_of(state))
    await asyncio.gather(*(contacts.notify(notice) for _ in range(4)))
    # Its producer reads the recipients anew, and may find other ones.
    notice.recipients.append(OFFICER)
    await contacts.notify(notice)
    await contacts.record(state)
    await contacts.notify(notice)
    assert await written(contacts) == [TO_CARD]
    assert await contacts.rows("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'send_mail'") == [(1,)]


@pytest.mark.parametrize("changed", ["kind", "facts"])
async def test_id_of_another_notice_is_refused(contacts: RunningContactNotification, changed: str) -> None:
    await contacts.register(staging_request(1))
    facts = facts_of(contacts.states[card_sha256(1), WORKS])
    notice = registration_notice(facts)
    await contacts.notify(notice)
    if changed == "kind":
        notice.kind = contact_pb2.NOTICE_KIND_REGISTRATION_NOTICE
    else:
        notice.registration.registration_id = str(uuid4())
    with pytest.raises(Refusal, match="NOTICE_INVALID") as caught:
        await contacts.notify(notice)
    assert caught.value.metadata == {"part": "notice_id"}
    assert await written(contacts, notice) == [TO_CARD]


@pytest.mark.requirement("REG-10")
async def test_mailbox_gets_one_mail_of_a_registration(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    await contacts.register(
        staging_request(2, category=GOODS, card_contact=contact_form("同じ人", mail_address="DESK@contractor.example"))
    )
    request = staging_request(
        3, representative=False, card_contact=contact_form("三番目", mail_address="card1@CONTRACTOR.example")
    )
    await contacts.stage(request)
    state = card_state(request)
    await contacts.record(state)
    own = contact_pb2.NoticeRecipient(mail_address=TO_CARD)
    again = contact_pb2.NoticeRecipient(mail_address="desk@contractor.EXAMPLE")
    to_card, to_others = (
        registration_notice(facts_of(state)),
        notice_to_others(facts_of(state), card_owner(1), card_owner(2, GOODS), card_owner(2, GOODS), again, own),
    )
    await contacts.notify(to_card, to_others)
    assert await written(contacts, to_card) == ["card1@CONTRACTOR.example"]
    # The part before the @ is compared exactly, and nobody but the card's own contact hears of card 1's mailbox.
    assert await written(contacts, to_others) == ["DESK@contractor.example", TO_DESK]


async def test_owner_without_a_contact_is_passed_over_and_logged_without_its_number(
    contacts: RunningContactNotification, caplog: pytest.LogCaptureFixture
) -> None:
    await contacts.register(staging_request(1))
    facts = facts_of(contacts.states[card_sha256(1), WORKS])
    notice = notice_to_others(facts, card_owner(9), bidder_owner(OTHER_BIDDER), bidder_owner(category=GOODS))
    with caplog.at_level(logging.WARNING):
        await contacts.notify(notice)
    assert await written(contacts, notice) == [TO_DESK]
    passed_over = [record.getMessage() for record in caplog.records if notice.notice_id in record.getMessage()]
    assert len(passed_over) == 3
    assert BIDDER not in " ".join(passed_over)


async def test_card_of_another_bidder_by_now_gets_no_notice(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    other = staging_request(2, company=bidder_pb2.CompanyProfile(bidder_id=OTHER_BIDDER, name="別会社"))
    await contacts.register(other)
    notice = notice_to_others(facts_of(contacts.states[card_sha256(1), WORKS]), card_owner(2))
    await contacts.notify(notice)
    assert await written(contacts, notice) == [TO_DESK]


async def test_version_of_the_act_is_meant_where_the_request_id_is_given(contacts: RunningContactNotification) -> None:
    facts = await contacts.register(staging_request(1))
    newer = staging_request(
        1, representative=False, agency=CITY, card_contact=contact_form("新しい", mail_address="new@contractor.example")
    )
    await contacts.register(newer, at=MORNING + timedelta(hours=1))
    of_act, newest = registration_notice(facts), registration_notice(facts)
    newest.recipients[0].owner.request_id = ""
    representative = registration_notice(facts)
    representative.recipients[0].CopyFrom(bidder_owner(request_id=facts.request_id))
    unknown = registration_notice(facts)
    unknown.recipients[0].owner.request_id = str(uuid4())
    await contacts.notify(of_act, newest, representative, unknown)
    assert await written(contacts, of_act) == [TO_CARD]
    assert await written(contacts, newest) == ["new@contractor.example"]
    assert await written(contacts, representative) == [TO_DESK]
    assert await written(contacts, unknown) == []


async def test_address_that_was_sent_along_gets_a_mail_and_is_forgotten(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    await contacts.send_all()
    notice = registration_notice(facts_of(contacts.states[card_sha256(1), WORKS]))
    del notice.recipients[:]
    notice.recipients.extend([OFFICER, OFFICER])
    await contacts.notify(notice)
    assert await contacts.rows("SELECT mail_address FROM mails WHERE contact_id IS NULL") == [
        ("officer@agency.example",)
    ]
    await contacts.send_all()
    (mail,) = contacts.mailbox.to("officer@agency.example")
    assert "企業名称 : 株式会社髙﨑建設\n" in mail.body
    assert await contacts.rows("SELECT state, mail_address FROM mails WHERE contact_id IS NULL") == [("sent", "")]


async def test_what_was_sent_along_and_is_no_address_is_forgotten_with_its_mail(
    contacts: RunningContactNotification,
) -> None:
    await contacts.register(staging_request(1))
    notice = registration_notice(facts_of(contacts.states[card_sha256(1), WORKS]))
    notice.recipients[0].mail_address = "no address"
    await contacts.notify(notice)
    await contacts.send_all()
    assert await contacts.rows("SELECT state, mail_address FROM mails WHERE contact_id IS NULL") == [("failed", "")]


async def test_waiting_notice_keeps_ids_and_the_addresses_that_were_sent_along(
    contacts: RunningContactNotification,
) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    state = card_state(request)
    await contacts.notify(notice_to_others(facts_of(state), card_owner(2, GOODS), OFFICER))
    ((stored,),) = await contacts.rows("SELECT recipients::text FROM notices WHERE state = 'waiting'")
    assert "officer@agency.example" in stored
    assert "contractor.example" not in stored
    await contacts.record(state)
    assert await written(contacts) == [TO_DESK, "officer@agency.example"]
    assert await contacts.rows("SELECT state, recipients FROM notices") == [("written", [])]


@pytest.mark.every_postgresql
async def test_waiting_notices_of_many_states_are_written_in_parts(
    contacts: RunningContactNotification, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card_states, "MOST_RECIPIENTS", 3)
    states = []
    for number in range(5):
        company = bidder_pb2.CompanyProfile(bidder_id=f"10000001{number:02}", name="例")
        request = staging_request(number, company=company)
        await contacts.stage(request)
        states.append(card_state(request))
        await contacts.notify(notice_to_others(facts_of(states[-1]), OFFICER))
    await contacts.record(*states)
    assert await contacts.rows("SELECT count(*), count(DISTINCT notice_id) FROM mails") == [(10, 5)]
    assert await contacts.rows("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'send_mail'") == [(10,)]


async def test_notice_without_staged_contacts_is_taken_and_shown_once(
    contacts: RunningContactNotification, caplog: pytest.LogCaptureFixture
) -> None:
    """Its producer would repeat it for ever otherwise, and nothing could ever be sent."""
    state = card_state(staging_request(1))
    notices = [registration_notice(facts_of(state)), notice_to_others(facts_of(state))]
    with caplog.at_level(logging.WARNING):
        await contacts.notify(*notices, *notices)
        await contacts.record(state)
    alerts = [record.getMessage() for record in caplog.records if "ALERT" in record.getMessage()]
    assert len(alerts) == 1
    assert state.registrations[0].registration_id in alerts[0]
    for notice in notices:
        assert any(notice.notice_id in record.getMessage() for record in caplog.records)
    assert await contacts.rows("SELECT 1 FROM notices") == []


@pytest.mark.parametrize("field", ["agency", "category", "bidder_id"])
async def test_facts_that_do_not_belong_to_the_staged_contacts_write_no_mail(
    contacts: RunningContactNotification, field: str
) -> None:
    facts = await contacts.register(staging_request(1))
    before = await written(contacts)
    setattr(facts, field, {"agency": CITY, "category": GOODS, "bidder_id": OTHER_BIDDER}[field])
    await contacts.notify(registration_notice(facts))
    assert await written(contacts) == before
    assert await contacts.rows("SELECT reason FROM registrations_without_contacts") == [("not_signed",)]


FACTS = {
    "registration_id": "4711",
    "request_id": "",
    "certificate_sha256": b"short",
    "serial_decimal": "4F",
    "agency": "",
    "category": "\x00",
    "bidder_id": "",
    "registered_at": Timestamp(seconds=10**15),
    "holder_name": "\x00",
}


@pytest.mark.parametrize("field", FACTS)
async def test_malformed_facts_are_refused_with_their_part(contacts: RunningContactNotification, field: str) -> None:
    facts = facts_of(card_state(staging_request(1)))
    value = FACTS[field]
    if isinstance(value, Timestamp):
        facts.registered_at.CopyFrom(value)
    else:
        setattr(facts, field, value)
    with pytest.raises(Refusal, match="NOTICE_INVALID") as caught:
        await contacts.notify(registration_notice(facts))
    assert caught.value.metadata == {"part": f"registration.{field}"}


@pytest.mark.parametrize(
    "recipients",
    [
        [],
        [contact_pb2.NoticeRecipient()],
        [contact_pb2.NoticeRecipient(mail_address="")],
        [contact_pb2.NoticeRecipient(owner=contact_pb2.ContactOwner(category=WORKS))],
        [card_owner(b"short")],
        [card_owner(1, "")],
        [card_owner(1, WORKS, "4711")],
        [bidder_owner("")],
        [OFFICER] * 1_001,
    ],
    ids=["none", "empty", "no address", "no purpose", "short hash", "no category", "request id", "no bidder", "many"],
)
async def test_malformed_recipients_are_refused(
    contacts: RunningContactNotification, recipients: list[contact_pb2.NoticeRecipient]
) -> None:
    facts = await contacts.register(staging_request(1))
    notice = registration_notice(facts)
    del notice.recipients[:]
    notice.recipients.extend(recipients)
    with pytest.raises(Refusal, match="NOTICE_INVALID") as caught:
        await contacts.notify(notice)
    assert caught.value.metadata == {"part": "recipients"}


@pytest.mark.parametrize("part", ["notice_id", "kind", "registration"])
async def test_notice_without_id_kind_or_facts_is_refused(contacts: RunningContactNotification, part: str) -> None:
    notice = registration_notice(facts_of(card_state(staging_request(1))))
    notice.ClearField(part)  # type: ignore[arg-type]  # the part is a field of the message
    with pytest.raises(Refusal, match="NOTICE_INVALID") as caught:
        await contacts.notify(notice)
    assert caught.value.metadata == {"part": part}


async def test_notices_of_a_call_are_taken_together_or_not_at_all(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.stage(request)
    state = card_state(request)
    await contacts.record(state)
    to_card, to_others = registration_notice(facts_of(state)), notice_to_others(facts_of(state))
    await contacts.notify_together(to_others)
    changed = notice_to_others(facts_of(state), notice_id=to_others.notice_id)
    changed.registration.serial_decimal = "4712"
    for wrong in ((to_card, changed), (to_card, to_card), ()):
        with pytest.raises(Refusal, match="NOTICE_INVALID"):
            await contacts.notify_together(*wrong)
        assert await written(contacts) == [TO_DESK]
    # A repeated one does nothing beside a new one.
    await contacts.notify_together(to_card, to_others)
    assert await written(contacts) == [TO_CARD, TO_DESK]


async def test_only_certificate_registry_sends_notices(contacts: RunningContactNotification) -> None:
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await contacts.from_front_door.SendNotices(contact_notification_pb2.SendNoticesRequest())

"""A committed registration activates contacts, tells people once, and lets its agency query the contacts."""

from datetime import timedelta
from uuid import uuid4

import pytest

from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, WORKS
from tests.support.services.contact_messages import (
    MORNING,
    add_propagated,
    card_sha256,
    card_state,
    contact_form,
    staging_request,
)
from tests.support.services.contact_notification import RunningContactNotification
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.qualification.v1 import bidder_pb2

REPRESENTATIVE = contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE
CARD = contact_pb2.CONTACT_PURPOSE_CARD


def contact_request(
    purpose: contact_pb2.ContactPurpose.ValueType,
    number: int = 1,
    *,
    agency: str = PREFECTURE,
    category: str = WORKS,
    bidder_id: str = BIDDER,
) -> contact_notification_pb2.GetContactRequest:
    return contact_notification_pb2.GetContactRequest(
        agency=agency, category=category, bidder_id=bidder_id, purpose=purpose, certificate_sha256=card_sha256(number)
    )


async def mails(
    contacts: RunningContactNotification, facts: contact_pb2.RegistrationFacts | None = None
) -> list[tuple[str, str]]:
    """Returns kind and address of every mail of the outbox, or of those about one registration."""
    rows = await contacts.rows(
        "SELECT kind, contacts.mail_address, registration_id::text FROM mails JOIN notices USING (notice_id) "
        "JOIN contacts USING (contact_id) ORDER BY kind, contacts.mail_address"
    )
    return [
        (kind, address)
        for kind, address, registration_id in rows
        if facts is None or registration_id == facts.registration_id
    ]


@pytest.mark.requirement("REG-07")
async def test_contacts_become_active_and_mails_are_written(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.register(request)
    assert await contacts.representative() == request.representative_contact.contact
    assert await mails(contacts) == [
        ("registration", "card1@contractor.example"),
        ("registration_notice", "desk@contractor.example"),
    ]


@pytest.mark.requirement("REG-07")
async def test_contacts_of_the_other_cards_get_a_notice(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    await contacts.register(staging_request(2, category=GOODS))
    await contacts.send_all()
    facts = await contacts.register(staging_request(3, representative=False), at=MORNING + timedelta(hours=1))
    assert await mails(contacts, facts) == [
        ("registration", "card3@contractor.example"),
        ("registration_notice", "card1@contractor.example"),
        ("registration_notice", "card2@contractor.example"),
        ("registration_notice", "desk@contractor.example"),
    ]


async def test_cards_of_other_bidders_get_no_notice(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    company = bidder_pb2.CompanyProfile(bidder_id=OTHER_BIDDER, name="別会社")
    other = staging_request(
        2, company=company, representative_contact=contact_form("別", mail_address="other@contractor.example")
    )
    facts = await contacts.register(other)
    assert await mails(contacts, facts) == [
        ("registration", "card2@contractor.example"),
        ("registration_notice", "other@contractor.example"),
    ]


@pytest.mark.requirement("REG-10")
async def test_mailbox_gets_one_mail(contacts: RunningContactNotification) -> None:
    request = staging_request(1, representative_contact=contact_form("代表", mail_address="card1@CONTRACTOR.example"))
    await contacts.register(request)
    assert await mails(contacts) == [("registration", "card1@contractor.example")]


@pytest.mark.requirement("REG-05")
async def test_receipt_still_shows_what_was_registered(contacts: RunningContactNotification) -> None:
    first = staging_request(1)
    await contacts.register(first)
    further = staging_request(1, representative=False, agency=CITY, card_contact=contact_form("新しい　担当"))
    await contacts.register(further, at=MORNING + timedelta(days=1))
    assert (await contacts.staged(first)).card_contact == first.card_contact.contact
    assert (await contacts.staged(further)).card_contact.person_name == "新しい　担当"
    assert (await contacts.staged(further)).representative_contact == first.representative_contact.contact


async def test_contact_of_the_newest_registration_of_a_card_is_active(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    older = staging_request(1, representative=False, agency="town", card_contact=contact_form("二番目"))
    newer = staging_request(1, representative=False, agency=CITY, card_contact=contact_form("三番目"))
    await contacts.stage(older)
    registered = contacts.states[older.certificate_sha256, WORKS]
    first = card_state(older, at=MORNING + timedelta(hours=1), number=2, before=registered)
    contacts.commit(first)
    # The older one's state is still on its way.
    await contacts.stage(newer)
    await contacts.record(card_state(newer, at=MORNING + timedelta(hours=2), number=3, before=first))
    await contacts.record(first)
    response = await contacts.from_agency.GetContact(contact_request(CARD))
    assert response.contact.person_name == "三番目"


@pytest.mark.requirement("REG-10", "met")
async def test_agency_gets_contacts_by_purpose(contacts: RunningContactNotification) -> None:
    request = staging_request(1)
    await contacts.register(request)
    representative = await contacts.from_agency.GetContact(contact_request(REPRESENTATIVE))
    of_card = await contacts.from_agency.GetContact(contact_request(CARD))
    assert representative.contact == request.representative_contact.contact
    assert of_card.contact == request.card_contact.contact


@pytest.mark.requirement("REG-10")
@pytest.mark.parametrize("purpose", [REPRESENTATIVE, CARD])
async def test_agency_gets_contacts_only_of_bidders_registered_there(
    contacts: RunningContactNotification, purpose: contact_pb2.ContactPurpose.ValueType
) -> None:
    await contacts.register(staging_request(1))
    with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
        await contacts.from_other_agency.GetContact(contact_request(purpose, agency=CITY))
    # Once it is registered there too, by whatever origin.
    state = card_state(staging_request(1), number=2)
    state.ClearField("registrations")
    state.registrations.append(contacts.states[state.certificate_sha256, state.category].registrations[0])
    add_propagated(state, CITY)
    await contacts.record(state)
    response = await contacts.from_other_agency.GetContact(contact_request(purpose, agency=CITY))
    assert response.contact.mail_address in ("card1@contractor.example", "desk@contractor.example")
    assert len(await mails(contacts)) == 2, "a registration by propagation writes no mail"


async def test_agency_may_not_query_for_another_agency(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await contacts.from_other_agency.GetContact(contact_request(CARD))


@pytest.mark.parametrize(
    "request_",
    [
        contact_request(CARD, 2),
        contact_request(CARD, category=GOODS),
        contact_request(CARD, bidder_id=OTHER_BIDDER),
        contact_request(REPRESENTATIVE, bidder_id=OTHER_BIDDER),
        contact_request(REPRESENTATIVE, bidder_id="\x00"),
        contact_request(REPRESENTATIVE, category="nothing"),
    ],
    ids=["other card", "other category", "other bidder's card", "other bidder", "NUL", "unknown category"],
)
async def test_missing_contact_is_not_found(
    contacts: RunningContactNotification, request_: contact_notification_pb2.GetContactRequest
) -> None:
    await contacts.register(staging_request(1))
    with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
        await contacts.from_agency.GetContact(request_)


async def test_query_without_purpose_or_card_is_refused(contacts: RunningContactNotification) -> None:
    with pytest.raises(Refusal, match="CONTACT_PURPOSE_INVALID"):
        await contacts.from_agency.GetContact(contact_request(contact_pb2.CONTACT_PURPOSE_UNSPECIFIED))
    question = contact_request(CARD)
    question.certificate_sha256 = b""
    with pytest.raises(Refusal, match="CERTIFICATE_SHA256_INVALID"):
        await contacts.from_agency.GetContact(question)


async def test_request_without_staged_contacts_is_refused(contacts: RunningContactNotification) -> None:
    with pytest.raises(Refusal, match="CONTACTS_NOT_STAGED"):
        await contacts.staged(staging_request(1, str(uuid4())))


async def test_jobs_carry_ids_only(contacts: RunningContactNotification) -> None:
    await contacts.register(staging_request(1))
    rows = await contacts.rows("SELECT args::text FROM procrastinate_jobs")
    assert rows
    for (arguments,) in rows:
        assert "contractor.example" not in arguments
        assert "太郎" not in arguments

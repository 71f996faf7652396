"""What a committed registration does: contacts stand, mails are written once, agencies may ask."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, WORKS, example_profile
from tests.support.services.contact_notification import (
    MORNING,
    ContactHouse,
    card,
    committed,
    contact_house,
    form,
    staging,
)
from toroku.certificate.v1 import resources_pb2 as certificate_pb2
from toroku.contact.v1 import resources_pb2, service_pb2
from toroku.qualification.v1 import resources_pb2 as qualification_pb2

REPRESENTATIVE = resources_pb2.CONTACT_PURPOSE_REPRESENTATIVE
CARD = resources_pb2.CONTACT_PURPOSE_CARD


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[ContactHouse]:
    async with contact_house(migrated_database("contact_notification"), tmp_path, example_profile()) as opened:
        yield opened


def asking(
    purpose: resources_pb2.ContactPurpose.ValueType,
    number: int = 1,
    *,
    agency: str = PREFECTURE,
    category: str = WORKS,
    bidder_id: str = BIDDER,
) -> service_pb2.GetContactRequest:
    return service_pb2.GetContactRequest(
        agency=agency, category=category, bidder_id=bidder_id, purpose=purpose, certificate_sha256=card(number)
    )


async def mails(house: ContactHouse, event: certificate_pb2.RegistrationEvent | None = None) -> list[tuple[str, str]]:
    """Kind and address of every mail of the outbox, or of those about one registration."""
    rows = await house.rows(
        "SELECT kind, mail_address, registration_id::text FROM mails JOIN contacts USING (contact_id) "
        "ORDER BY kind, mail_address"
    )
    return [
        (kind, address)
        for kind, address, registration_id in rows
        if event is None or registration_id == event.registration.registration_id
    ]


@pytest.mark.requirement("REG-07")
async def test_contacts_stand_and_mails_are_written(house: ContactHouse) -> None:
    request = staging(1)
    await house.register(request)
    assert await house.representative() == request.representative_contact.contact
    assert await mails(house) == [
        ("registration", "card1@contractor.example"),
        ("registration_notice", "desk@contractor.example"),
    ]


@pytest.mark.requirement("REG-05")
@pytest.mark.parametrize("deliveries", [2, 6])
async def test_an_event_that_comes_again_and_at_once_counts_once(house: ContactHouse, deliveries: int) -> None:
    request = staging(1)
    await house.stage(request)
    event = committed(request)
    await asyncio.gather(*(house.record(event) for _ in range(deliveries)))
    assert len(await mails(house)) == 2
    assert await house.rows("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'send_mail'") == [(2,)]


async def test_an_older_version_that_comes_late_changes_nothing(house: ContactHouse) -> None:
    request = staging(1)
    await house.stage(request)
    newer, older = committed(request, number=2), committed(request, number=1)
    older.registration.registration_id = newer.registration.registration_id
    older.registration.agency = CITY
    await house.record(newer)
    await house.record(older)
    assert await house.rows("SELECT agency, version_number FROM registrations") == [(PREFECTURE, 2)]


async def test_a_newer_version_writes_no_mail_again(house: ContactHouse) -> None:
    event = await house.register(staging(1))
    event.registration.version.epoch = 2
    await house.record(event)
    assert await house.rows("SELECT version_epoch FROM registrations") == [(2,)]
    assert len(await mails(house)) == 2


async def test_a_registration_without_staged_contacts_never_passes_silently(
    house: ContactHouse, caplog: pytest.LogCaptureFixture
) -> None:
    request = staging(1)
    event = committed(request)
    with caplog.at_level(logging.ERROR), pytest.raises(Refusal, match="CONTACTS_NOT_STAGED"):
        await house.record(event)
    assert any(
        "ALERT" in record.message and event.registration.registration_id in record.message for record in caplog.records
    )
    assert await house.rows("SELECT 1 FROM registrations") == []
    # The registry goes on trying, and the next try is taken.
    await house.stage(request)
    await house.record(event)
    assert len(await mails(house)) == 2


@pytest.mark.parametrize("changed", ["request_sha256", "agency", "bidder_id"])
async def test_contacts_that_the_card_did_not_sign_never_become_active(house: ContactHouse, changed: str) -> None:
    request = staging(1)
    await house.stage(request)
    event = committed(request)
    if changed == "request_sha256":
        event.request_sha256 = card(9)
    else:
        setattr(event.registration, changed, {"agency": CITY, "bidder_id": OTHER_BIDDER}[changed])
    with pytest.raises(Refusal, match="CONTACTS_DIFFER_FROM_ACT"):
        await house.record(event)
    assert await house.representative() is None
    assert await mails(house) == []


@pytest.mark.requirement("REG-07")
@pytest.mark.requirement("CRD-07")
async def test_the_contacts_of_the_other_cards_are_told_too(house: ContactHouse) -> None:
    await house.register(staging(1))
    await house.register(staging(2, category=GOODS))
    await house.send_all()
    event = await house.register(staging(3, representative=False), at=MORNING + timedelta(hours=1))
    assert await mails(house, event) == [
        ("registration", "card3@contractor.example"),
        ("registration_notice", "card1@contractor.example"),
        ("registration_notice", "card2@contractor.example"),
        ("registration_notice", "desk@contractor.example"),
    ]


async def test_cards_of_other_bidders_are_not_told(house: ContactHouse) -> None:
    await house.register(staging(1))
    company = qualification_pb2.CompanyProfile(bidder_id=OTHER_BIDDER, name="別会社")
    other = staging(2, company=company, representative_contact=form("別", mail_address="other@contractor.example"))
    event = await house.register(other)
    assert await mails(house, event) == [
        ("registration", "card2@contractor.example"),
        ("registration_notice", "other@contractor.example"),
    ]


@pytest.mark.requirement("REG-10")
async def test_one_mailbox_gets_one_mail(house: ContactHouse) -> None:
    request = staging(1, representative_contact=form("代表", mail_address="card1@CONTRACTOR.example"))
    await house.register(request)
    assert await mails(house) == [("registration", "card1@contractor.example")]


@pytest.mark.requirement("REG-05")
async def test_a_receipt_goes_on_showing_what_was_registered(house: ContactHouse) -> None:
    first = staging(1)
    await house.register(first)
    further = staging(1, representative=False, agency=CITY, card_contact=form("新しい　担当"))
    await house.register(further, at=MORNING + timedelta(days=1))
    assert (await house.staged(first)).card_contact == first.card_contact.contact
    assert (await house.staged(further)).card_contact.person_name == "新しい　担当"
    assert (await house.staged(further)).representative_contact == first.representative_contact.contact


async def test_of_two_registrations_of_a_card_the_newest_contact_counts(house: ContactHouse) -> None:
    await house.register(staging(1))
    newer = staging(1, representative=False, agency=CITY, card_contact=form("三番目"))
    older = staging(1, representative=False, agency="town", card_contact=form("二番目"))
    await house.stage(newer)
    await house.stage(older)
    await house.record(committed(newer, at=MORNING + timedelta(hours=2)))
    await house.record(committed(older, at=MORNING + timedelta(hours=1)))
    response = await house.agency.GetContact(asking(CARD))
    assert response.contact.person_name == "三番目"


@pytest.mark.requirement("REG-10")
async def test_an_agency_asks_by_purpose(house: ContactHouse) -> None:
    request = staging(1)
    await house.register(request)
    representative = await house.agency.GetContact(asking(REPRESENTATIVE))
    of_card = await house.agency.GetContact(asking(CARD))
    assert representative.contact == request.representative_contact.contact
    assert of_card.contact == request.card_contact.contact


@pytest.mark.requirement("REG-10")
@pytest.mark.parametrize("purpose", [REPRESENTATIVE, CARD])
async def test_an_agency_learns_only_of_who_is_registered_there(
    house: ContactHouse, purpose: resources_pb2.ContactPurpose.ValueType
) -> None:
    await house.register(staging(1))
    with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
        await house.other_agency.GetContact(asking(purpose, agency=CITY))
    # From the day on which it is registered there too, however it came there.
    event = committed(staging(1), request_id="", request_sha256=b"")
    event.registration.agency = CITY
    event.registration.origin = certificate_pb2.REGISTRATION_ORIGIN_PROPAGATION
    await house.record(event)
    response = await house.other_agency.GetContact(asking(purpose, agency=CITY))
    assert response.contact.mail_address in ("card1@contractor.example", "desk@contractor.example")
    assert len(await mails(house)) == 2, "a registration by propagation is told to nobody"


async def test_an_agency_may_not_ask_for_another_one(house: ContactHouse) -> None:
    await house.register(staging(1))
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await house.other_agency.GetContact(asking(CARD))


@pytest.mark.parametrize(
    "request_",
    [
        asking(CARD, 2),
        asking(CARD, category=GOODS),
        asking(CARD, bidder_id=OTHER_BIDDER),
        asking(REPRESENTATIVE, bidder_id=OTHER_BIDDER),
        asking(REPRESENTATIVE, bidder_id="\x00"),
        asking(REPRESENTATIVE, category="nothing"),
    ],
    ids=["other card", "other category", "other bidder's card", "other bidder", "NUL", "unknown category"],
)
async def test_what_is_not_there_is_not_found(house: ContactHouse, request_: service_pb2.GetContactRequest) -> None:
    await house.register(staging(1))
    with pytest.raises(Refusal, match="CONTACT_NOT_FOUND"):
        await house.agency.GetContact(request_)


async def test_a_question_without_purpose_or_card_is_refused(house: ContactHouse) -> None:
    with pytest.raises(Refusal, match="CONTACT_PURPOSE_INVALID"):
        await house.agency.GetContact(asking(resources_pb2.CONTACT_PURPOSE_UNSPECIFIED))
    question = asking(CARD)
    question.certificate_sha256 = b""
    with pytest.raises(Refusal, match="CERTIFICATE_SHA256_INVALID"):
        await house.agency.GetContact(question)


async def test_what_was_never_staged_is_not_there(house: ContactHouse) -> None:
    with pytest.raises(Refusal, match="CONTACTS_NOT_STAGED"):
        await house.staged(staging(1, str(uuid4())))


async def test_jobs_carry_ids_only(house: ContactHouse) -> None:
    await house.register(staging(1))
    rows = await house.rows("SELECT args::text FROM procrastinate_jobs")
    assert rows
    for (arguments,) in rows:
        assert "contractor.example" not in arguments
        assert "太郎" not in arguments

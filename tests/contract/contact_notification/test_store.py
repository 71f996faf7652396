"""The store of contact-notification against a real PostgreSQL: what each change guarantees its caller."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contact_notification.domain.contact import Contact, ContactForm
from contact_notification.domain.mail import MailKind
from contact_notification.domain.registration import Registration, RegistrationEvent
from contact_notification.domain.staging import Company, Grade, StagedState, StagingRequest
from contact_notification.store import contacts, mails, registrations, staging
from servicekit.database import Database
from servicekit.versions import Version

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
FIRST = Version(1, 1)
CARD, OTHER_CARD = b"\x01" * 32, b"\x02" * 32
CONTACT = Contact(
    "課", "330-9301", "さいたま市", "髙﨑　太郎", "048-000-0000", "048-000-0001", "koji@contractor.example"
)
COMPANY = Company("1000000001", "㈱例", None, "", None, None, None, None, None, None, (Grade("土木", "A"),))


@pytest.fixture
async def database(migrated_database: Callable[[str], str]) -> AsyncIterator[Database]:
    async with Database.open(migrated_database("contact_notification"), pool=4) as connected:
        yield connected


def make_request(card: bytes = CARD, *, representative: bool = True) -> StagingRequest:
    form = ContactForm(CONTACT, "")
    return StagingRequest(card, uuid4(), b"\x07" * 32, "city", "works", COMPANY, form, form if representative else None)


def make_event(*, version: Version = FIRST, agency: str = "city") -> RegistrationEvent:
    registration = Registration(UUID(int=1), agency, "works", CARD, COMPANY.bidder_id, NOW, False, version)
    return RegistrationEvent(registration, uuid4(), b"\x07" * 32, "4711")


async def stage(
    database: Database, staging_request: StagingRequest, *, reserves: bool = True, at: datetime = NOW
) -> bool:
    async with database.transaction() as connection:
        return await staging.stage(connection, staging_request, reserves=reserves, now=at)


async def count(database: Database, table: str) -> int:
    async with database.read() as connection:
        rows: int = await connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608 (a name of this test)
        return rows


async def test_staged_contacts_are_returned_unchanged(database: Database) -> None:
    staging_request = make_request()
    assert await stage(database, staging_request)
    async with database.read() as connection:
        stored = await staging.find_staged(connection, staging_request.certificate_sha256, staging_request.request_id)
        assert stored is not None
        assert stored.company == COMPANY
        assert stored.state is StagedState.PENDING
        assert await contacts.get_contact(connection, stored.card_contact_id) == CONTACT


async def test_nothing_is_stored_where_the_representative_contact_is_reserved(database: Database) -> None:
    assert await stage(database, make_request())
    assert not await stage(database, make_request(OTHER_CARD))
    assert (await count(database, "staged_registrations"), await count(database, "contacts")) == (1, 2)


async def test_request_that_reserves_nothing_is_staged_beside_a_reservation(database: Database) -> None:
    assert await stage(database, make_request())
    assert await stage(database, make_request(OTHER_CARD, representative=False), reserves=False)


async def test_staging_waits_for_a_transaction_that_may_still_roll_back(database: Database) -> None:
    waiting: list[asyncio.Task[bool]] = []

    async def roll_back() -> None:
        async with asyncio.timeout(20), database.transaction() as connection:
            assert await staging.stage(connection, make_request(), reserves=True, now=NOW)
            waiting.append(asyncio.create_task(stage(database, make_request(OTHER_CARD))))
            await _until_a_transaction_waits(database)
            assert not waiting[0].done()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await roll_back()
    assert await waiting[0]


async def test_active_registration_is_not_abandoned(database: Database) -> None:
    staging_request = make_request()
    await stage(database, staging_request)
    async with database.transaction() as connection:
        pending = await staging.find_staged(connection, CARD, staging_request.request_id, lock=True)
        assert pending is not None
        await staging.activate(connection, pending, make_event().registration)
        await staging.abandon(connection, CARD, staging_request.request_id, now=NOW)
        assert not await staging.is_abandoned(connection, CARD, staging_request.request_id)
        stored = await staging.find_staged(connection, CARD, staging_request.request_id)
    assert stored is not None
    assert stored.state is StagedState.ACTIVE
    assert await count(database, "contacts") == 2


async def test_abandoned_registration_leaves_a_tombstone_and_nothing_else(database: Database) -> None:
    staging_request = make_request()
    await stage(database, staging_request)
    async with database.transaction() as connection:
        await staging.abandon(connection, CARD, staging_request.request_id, now=NOW)
        await staging.abandon(connection, CARD, staging_request.request_id, now=NOW)
        assert await staging.is_abandoned(connection, CARD, staging_request.request_id)
        assert await staging.find_reservation(connection, COMPANY.bidder_id, "works") is None
    assert (await count(database, "staged_registrations"), await count(database, "contacts")) == (0, 0)
    assert await stage(database, make_request(OTHER_CARD))


async def test_oldest_pending_registrations_are_listed_first_and_active_ones_never(database: Database) -> None:
    staging_request = [make_request(bytes([number]) * 32) for number in range(4)]
    for number, each in enumerate(staging_request):
        await stage(database, each, reserves=False, at=NOW - timedelta(hours=number))
    async with database.transaction() as connection:
        oldest = await staging.find_staged(
            connection, staging_request[3].certificate_sha256, staging_request[3].request_id
        )
        assert oldest is not None
        await staging.activate(connection, oldest, replace(make_event().registration, certificate_sha256=b"\x03" * 32))
        pending = await staging.list_pending(connection, NOW, limit=2)
    assert [request_id for _, request_id in pending] == [staging_request[2].request_id, staging_request[1].request_id]


@pytest.mark.parametrize(
    ("stored", "delivered", "is_written"),
    [
        (Version(1, 2), Version(1, 2), False),
        (Version(1, 2), Version(1, 1), False),
        (Version(1, 2), Version(1, 3), True),
        (Version(1, 9), Version(2, 1), True),
        (Version(2, 1), Version(1, 9), False),
    ],
)
async def test_only_a_higher_version_is_written(
    database: Database, stored: Version, delivered: Version, is_written: bool
) -> None:
    async with database.transaction() as connection:
        assert await registrations.record_registration(connection, make_event(version=stored))
        assert (
            await registrations.record_registration(connection, make_event(version=delivered, agency="town"))
            is is_written
        )
    async with database.read() as connection:
        agency = await connection.scalar(text("SELECT agency FROM registrations"))
    assert agency == ("town" if is_written else "city")


async def test_second_delivery_waits_for_the_first_and_then_writes_nothing(database: Database) -> None:
    async with asyncio.timeout(20):
        async with database.transaction() as connection:
            assert await registrations.record_registration(connection, make_event())
            second = asyncio.create_task(_record(database, make_event()))
            await _until_a_transaction_waits(database)
        assert not await second


async def test_registration_has_one_mail_per_contact(database: Database) -> None:
    staging_request = make_request()
    await stage(database, staging_request)
    async with database.transaction() as connection:
        pending = await staging.find_staged(connection, CARD, staging_request.request_id)
        assert pending is not None
        recipients = {pending.card_contact_id: MailKind.REGISTRATION}
        first = await mails.insert_mails(connection, UUID(int=1), recipients, domain="toroku.example", now=NOW)
        again = await mails.insert_mails(connection, UUID(int=1), recipients, domain="toroku.example", now=NOW)
        message_id = await connection.scalar(text("SELECT message_id FROM mails"))
    assert (len(first), list(again)) == (1, [])
    assert message_id == f"<{first[0]}@toroku.example>"


async def test_sent_mail_can_not_fail(database: Database) -> None:
    staging_request = make_request()
    await stage(database, staging_request)
    async with database.transaction() as connection:
        pending = await staging.find_staged(connection, CARD, staging_request.request_id)
        assert pending is not None
        recipients = {pending.card_contact_id: MailKind.REGISTRATION}
        (mail_id,) = await mails.insert_mails(connection, UUID(int=1), recipients, domain="toroku.example", now=NOW)
        await mails.record_sent(connection, mail_id, now=NOW)
        await mails.record_failure(connection, mail_id, smtp_code=550, now=NOW)
        assert await mails.find_unsent_mail(connection, mail_id) is None
        row: Any = (await connection.execute(text("SELECT state, smtp_code FROM mails"))).one()
    assert tuple(row) == ("sent", None)


async def _record(database: Database, event: RegistrationEvent) -> bool:
    async with database.transaction() as connection:
        return await registrations.record_registration(connection, event)


async def _until_a_transaction_waits(database: Database) -> None:
    """Waits until a transaction waits for the end of another one."""
    async with database.read() as connection:
        while not await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            await asyncio.sleep(0.01)

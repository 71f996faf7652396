"""The store of contact-notification against a real PostgreSQL: what each change promises its caller."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contact_notification import store
from contact_notification.domain import (
    Company,
    Contact,
    ContactForm,
    Grade,
    MailKind,
    Registration,
    RegistrationEvent,
    StagedState,
    StagingRequest,
    Version,
)
from servicekit.database import Database

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
FIRST = Version(1, 1)
CARD, OTHER_CARD = b"\x01" * 32, b"\x02" * 32
CONTACT = Contact(
    "課", "330-9301", "さいたま市", "髙﨑　太郎", "048-000-0000", "048-000-0001", "koji@contractor.example"
)
COMPANY = Company("1000000001", "㈱例", None, "", None, None, None, None, None, None, (Grade("土木", "A"),))


@pytest.fixture
async def database(migrated_database: Callable[[str], str]) -> AsyncIterator[Database]:
    async with Database.open(migrated_database("contact_notification"), pool=4) as opened:
        yield opened


def request(card: bytes = CARD, *, representative: bool = True) -> StagingRequest:
    form = ContactForm(CONTACT, "")
    return StagingRequest(card, uuid4(), b"\x07" * 32, "city", "works", COMPANY, form, form if representative else None)


def event(*, version: Version = FIRST, agency: str = "city") -> RegistrationEvent:
    registration = Registration(UUID(int=1), agency, "works", CARD, COMPANY.bidder_id, NOW, False, version)
    return RegistrationEvent(registration, uuid4(), b"\x07" * 32, "4711")


async def staged(database: Database, wanted: StagingRequest, *, reserves: bool = True, at: datetime = NOW) -> bool:
    async with database.transaction() as connection:
        return await store.stage(connection, wanted, reserves=reserves, now=at)


async def count(database: Database, table: str) -> int:
    async with database.read() as connection:
        found: int = await connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608
        return found


async def test_what_was_staged_comes_back_as_it_was(database: Database) -> None:
    wanted = request()
    assert await staged(database, wanted)
    async with database.read() as connection:
        found = await store.staged(connection, wanted.certificate_sha256, wanted.request_id)
        assert found is not None
        assert found.company == COMPANY
        assert found.state is StagedState.PENDING
        assert await store.contact(connection, found.card_contact_id) == CONTACT


async def test_nothing_is_left_where_the_place_is_taken(database: Database) -> None:
    assert await staged(database, request())
    assert not await staged(database, request(OTHER_CARD))
    assert (await count(database, "staged_registrations"), await count(database, "contacts")) == (1, 2)


async def test_one_that_reserves_nothing_finds_its_place(database: Database) -> None:
    assert await staged(database, request())
    assert await staged(database, request(OTHER_CARD, representative=False), reserves=False)


async def test_staging_waits_for_a_transaction_that_may_still_roll_back(database: Database) -> None:
    waiting: list[asyncio.Task[bool]] = []

    async def roll_back() -> None:
        async with asyncio.timeout(20), database.transaction() as connection:
            assert await store.stage(connection, request(), reserves=True, now=NOW)
            waiting.append(asyncio.create_task(staged(database, request(OTHER_CARD))))
            await _until_somebody_waits(database)
            assert not waiting[0].done()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await roll_back()
    assert await waiting[0]


async def test_an_active_row_is_not_abandoned(database: Database) -> None:
    wanted = request()
    await staged(database, wanted)
    async with database.transaction() as connection:
        kept = await store.staged(connection, CARD, wanted.request_id, lock=True)
        assert kept is not None
        await store.activate(connection, kept, event().registration)
        await store.abandon(connection, CARD, wanted.request_id, now=NOW)
        assert not await store.is_abandoned(connection, CARD, wanted.request_id)
        found = await store.staged(connection, CARD, wanted.request_id)
    assert found is not None
    assert found.state is StagedState.ACTIVE
    assert await count(database, "contacts") == 2


async def test_what_is_abandoned_leaves_a_tombstone_and_nothing_else(database: Database) -> None:
    wanted = request()
    await staged(database, wanted)
    async with database.transaction() as connection:
        await store.abandon(connection, CARD, wanted.request_id, now=NOW)
        await store.abandon(connection, CARD, wanted.request_id, now=NOW)
        assert await store.is_abandoned(connection, CARD, wanted.request_id)
        assert await store.reservation(connection, COMPANY.bidder_id, "works") is None
    assert (await count(database, "staged_registrations"), await count(database, "contacts")) == (0, 0)
    assert await staged(database, request(OTHER_CARD))


async def test_the_oldest_pending_ones_come_first_and_active_ones_never(database: Database) -> None:
    wanted = [request(bytes([number]) * 32) for number in range(4)]
    for number, each in enumerate(wanted):
        await staged(database, each, reserves=False, at=NOW - timedelta(hours=number))
    async with database.transaction() as connection:
        oldest = await store.staged(connection, wanted[3].certificate_sha256, wanted[3].request_id)
        assert oldest is not None
        await store.activate(connection, oldest, replace(event().registration, certificate_sha256=b"\x03" * 32))
        found = await store.pending_since(connection, NOW, most=2)
    assert [request_id for _, request_id in found] == [wanted[2].request_id, wanted[1].request_id]


@pytest.mark.parametrize(
    ("held", "told", "taken"),
    [
        (Version(1, 2), Version(1, 2), False),
        (Version(1, 2), Version(1, 1), False),
        (Version(1, 2), Version(1, 3), True),
        (Version(1, 9), Version(2, 1), True),
        (Version(2, 1), Version(1, 9), False),
    ],
)
async def test_only_a_higher_version_is_taken(database: Database, held: Version, told: Version, taken: bool) -> None:
    async with database.transaction() as connection:
        assert await store.record_registration(connection, event(version=held))
        assert await store.record_registration(connection, event(version=told, agency="town")) is taken
    async with database.read() as connection:
        agency = await connection.scalar(text("SELECT agency FROM registrations"))
    assert agency == ("town" if taken else "city")


async def test_the_second_delivery_waits_for_the_first_and_then_is_none(database: Database) -> None:
    async with asyncio.timeout(20):
        async with database.transaction() as connection:
            assert await store.record_registration(connection, event())
            second = asyncio.create_task(_recorded(database, event()))
            await _until_somebody_waits(database)
        assert not await second


async def test_one_mail_per_registration_and_contact(database: Database) -> None:
    wanted = request()
    await staged(database, wanted)
    async with database.transaction() as connection:
        kept = await store.staged(connection, CARD, wanted.request_id)
        assert kept is not None
        chosen = {kept.card_contact_id: MailKind.REGISTRATION}
        first = await store.write_mails(connection, UUID(int=1), chosen, domain="toroku.example", now=NOW)
        again = await store.write_mails(connection, UUID(int=1), chosen, domain="toroku.example", now=NOW)
        message_id = await connection.scalar(text("SELECT message_id FROM mails"))
    assert (len(first), list(again)) == (1, [])
    assert message_id == f"<{first[0]}@toroku.example>"


async def test_a_mail_that_was_sent_can_not_fail_any_more(database: Database) -> None:
    wanted = request()
    await staged(database, wanted)
    async with database.transaction() as connection:
        kept = await store.staged(connection, CARD, wanted.request_id)
        assert kept is not None
        chosen = {kept.card_contact_id: MailKind.REGISTRATION}
        (mail_id,) = await store.write_mails(connection, UUID(int=1), chosen, domain="toroku.example", now=NOW)
        await store.mail_sent(connection, mail_id, now=NOW)
        await store.mail_failed(connection, mail_id, smtp_code=550, now=NOW)
        assert await store.mail_to_send(connection, mail_id) is None
        row: Any = (await connection.execute(text("SELECT state, smtp_code FROM mails"))).one()
    assert tuple(row) == ("sent", None)


async def _recorded(database: Database, told: RegistrationEvent) -> bool:
    async with database.transaction() as connection:
        return await store.record_registration(connection, told)


async def _until_somebody_waits(database: Database) -> None:
    """Until a transaction waits for another one's end."""
    async with database.read() as connection:
        while not await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            await asyncio.sleep(0.01)

"""The store of contact-notification against a real PostgreSQL: what each change guarantees its caller."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from contact_notification.domain.card_state import CardState, Registration, RegistrationState
from contact_notification.domain.contact import Contact, ContactForm
from contact_notification.domain.mail import FailedTry
from contact_notification.domain.notice import Addressee, Notice, NoticeKind, NoticeState, RegistrationFacts
from contact_notification.domain.staging import Company, Grade, StagedRegistration, StagedState, StagingRequest
from contact_notification.store import activation, card_states, contacts, mails, notices, staging
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from servicekit.versions import Version

pytestmark = pytest.mark.every_postgresql

NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
FIRST = Version(1, 1)
CARD, OTHER_CARD = b"\x01" * 32, b"\x02" * 32
CONTACT = Contact(
    "課", "330-9301", "さいたま市", "髙﨑　太郎", "048-000-0000", "048-000-0001", "koji@contractor.example"
)
WAITING = Statement(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))
COMPANY = Company(
    bidder_id="1000000001",
    name="㈱例",
    postal_code=None,
    address="",
    representative_name=None,
    contract_party_name=None,
    representative_title=None,
    telephone=None,
    fax=None,
    department=None,
    branch=None,
    region=None,
    permit_number=None,
    corporate_number=None,
    grades=(Grade("土木", "A"),),
)


@pytest.fixture
async def database(migrated_database: Callable[[str], str]) -> AsyncIterator[Database]:
    async with Database.open(migrated_database("contact_notification"), pool=4) as connected:
        yield connected


def make_request(card: bytes = CARD, *, representative: bool = True) -> StagingRequest:
    form = ContactForm(CONTACT, "")
    return StagingRequest(
        card, uuid4(), b"\x07" * 32, "city", "works", COMPANY, form, form if representative else None, ""
    )


def make_registration(request_id: UUID, card: bytes = CARD) -> Registration:
    return Registration(uuid4(), "city", "works", card, COMPANY.bidder_id, NOW, request_id, b"\x07" * 32)


def make_state(*, version: Version = FIRST, agency: str = "city", card: bytes = CARD) -> CardState:
    return CardState(card, "works", version, COMPANY.bidder_id, True, {agency: RegistrationState.GOOD}, ())


async def activate(connection: Connection, staging_request: StagingRequest) -> StagedRegistration:
    """Activates what was staged and returns it as it was before."""
    request = (staging_request.certificate_sha256, staging_request.request_id)
    pending = (await staging.lock_staged(connection, [request]))[request]
    await activation.activate(connection, [(pending, make_registration(request[1], request[0]))])
    return pending


async def insert_notice(connection: Connection, staging_request: StagingRequest) -> tuple[UUID, UUID]:
    """Inserts a notice about active contacts; returns its id and that of the card contact."""
    staged = await activate(connection, staging_request)
    facts = RegistrationFacts(
        uuid4(), staging_request.request_id, CARD, "4711", "city", "works", COMPANY.bidder_id, NOW, ""
    )
    notice = Notice(uuid4(), NoticeKind.REGISTRATION, facts, ())
    assert await notices.insert_notices(connection, {notice: NoticeState.WRITTEN}, now=NOW) == {notice.notice_id}
    return notice.notice_id, staged.card_contact_id


async def stage(
    database: Database, staging_request: StagingRequest, *, reserves: bool = True, at: datetime = NOW
) -> bool:
    async with database.transaction() as connection:
        return await staging.stage(connection, staging_request, reserves=reserves, now=at)


async def count(database: Database, table: str) -> int:
    async with database.read() as connection:
        rows: int = await connection.fetch_value(Statement(text(f"SELECT count(*) FROM {table}")))  # noqa: S608 (a name of this test)
        return rows


async def test_staged_contacts_are_returned_unchanged(database: Database) -> None:
    staging_request = make_request()
    assert await stage(database, staging_request)
    async with database.read() as connection:
        stored = await staging.find_staged(connection, staging_request.certificate_sha256, staging_request.request_id)
        assert stored is not None
        assert stored.company == COMPANY
        assert stored.state is StagedState.PENDING
        shown = await staging.find_staged_contacts(connection, CARD, staging_request.request_id)
        assert shown is not None
        assert (shown.company, shown.card_contact, shown.representative_contact) == (COMPANY, CONTACT, CONTACT)


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
        await activate(connection, staging_request)
        await staging.abandon(connection, CARD, staging_request.request_id, now=NOW)
        assert not (await staging.find_known(connection, staging_request)).is_abandoned
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
        assert (await staging.find_known(connection, staging_request)).is_abandoned
        assert await staging.find_reservation(connection, COMPANY.bidder_id, "works") is None
    assert (await count(database, "staged_registrations"), await count(database, "contacts")) == (0, 0)
    assert await stage(database, make_request(OTHER_CARD))


async def test_oldest_pending_registrations_are_listed_first_and_active_ones_never(database: Database) -> None:
    staging_request = [make_request(bytes([number]) * 32) for number in range(4)]
    for number, each in enumerate(staging_request):
        await stage(database, each, reserves=False, at=NOW - timedelta(hours=number))
    async with database.transaction() as connection:
        await activate(connection, staging_request[3])
        pending = await staging.list_pending(connection, NOW, limit=2)
        rest = await staging.list_pending(connection, NOW, after=pending[-1], limit=2)
    assert [request_id for *_, request_id in pending] == [staging_request[2].request_id, staging_request[1].request_id]
    assert rest == [], "what was staged at this very instant is no older"


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
        await card_states.record_card_states(connection, [make_state(version=stored)])
        await card_states.record_card_states(
            connection, [make_state(version=delivered, agency="town"), make_state(card=OTHER_CARD)]
        )
    assert await count(database, "card_states") == 2, "the other card's state is new in any case"
    async with database.read() as connection:
        agencies = await connection.fetch_value(
            Statement(text("SELECT agencies FROM card_states WHERE certificate_sha256 = :card")), card=CARD
        )
    assert agencies == (["town"] if is_written else ["city"])


async def test_second_delivery_waits_for_the_first_and_then_writes_nothing(database: Database) -> None:
    async with asyncio.timeout(20):
        async with database.transaction() as connection:
            await card_states.record_card_states(connection, [make_state(version=Version(1, 2))])
            second = asyncio.create_task(_record(database, make_state(agency="town")))
            await _until_a_transaction_waits(database)
        await second
    async with database.read() as connection:
        assert await connection.fetch_values(Statement(text("SELECT agencies FROM card_states"))) == [["city"]]


async def test_second_request_of_a_card_waits_and_is_not_staged_beside_the_first(database: Database) -> None:
    async with asyncio.timeout(20):
        async with database.transaction() as connection:
            assert await staging.stage(connection, make_request(representative=False), reserves=False, now=NOW)
            second = asyncio.create_task(stage(database, make_request(representative=False), reserves=False))
            await _until_a_transaction_waits(database)
        assert not await second
    assert (await count(database, "staged_registrations"), await count(database, "contacts")) == (1, 1)


async def test_contacts_of_many_registrations_become_active_in_one_statement_each(database: Database) -> None:
    requests = [make_request(bytes([number]) * 32, representative=number == 1) for number in range(1, 4)]
    for each in requests:
        await stage(database, each, reserves=False)
    async with database.transaction() as connection:
        keys = [(each.certificate_sha256, each.request_id) for each in requests]
        staged = await staging.lock_staged(connection, keys)
        after, owners = await activation.activate(
            connection, [(staged[key], make_registration(request_id=key[1], card=key[0])) for key in keys]
        )
        staged_now = {registered.staged.request: registered.staged for registered in after}
        assert len(owners) == 4, "three cards and their bidder"
        assert staged_now == await staging.list_staged(connection, keys)
        assert not await card_states.record_card_states(connection, [make_state()], keys), "all are active"
        mailboxes = await contacts.list_mailboxes(
            connection,
            cards=[(CARD, "works")],
            bidders=[(COMPANY.bidder_id, "works")],
            whole_bidders=[],
            contact_ids=[],
        )
    (representative,) = mailboxes.of_bidders.values()
    assert mailboxes.of_cards == {(CARD, "works", COMPANY.bidder_id): staged[keys[0]].card_contact_id}
    assert set(mailboxes.addresses.values()) == {CONTACT.mail_address}
    assert {registered.staged.representative_contact_id for registered in after} == {representative}


async def test_bulk_list_has_more_requests_than_a_statement_may_have_values(database: Database) -> None:
    staging_request = make_request()
    await stage(database, staging_request)
    requests = [(CARD, uuid4()) for _ in range(70_000)]
    async with database.transaction() as connection:
        await activate(connection, staging_request)
        rest = await card_states.record_card_states(
            connection, [make_state()], [*requests, (CARD, staging_request.request_id)]
        )
    assert rest == set(requests)


async def test_message_id_is_derived_from_the_mail_and_an_address_is_kept_until_its_mail_ended(
    database: Database,
) -> None:
    staging_request = make_request()
    await stage(database, staging_request)
    async with database.transaction() as connection:
        notice_id, contact_id = await insert_notice(connection, staging_request)
        addressees = [
            Addressee(contact_id, CONTACT.mail_address),
            Addressee(None, "sent@agency.example"),
            Addressee(None, "failed@agency.example"),
        ]
        first, sent, failed = await mails.insert_mails(
            connection, [mails.NewMail(notice_id, each, None) for each in addressees], domain="toroku.example", now=NOW
        )
        stored = dict(await connection.fetch_rows(Statement(text("SELECT mail_id, mail_address FROM mails"))))
        assert stored == {first: "", sent: "sent@agency.example", failed: "failed@agency.example"}
        mail = await mails.find_unsent_mail(connection, sent)
        assert mail is not None
        assert (mail.mail_address, mail.recipient_name) == ("sent@agency.example", "")
        await mails.record_sent(connection, sent)
        await mails.record_undeliverable(connection, failed, FailedTry.REFUSED, "550 5.1.1")
        await mails.forget_addresses(connection, timedelta(seconds=1))
        kept = Statement(text("SELECT mail_address FROM mails ORDER BY mail_address"))
        assert await connection.fetch_values(kept) == ["", "", "failed@agency.example"], "it can be sent again"
        await connection.execute("UPDATE mails SET failed_at = failed_at - interval '2 seconds'")
        await mails.forget_addresses(connection, timedelta(seconds=1))
        assert await connection.fetch_values(kept) == ["", "", ""]
        message_id = await connection.fetch_value(
            Statement(text("SELECT message_id FROM mails WHERE mail_id = :id")), id=first
        )
    assert message_id == f"<{first}@toroku.example>"


async def test_sent_mail_can_not_fail(database: Database) -> None:
    staging_request = make_request()
    await stage(database, staging_request)
    async with database.transaction() as connection:
        notice_id, contact_id = await insert_notice(connection, staging_request)
        (mail_id,) = await mails.insert_mails(
            connection,
            [mails.NewMail(notice_id, Addressee(contact_id, CONTACT.mail_address), None)],
            domain="toroku.example",
            now=NOW,
        )
        await mails.record_sent(connection, mail_id)
        await mails.record_undeliverable(connection, mail_id, FailedTry.REFUSED, "550 5.1.1")
        is_given_up = await mails.record_not_taken(
            connection, mail_id, FailedTry.PUT_OFF, "450", give_up_after=timedelta(0)
        )
        assert not is_given_up
        assert await mails.find_unsent_mail(connection, mail_id) is None
        row = await connection.fetch_row(Statement(text("SELECT state, answer FROM mails")))
    assert row == ("sent", None)


async def _record(database: Database, state: CardState) -> None:
    async with database.single_change() as connection:
        await card_states.record_card_states(connection, [state])


async def _until_a_transaction_waits(database: Database) -> None:
    """Waits until a transaction waits for the end of another one."""
    async with database.read() as connection:
        while not await connection.fetch_value(WAITING):
            await asyncio.sleep(0.01)

"""Notices, and whom they are sent to while they wait."""

import json
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, Uuid, bindparam, delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY

from contact_notification.domain.notice import (
    FACTS_OF,
    ActEntry,
    BidderContacts,
    BidderOwner,
    CardOwner,
    Facts,
    MailAddress,
    Notice,
    NoticeKind,
    NoticeState,
    Recipient,
    Shown,
)
from contact_notification.store.tables import notices
from history.entries import SealedEntry
from history.sealed_entry import SEAL_COLUMNS, SEAL_TABLES, read_sealed_entry, write_waiting
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# One parameter for any number of notices: lists of recipients can't be unnested. In one order, so that two calls with
# the same notices wait for each other.
_COLUMNS = """
    notice_id, kind, certificate_sha256, request_id, registration_id, card_serial, agency, category, bidder_id,
    registered_at, holder_name, happened_at, person_id, valid_until, approval_number, is_approved, renewal_request_id,
    old_certificate_sha256, old_card_serial, propagate, changed_fields, card_contact_id, company_name, history_number,
    entry_registry, entry_digest, entry_position, entry_head_number, entry_head_sha256, entry_proof, state, recipients
"""
_INSERT = Statement(
    text(
        f"""
        INSERT INTO notices ({_COLUMNS}, received_at)
        SELECT {_COLUMNS}, CAST(:now AS timestamptz)
        FROM json_to_recordset(CAST(:notices AS json)) AS notice (
            notice_id uuid, kind text, certificate_sha256 bytea, request_id uuid, registration_id uuid,
            card_serial text, agency text, category text, bidder_id text, registered_at timestamptz, holder_name text,
            happened_at timestamptz, person_id text, valid_until timestamptz, approval_number text,
            is_approved boolean, renewal_request_id uuid, old_certificate_sha256 bytea, old_card_serial text,
            propagate boolean, changed_fields text[], card_contact_id uuid, company_name text, history_number bigint,
            entry_registry text, entry_digest bytea, entry_position bigint,
            entry_head_number bigint, entry_head_sha256 bytea, entry_proof bytea, state text, recipients jsonb
        )
        ORDER BY notice_id
        ON CONFLICT DO NOTHING
        RETURNING notice_id
        """  # noqa: S608  # constants
    )
)

_GET = Statement(select(notices).where(notices.c.notice_id == bindparam("notice_id")))

# Locked, for an update returns what it wrote, and here the recipients before it are wanted.
_waiting = (
    select(notices)
    .where(
        tuple_(notices.c.certificate_sha256, notices.c.request_id).in_(
            select(
                func.unnest(bindparam("certificates", type_=ARRAY(LargeBinary))),
                func.unnest(bindparam("request_ids", type_=ARRAY(Uuid))),
            )
        ),
        notices.c.state == NoticeState.WAITING,
    )
    .with_for_update()
    .cte("waiting")
)

_END_WAITING = Statement(
    update(notices)
    .where(notices.c.notice_id == _waiting.c.notice_id)
    .values(state=bindparam("state"), recipients=text("'[]'"))
    .returning(*_waiting.c)
)

_waiting_for_renewal = (
    select(notices)
    .where(
        notices.c.certificate_sha256 == bindparam("certificate_sha256"),
        notices.c.category == bindparam("category"),
        notices.c.state == NoticeState.WAITING,
        notices.c.renewal_request_id.is_not(None),
    )
    .with_for_update()
    .cte("waiting")
)

_END_WAITING_FOR_RENEWAL = Statement(
    update(notices)
    .where(notices.c.notice_id == _waiting_for_renewal.c.notice_id)
    .values(
        state=NoticeState.WRITTEN,
        recipients=text("'[]'"),
        card_contact_id=bindparam("card_contact_id"),
        company_name=bindparam("company_name"),
    )
    .returning(*_waiting_for_renewal.c)
)

_FIND_SEAL = Statement(
    text(
        f"""
        SELECT {SEAL_COLUMNS}, {write_waiting("mails.waits_since", "now()")} AS waits
        FROM mails JOIN notices USING (notice_id) JOIN history_entry AS entry ON entry.number = notices.history_number
        {SEAL_TABLES}
        WHERE mails.mail_id = :mail_id
        """  # noqa: S608  # constants
    )
)

_KEEP_SEAL = Statement(
    text(
        """
        UPDATE notices SET entry_position = :position, entry_head_number = :head_number,
            entry_head_sha256 = :head_sha256, entry_proof = :proof
        WHERE notice_id = :notice_id AND entry_position IS NULL
        """
    )
)

_DELETE_WAITING = Statement(
    delete(notices).where(
        notices.c.certificate_sha256 == bindparam("certificate_sha256"),
        notices.c.request_id == bindparam("request_id"),
        notices.c.state == NoticeState.WAITING,
    )
)

# With their mails. One whose mail is being tried, or has ended since, is kept with all of them.
_DELETE_WRITTEN = Statement(
    text(
        """
        WITH old AS MATERIALIZED (
            SELECT notice_id FROM notices
            WHERE state <> 'waiting' AND received_at < :before AND NOT EXISTS (
                SELECT FROM mails
                WHERE mails.notice_id = notices.notice_id
                    AND (mails.state = 'written' OR coalesce(mails.sent_at, mails.failed_at) >= :before)
            )
            ORDER BY received_at LIMIT :most
            FOR UPDATE SKIP LOCKED
        ), their_mails AS (
            DELETE FROM mails USING old WHERE mails.notice_id = old.notice_id
        )
        DELETE FROM notices USING old WHERE notices.notice_id = old.notice_id
        """
    )
)


async def insert_notices(connection: Connection, states: Mapping[Notice, NoticeState], *, now: datetime) -> Set[UUID]:
    """Stores notices with their states, and their recipients while they wait; returns the ids that are new.

    Waits for a concurrent transaction that is about to store the same ones.
    """
    rows = [_write_notice(notice, state) for notice, state in states.items()]
    return set(await connection.fetch_values(_INSERT, notices=json.dumps(rows), now=now))


async def get_notice(connection: Connection, notice_id: UUID) -> Notice:
    """Returns a stored notice, without recipients once its mails are written."""
    return _read_notice(await connection.fetch_row(_GET, notice_id=notice_id))


async def end_waiting(
    connection: Connection, requests: Collection[tuple[bytes, UUID]], state: NoticeState
) -> Sequence[Notice]:
    """Ends the waiting of the notices for the contacts of these requests (certificate's SHA-256, request id).

    Returns them, oldest first, with the recipients that are forgotten hereby.
    """
    rows = await connection.fetch_rows(
        _END_WAITING,
        certificates=[certificate_sha256 for certificate_sha256, _ in requests],
        request_ids=[request_id for _, request_id in requests],
        state=state,
    )
    return [_read_notice(row) for row in sorted(rows, key=lambda row: (row.received_at, row.notice_id))]


async def end_waiting_for_renewal(
    connection: Connection, certificate_sha256: bytes, category: str, shown: Shown
) -> Sequence[Notice]:
    """Ends the waiting of the notices of renewals of a card in a category for its contact, which they show.

    Returns them with the recipients that are forgotten hereby.
    """
    rows = await connection.fetch_rows(
        _END_WAITING_FOR_RENEWAL,
        certificate_sha256=certificate_sha256,
        category=category,
        card_contact_id=shown.card_contact_id,
        company_name=shown.company_name,
    )
    return [replace(_read_notice(row), shown=shown) for row in rows]


async def find_seal(connection: Connection, mail_id: UUID) -> tuple[SealedEntry, bool]:
    """Returns the entry of a mail's act in our own history, and whether the mail goes on waiting for its seal."""
    row = await connection.fetch_row(_FIND_SEAL, mail_id=mail_id)
    return read_sealed_entry(row), row.waits


async def keep_seal(connection: Connection, notice_id: UUID, entry: SealedEntry) -> None:
    """Keeps where an act's entry was sealed, so that its mails are the same in every try."""
    await connection.change(
        _KEEP_SEAL,
        notice_id=notice_id,
        position=entry.position,
        head_number=entry.head_number,
        head_sha256=entry.head_sha256,
        proof=entry.proof,
    )


async def delete_waiting(connection: Connection, certificate_sha256: bytes, request_id: UUID) -> None:
    """Deletes the notices that wait for the contacts of a request that was never committed."""
    await connection.change(_DELETE_WAITING, certificate_sha256=certificate_sha256, request_id=request_id)


async def delete_written(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` notices whose mails all ended before an instant, with these; returns how many notices."""
    return await connection.change(_DELETE_WRITTEN, before=before, most=most)


def read_facts(row: Any) -> Facts:
    """Returns what a notice says, of a row of `notices`."""
    facts_type = FACTS_OF[NoticeKind(row.kind)]
    return facts_type(**{field.name: _read_value(getattr(row, field.name)) for field in fields(facts_type)})


def read_entry(row: Any) -> ActEntry | None:
    """Returns the entry of a notice's act, of a row of `notices`."""
    if row.entry_registry is None:
        return None
    return ActEntry(**{field.name: getattr(row, f"entry_{field.name}") for field in fields(ActEntry)})


def _read_value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _write_notice(notice: Notice, state: NoticeState) -> Mapping[str, Any]:
    entry = {} if notice.entry is None else {f"entry_{name}": value for name, value in asdict(notice.entry).items()}
    facts = {name: _write_value(value) for name, value in (asdict(notice.facts) | entry).items()}
    recipients = notice.recipients if state is NoticeState.WAITING else ()
    shown = {} if notice.shown is None else {name: _write_value(value) for name, value in asdict(notice.shown).items()}
    return (
        facts
        | shown
        | {
            "notice_id": str(notice.notice_id),
            "kind": notice.kind,
            "history_number": notice.history_number,
            "state": state,
            "recipients": [_store_recipient(recipient) for recipient in recipients],
        }
    )


def _write_value(value: object) -> object:
    match value:
        case bytes():
            return f"\\x{value.hex()}"
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
    return value


def _store_recipient(recipient: Recipient) -> Mapping[str, str | None]:
    match recipient:
        case CardOwner():
            return {
                "certificate_sha256": recipient.certificate_sha256.hex(),
                "category": recipient.category,
                "request_id": str(recipient.request_id) if recipient.request_id else None,
            }
        case BidderOwner():
            return {
                "bidder_id": recipient.bidder_id,
                "category": recipient.category,
                "request_id": str(recipient.request_id) if recipient.request_id else None,
            }
        case BidderContacts():
            return {"all_of_bidder_id": recipient.bidder_id, "category": recipient.category}
        case MailAddress():
            return {"mail_address": recipient.address, "name": recipient.name}


def _read_recipient(stored: Mapping[str, Any]) -> Recipient:
    if "mail_address" in stored:
        return MailAddress(stored["mail_address"], stored["name"])
    if "all_of_bidder_id" in stored:
        return BidderContacts(stored["all_of_bidder_id"], stored["category"])
    request_id = UUID(stored["request_id"]) if stored["request_id"] else None
    if "bidder_id" in stored:
        return BidderOwner(stored["bidder_id"], stored["category"], request_id)
    return CardOwner(bytes.fromhex(stored["certificate_sha256"]), stored["category"], request_id)


def _read_notice(row: Any) -> Notice:
    return Notice(
        notice_id=row.notice_id,
        kind=NoticeKind(row.kind),
        facts=read_facts(row),
        recipients=tuple(_read_recipient(stored) for stored in row.recipients),
        entry=read_entry(row),
    )

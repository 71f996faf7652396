"""Notices, and whom they are sent to while they wait."""

import json
from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import LargeBinary, Uuid, bindparam, delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY

from contact_notification.domain.notice import (
    BidderOwner,
    CardOwner,
    MailAddress,
    Notice,
    NoticeKind,
    NoticeState,
    Recipient,
    RegistrationFacts,
)
from contact_notification.store.tables import notices
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# One parameter for any number of notices: lists of recipients can't be unnested. In one order, so that two calls with
# the same notices wait for each other.
_INSERT = Statement(
    text(
        """
        INSERT INTO notices (
            notice_id, kind, registration_id, certificate_sha256, request_id, card_serial, agency, category, bidder_id,
            registered_at, holder_name, state, recipients, received_at
        )
        SELECT notice_id, kind, registration_id, certificate_sha256, request_id, card_serial, agency, category,
            bidder_id, registered_at, holder_name, state, recipients, CAST(:now AS timestamptz)
        FROM json_to_recordset(CAST(:notices AS json)) AS notice (
            notice_id uuid, kind text, registration_id uuid, certificate_sha256 bytea, request_id uuid,
            card_serial text, agency text, category text, bidder_id text, registered_at timestamptz, holder_name text,
            state text, recipients jsonb
        )
        ORDER BY notice_id
        ON CONFLICT DO NOTHING
        RETURNING notice_id
        """
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


async def delete_waiting(connection: Connection, certificate_sha256: bytes, request_id: UUID) -> None:
    """Deletes the notices that wait for the contacts of a request that was never committed."""
    await connection.change(_DELETE_WAITING, certificate_sha256=certificate_sha256, request_id=request_id)


async def delete_written(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` notices whose mails all ended before an instant, with these; returns how many notices."""
    return await connection.change(_DELETE_WRITTEN, before=before, most=most)


def _write_notice(notice: Notice, state: NoticeState) -> Mapping[str, Any]:
    facts, is_waiting = notice.facts, state is NoticeState.WAITING
    return {
        "notice_id": str(notice.notice_id),
        "kind": notice.kind,
        "registration_id": str(facts.registration_id),
        "certificate_sha256": f"\\x{facts.certificate_sha256.hex()}",
        "request_id": str(facts.request_id),
        "card_serial": facts.card_serial,
        "agency": facts.agency,
        "category": facts.category,
        "bidder_id": facts.bidder_id,
        "registered_at": facts.registered_at.isoformat(),
        "holder_name": facts.holder_name,
        "state": state,
        "recipients": [_store_recipient(recipient) for recipient in notice.recipients] if is_waiting else [],
    }


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
        case MailAddress():
            return {"mail_address": recipient.address}


def _read_recipient(stored: Mapping[str, Any]) -> Recipient:
    if "mail_address" in stored:
        return MailAddress(stored["mail_address"])
    request_id = UUID(stored["request_id"]) if stored["request_id"] else None
    if "bidder_id" in stored:
        return BidderOwner(stored["bidder_id"], stored["category"], request_id)
    return CardOwner(bytes.fromhex(stored["certificate_sha256"]), stored["category"], request_id)


def _read_notice(row: Any) -> Notice:
    return Notice(
        notice_id=row.notice_id,
        kind=NoticeKind(row.kind),
        facts=RegistrationFacts(
            registration_id=row.registration_id,
            request_id=row.request_id,
            certificate_sha256=row.certificate_sha256,
            card_serial=row.card_serial,
            agency=row.agency,
            category=row.category,
            bidder_id=row.bidder_id,
            registered_at=row.registered_at,
            holder_name=row.holder_name,
        ),
        recipients=tuple(_read_recipient(stored) for stored in row.recipients),
    )

"""Notices, and whom they are sent to while they wait."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, delete, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

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


async def insert_notice(connection: AsyncConnection, notice: Notice, state: NoticeState, *, now: datetime) -> bool:
    """Stores a notice, with its recipients while it waits; returns whether its id is new.

    Waits for a concurrent transaction that is about to store the same one.
    """
    facts = notice.facts
    rows = await connection.execute(
        insert(notices)
        .values(
            notice_id=notice.notice_id,
            kind=notice.kind,
            registration_id=facts.registration_id,
            certificate_sha256=facts.certificate_sha256,
            request_id=facts.request_id,
            card_serial=facts.card_serial,
            agency=facts.agency,
            category=facts.category,
            bidder_id=facts.bidder_id,
            registered_at=facts.registered_at,
            holder_name=facts.holder_name,
            state=state,
            recipients=[_store_recipient(recipient) for recipient in notice.recipients]
            if state is NoticeState.WAITING
            else [],
            received_at=now,
        )
        .on_conflict_do_nothing()
        .returning(notices.c.notice_id)
    )
    return rows.first() is not None


async def get_notice(connection: AsyncConnection, notice_id: UUID) -> Notice:
    """Returns a stored notice, without recipients once its mails are written."""
    rows = await connection.execute(select(notices).where(notices.c.notice_id == notice_id))
    return _read_notice(rows.mappings().one())


async def list_waiting(connection: AsyncConnection, requests: Collection[tuple[bytes, UUID]]) -> Sequence[Notice]:
    """Returns the notices that wait for the contacts of these requests (certificate's SHA-256, request id)."""
    key = tuple_(notices.c.certificate_sha256, notices.c.request_id)
    rows = await connection.execute(
        select(notices)
        .where(key.in_(list(requests)), notices.c.state == NoticeState.WAITING)
        .order_by(notices.c.received_at, notices.c.notice_id)
    )
    return [_read_notice(row) for row in rows.mappings()]


async def record_end(connection: AsyncConnection, notice_ids: Collection[UUID], state: NoticeState) -> None:
    """Records that these notices wait no more, and forgets whom they were to be sent to."""
    await connection.execute(
        update(notices).where(notices.c.notice_id.in_(list(notice_ids))).values(state=state, recipients=[])
    )


async def delete_waiting(connection: AsyncConnection, certificate_sha256: bytes, request_id: UUID) -> None:
    """Deletes the notices that wait for the contacts of a request that was never committed."""
    await connection.execute(
        delete(notices).where(
            notices.c.certificate_sha256 == certificate_sha256,
            notices.c.request_id == request_id,
            notices.c.state == NoticeState.WAITING,
        )
    )


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


def _read_notice(row: RowMapping) -> Notice:
    return Notice(
        notice_id=row["notice_id"],
        kind=NoticeKind(row["kind"]),
        facts=RegistrationFacts(
            registration_id=row["registration_id"],
            request_id=row["request_id"],
            certificate_sha256=row["certificate_sha256"],
            card_serial=row["card_serial"],
            agency=row["agency"],
            category=row["category"],
            bidder_id=row["bidder_id"],
            registered_at=row["registered_at"],
            holder_name=row["holder_name"],
        ),
        recipients=tuple(_read_recipient(stored) for stored in row["recipients"]),
    )

"""Notices that wait to be sent, and what each is about."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.notice import Notice, NoticeKind
from certificate_registry.store.registrations import read_registration
from certificate_registry.store.tables import binding, card, notice, request_outcome


async def insert_notice(
    connection: AsyncConnection, notice_id: UUID, kind: NoticeKind, registration_id: UUID, now: datetime
) -> None:
    """Writes a notice about a registration."""
    values = {"notice_id": notice_id, "kind": kind.value, "registration_id": registration_id, "written_at": now}
    await connection.execute(insert(notice).values(**values))


async def find_unsent_notice(connection: AsyncConnection, notice_id: UUID, *, most_cards: int) -> Notice | None:
    """Returns a notice with at most `most_cards` other cards of its bidder; None if it was sent."""
    query = (
        select(notice, request_outcome.c.request_id, card.c.serial, card.c.holder_name)
        .join(request_outcome, request_outcome.c.registration_id == notice.c.registration_id)
        .join(card, card.c.certificate_sha256 == request_outcome.c.certificate_sha256)
        .where(notice.c.notice_id == notice_id, notice.c.sent_at.is_(None))
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    registration = await read_registration(connection, row.registration_id)
    kind = NoticeKind(row.kind)
    other_cards: Sequence[CardKey] = ()
    if kind is NoticeKind.REGISTRATION_NOTICE:
        other_cards = await _list_other_cards(
            connection, registration.bidder_id, registration.certificate_sha256, most_cards
        )
    return Notice(notice_id, kind, registration, row.request_id, row.serial, row.holder_name or "", other_cards)


async def mark_sent(connection: AsyncConnection, notice_id: UUID, now: datetime) -> None:
    """Records that contact-notification took a notice."""
    await connection.execute(update(notice).where(notice.c.notice_id == notice_id).values(sent_at=now))


async def delete_sent_notices(connection: AsyncConnection, before: datetime) -> None:
    """Deletes notices that were sent before this instant."""
    await connection.execute(delete(notice).where(notice.c.sent_at < before))


async def _list_other_cards(
    connection: AsyncConnection, bidder_id: str, certificate_sha256: bytes, most_cards: int
) -> Sequence[CardKey]:
    query = (
        select(binding.c.certificate_sha256, binding.c.category)
        .where(
            binding.c.bidder_id == bidder_id,
            binding.c.ended_at.is_(None),
            binding.c.certificate_sha256 != certificate_sha256,
        )
        .order_by(binding.c.began_at, binding.c.certificate_sha256, binding.c.category)
        .limit(most_cards)
    )
    return [CardKey(*row) for row in await connection.execute(query)]

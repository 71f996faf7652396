"""Notices that wait to be sent, and what each is about."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.notice import Notice, NoticeKind
from certificate_registry.store.registrations import read_registration
from certificate_registry.store.tables import binding, card, notice, request_outcome
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns

_INSERT = Statement(insert(notice).values(bind_columns("notice_id", "kind", "registration_id", "written_at")))

_FIND_UNSENT = Statement(
    select(notice.c.kind, notice.c.registration_id, request_outcome.c.request_id, card.c.serial, card.c.holder_name)
    .join(request_outcome, request_outcome.c.registration_id == notice.c.registration_id)
    .join(card, card.c.certificate_sha256 == request_outcome.c.certificate_sha256)
    .where(notice.c.notice_id == bindparam("notice_id"), notice.c.sent_at.is_(None))
)

_LIST_OTHER_CARDS = Statement(
    select(binding.c.certificate_sha256, binding.c.category)
    .where(
        binding.c.bidder_id == bindparam("bidder_id"),
        binding.c.ended_at.is_(None),
        binding.c.certificate_sha256 != bindparam("certificate_sha256"),
    )
    .order_by(binding.c.began_at, binding.c.certificate_sha256, binding.c.category)
    .limit(bindparam("most_cards"))
)

_MARK_SENT = Statement(
    update(notice).where(notice.c.notice_id == bindparam("notice_id")).values(bind_columns("sent_at"))
)

_DELETE_SENT = write_deletion(notice, notice.c.sent_at < bindparam("before"), oldest=notice.c.sent_at)


async def insert_notice(
    connection: Connection, notice_id: UUID, kind: NoticeKind, registration_id: UUID, now: datetime
) -> None:
    """Writes a notice about a registration."""
    await connection.change(
        _INSERT, notice_id=notice_id, kind=kind.value, registration_id=registration_id, written_at=now
    )


async def find_unsent_notice(connection: Connection, notice_id: UUID, *, most_cards: int) -> Notice | None:
    """Returns a notice with at most `most_cards` other cards of its bidder; None if it was sent."""
    row = await connection.fetch_row(_FIND_UNSENT, notice_id=notice_id)
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


async def mark_sent(connection: Connection, notice_id: UUID, now: datetime) -> None:
    """Records that contact-notification took a notice."""
    await connection.change(_MARK_SENT, notice_id=notice_id, sent_at=now)


async def delete_sent_notices(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` notices that were sent before this instant; returns how many."""
    return await connection.change(_DELETE_SENT, before=before, most=most)


async def _list_other_cards(
    connection: Connection, bidder_id: str, certificate_sha256: bytes, most_cards: int
) -> Sequence[CardKey]:
    rows = await connection.fetch_rows(
        _LIST_OTHER_CARDS, bidder_id=bidder_id, certificate_sha256=certificate_sha256, most_cards=most_cards
    )
    return [CardKey(*row) for row in rows]

"""Notices that wait to be sent, and what each is about."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, delete, select, text, update

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.notice import Notice, NoticeKind
from certificate_registry.store import registrations
from certificate_registry.store.tables import binding, card, notice, registration, request_outcome
from servicekit.database_connection import Connection
from servicekit.statements import Statement, bind_columns

_INSERT = Statement(
    text(
        """
        INSERT INTO notice (notice_id, kind, registration_id, written_at)
        SELECT notice_id, kind, CAST(:registration_id AS uuid), CAST(:now AS timestamptz)
        FROM unnest(CAST(:notice_ids AS uuid[]), CAST(:kinds AS text[])) AS written (notice_id, kind)
        """
    )
)

_OF_IDS = notice.c.notice_id == any_(bindparam("notice_ids", type_=ARRAY(Uuid)))

_LIST_UNSENT = Statement(
    select(
        notice.c.notice_id,
        notice.c.kind,
        request_outcome.c.request_id,
        card.c.serial,
        card.c.holder_name,
        *registrations.COLUMNS,
    )
    .join(request_outcome, request_outcome.c.registration_id == notice.c.registration_id)
    .join(registration, registrations.IS_MADE)
    .join(card, card.c.certificate_sha256 == request_outcome.c.certificate_sha256)
    .where(_OF_IDS, notice.c.sent_at.is_(None))
    .order_by(notice.c.notice_id)
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

_MARK_SENT = Statement(update(notice).where(_OF_IDS, notice.c.sent_at.is_(None)).values(bind_columns("sent_at")))

_DELETE_SENT = Statement(delete(notice).where(notice.c.sent_at < bindparam("before")))


async def insert_notices(
    connection: Connection, kinds: Mapping[UUID, NoticeKind], registration_id: UUID, now: datetime
) -> None:
    """Writes notices about a registration, by id."""
    await connection.change(
        _INSERT,
        notice_ids=list(kinds),
        kinds=[kind.value for kind in kinds.values()],
        registration_id=registration_id,
        now=now,
    )


async def list_unsent_notices(
    connection: Connection, notice_ids: Sequence[UUID], *, most_cards: int
) -> Sequence[Notice]:
    """Returns those of these notices that were not sent, each with at most `most_cards` other cards of its bidder."""
    unsent: list[Notice] = []
    for row in await connection.fetch_rows(_LIST_UNSENT, notice_ids=list(notice_ids)):
        kind = NoticeKind(row.kind)
        other_cards: Sequence[CardKey] = ()
        if kind is NoticeKind.REGISTRATION_NOTICE:
            other_cards = await _list_other_cards(connection, row.bidder_id, row.certificate_sha256, most_cards)
        told = registrations.read_row(row)
        unsent.append(Notice(row.notice_id, kind, told, row.request_id, row.serial, row.holder_name or "", other_cards))
    return unsent


async def mark_sent(connection: Connection, notice_ids: Sequence[UUID], now: datetime) -> None:
    """Records that contact-notification took notices."""
    await connection.change(_MARK_SENT, notice_ids=list(notice_ids), sent_at=now)


async def delete_sent_notices(connection: Connection, before: datetime) -> None:
    """Deletes notices that were sent before this instant."""
    await connection.change(_DELETE_SENT, before=before)


async def _list_other_cards(
    connection: Connection, bidder_id: str, certificate_sha256: bytes, most_cards: int
) -> Sequence[CardKey]:
    rows = await connection.fetch_rows(
        _LIST_OTHER_CARDS, bidder_id=bidder_id, certificate_sha256=certificate_sha256, most_cards=most_cards
    )
    return [CardKey(*row) for row in rows]

"""Notices that wait to be sent, and what each is about."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, insert, text, update

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.notice import (
    CardAct,
    Notice,
    NoticeKind,
    RegisteredCard,
    RenewedCard,
    ReversedRenewal,
    ToldCardAct,
    ToldReversal,
)
from certificate_registry.store.registrations import build_registration
from certificate_registry.store.tables import notice
from history.sealed_entry import SEAL_COLUMNS, SEAL_TABLES, read_sealed_entry, write_waiting
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns

_INSERT = Statement(
    insert(notice).values(
        **bind_columns(
            "notice_id",
            "kind",
            "registration_id",
            "certificate_sha256",
            "agency",
            "category",
            "bidder_id",
            "happened_at",
            "history_number",
            "written_at",
        )
    )
)

_LIST_UNSENT = Statement(
    text(
        f"""
        SELECT notice.notice_id, notice.kind, registration.registration_id, registration.agency, registration.category,
            registration.certificate_sha256, registration.bidder_id, registration.registered_at, registration.origin,
            outcome.request_id, card.serial, card.holder_name,
            registration.predecessor, old.serial AS old_serial, registration.stays_here, (
                SELECT json_agg(
                    json_build_array(encode(other.certificate_sha256, 'hex'), other.category)
                    ORDER BY other.began_at, other.certificate_sha256, other.category
                )
                FROM (
                    SELECT certificate_sha256, category, began_at FROM binding
                    WHERE notice.kind IN ('registration notice', 'renewal notice')
                        AND binding.bidder_id = registration.bidder_id
                        AND binding.ended_at IS NULL
                        AND binding.certificate_sha256 <> registration.certificate_sha256
                    ORDER BY began_at, certificate_sha256, category
                    LIMIT CAST(:most_cards AS integer)
                ) AS other
            ) AS other_cards,
            notice.certificate_sha256 AS act_certificate_sha256, notice.agency AS act_agency,
            notice.category AS act_category, notice.bidder_id AS act_bidder_id, notice.happened_at,
            {SEAL_COLUMNS}, {write_waiting("notice.written_at", "now()")} AS waits
        FROM notice
        LEFT JOIN request_outcome AS outcome ON outcome.registration_id = notice.registration_id
        LEFT JOIN registration ON registration.certificate_sha256 = outcome.certificate_sha256
            AND registration.category = outcome.category AND registration.agency = outcome.agency
            AND registration.registration_id = outcome.registration_id
        LEFT JOIN card ON card.certificate_sha256 = coalesce(outcome.certificate_sha256, notice.certificate_sha256)
        LEFT JOIN card AS old ON notice.kind IN ('renewal', 'renewal notice', 'registration reopened')
            AND old.certificate_sha256 = registration.predecessor
        JOIN history_entry AS entry ON entry.number = notice.history_number
        {SEAL_TABLES}
        WHERE notice.notice_id = ANY (CAST(:notice_ids AS uuid[])) AND notice.sent_at IS NULL
            AND (notice.registration_id IS NULL OR registration.registration_id IS NOT NULL)
        ORDER BY notice.notice_id
        """  # noqa: S608  # constants
    )
)

_MARK_SENT = Statement(
    update(notice)
    .where(notice.c.notice_id == any_(bindparam("notice_ids", type_=ARRAY(Uuid))), notice.c.sent_at.is_(None))
    .values(sent_at=func.now())
)

_DELETE_SENT = write_deletion(notice, notice.c.sent_at < bindparam("before"), oldest=notice.c.sent_at)


async def insert_notice(
    connection: Connection,
    notice_id: UUID,
    kind: NoticeKind,
    act: CardAct,
    *,
    registration_id: UUID | None = None,
    history_number: int,
    now: datetime,
) -> None:
    """Writes a notice of what an officer did to a card; `history_number` is the act's entry.

    `registration_id` is that of a contractor's registration, where the notice says of it, too.
    """
    await connection.change(
        _INSERT,
        notice_id=notice_id,
        kind=kind.value,
        registration_id=registration_id,
        history_number=history_number,
        written_at=now,
        **asdict(act),
    )


async def list_unsent_notices(
    connection: Connection, notice_ids: Sequence[UUID], *, most_cards: int
) -> Sequence[Notice]:
    """Returns those of these notices that were not sent, each with at most `most_cards` other cards of its bidder."""
    rows = await connection.fetch_rows(_LIST_UNSENT, notice_ids=list(notice_ids), most_cards=most_cards)
    return [_read_notice(row) for row in rows]


def _read_notice(row: Any) -> Notice:
    return Notice(row.notice_id, NoticeKind(row.kind), _read_subject(row), read_sealed_entry(row), row.waits)


def _read_subject(row: Any) -> RegisteredCard | RenewedCard | ToldCardAct | ToldReversal:
    if row.happened_at is None:
        others = [CardKey(bytes.fromhex(certificate), category) for certificate, category in row.other_cards or ()]
        new = RegisteredCard(build_registration(row), row.request_id, row.serial, row.holder_name or "", others)
        if row.old_serial is None:
            return new
        return RenewedCard(new, row.predecessor, row.old_serial, propagate=not row.stays_here)
    act = CardAct(row.act_certificate_sha256, row.act_agency, row.act_category, row.act_bidder_id, row.happened_at)
    if row.registration_id is not None:
        return ToldReversal(
            reversed=ReversedRenewal(row.registration_id, act),
            request_id=row.request_id,
            certificate_sha256=row.certificate_sha256,
            serial=row.serial,
            old_serial=row.old_serial,
            holder_name=row.holder_name or "",
            propagates=not row.stays_here,
        )
    return ToldCardAct(act, row.serial, row.holder_name or "")


async def mark_sent(connection: Connection, notice_ids: Sequence[UUID]) -> None:
    """Records that contact-notification has just taken notices."""
    await connection.change(_MARK_SENT, notice_ids=list(notice_ids))


async def delete_sent_notices(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` notices that were sent before this instant; returns how many."""
    return await connection.change(_DELETE_SENT, before=before, most=most)

"""Notices that wait to be sent, and what each is about."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, func, text, update

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.notice import Notice, NoticeKind
from certificate_registry.store.registrations import build_registration
from certificate_registry.store.tables import notice
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement

_INSERT = Statement(
    text(
        """
        INSERT INTO notice (notice_id, kind, registration_id, written_at)
        SELECT notice_id, kind, CAST(:registration_id AS uuid), CAST(:now AS timestamptz)
        FROM unnest(CAST(:notice_ids AS uuid[]), CAST(:kinds AS text[])) AS written (notice_id, kind)
        """
    )
)

_LIST_UNSENT = Statement(
    text(
        """
        SELECT notice.notice_id, notice.kind, registration.registration_id, registration.agency, registration.category,
            registration.certificate_sha256, registration.bidder_id, registration.registered_at, registration.origin,
            outcome.request_id, card.serial, card.holder_name, (
                SELECT json_agg(
                    json_build_array(encode(other.certificate_sha256, 'hex'), other.category)
                    ORDER BY other.began_at, other.certificate_sha256, other.category
                )
                FROM (
                    SELECT certificate_sha256, category, began_at FROM binding
                    WHERE notice.kind = 'registration notice' AND binding.bidder_id = registration.bidder_id
                        AND binding.ended_at IS NULL
                        AND binding.certificate_sha256 <> registration.certificate_sha256
                    ORDER BY began_at, certificate_sha256, category
                    LIMIT CAST(:most_cards AS integer)
                ) AS other
            ) AS other_cards
        FROM notice
        JOIN request_outcome AS outcome ON outcome.registration_id = notice.registration_id
        JOIN registration ON registration.certificate_sha256 = outcome.certificate_sha256
            AND registration.category = outcome.category AND registration.agency = outcome.agency
            AND registration.registration_id = outcome.registration_id
        JOIN card ON card.certificate_sha256 = outcome.certificate_sha256
        WHERE notice.notice_id = ANY (CAST(:notice_ids AS uuid[])) AND notice.sent_at IS NULL
        ORDER BY notice.notice_id
        """
    )
)

_MARK_SENT = Statement(
    update(notice)
    .where(notice.c.notice_id == any_(bindparam("notice_ids", type_=ARRAY(Uuid))), notice.c.sent_at.is_(None))
    .values(sent_at=func.now())
)

_DELETE_SENT = write_deletion(notice, notice.c.sent_at < bindparam("before"), oldest=notice.c.sent_at)


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
    rows = await connection.fetch_rows(_LIST_UNSENT, notice_ids=list(notice_ids), most_cards=most_cards)
    return [
        Notice(
            row.notice_id,
            NoticeKind(row.kind),
            build_registration(row),
            row.request_id,
            row.serial,
            row.holder_name or "",
            [CardKey(bytes.fromhex(certificate), category) for certificate, category in row.other_cards or ()],
        )
        for row in rows
    ]


async def mark_sent(connection: Connection, notice_ids: Sequence[UUID]) -> None:
    """Records that contact-notification has just taken notices."""
    await connection.change(_MARK_SENT, notice_ids=list(notice_ids))


async def delete_sent_notices(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` notices that were sent before this instant; returns how many."""
    return await connection.change(_DELETE_SENT, before=before, most=most)

"""What officers are told by mail, until it is handed over."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.invitation import CODE_LIFETIME
from certificate_registry.domain.officer import EXPIRY_NOTICES
from certificate_registry.domain.officer_notice import OfficerNotice, OfficerNoticeKind
from certificate_registry.store.tables import officer_notice
from servicekit.database_clock import write_interval
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns

_SAVE_INVITATION = Statement(
    insert(officer_notice).values(bind_columns("notice_id", "invitation_id", "sealed_code", "written_at"))
)

# Only the nearest of the days counts, and only for the certificate of a person that is good for longest.
_WRITE_EXPIRING = Statement(
    text(
        f"""
        WITH due AS (
            SELECT expiring.certificate_sha256, min(notice.days) AS days
            FROM officer_certificate AS expiring JOIN officer_person AS person USING (person_id)
            JOIN unnest(ARRAY[{", ".join(map(str, EXPIRY_NOTICES))}]) AS notice(days)
                ON expiring.valid_until <= CAST(:now AS timestamptz) + notice.days * interval '1 day'
            WHERE NOT expiring.is_withdrawn AND expiring.valid_until > CAST(:now AS timestamptz)
                AND expiring.valid_until <= CAST(:now AS timestamptz) + interval '{max(EXPIRY_NOTICES)} days'
                AND person.mail_address <> '' AND NOT EXISTS (
                    SELECT FROM officer_certificate AS other
                    WHERE other.person_id = expiring.person_id AND NOT other.is_withdrawn
                        AND other.valid_until > expiring.valid_until
                )
            GROUP BY expiring.certificate_sha256
        )
        INSERT INTO officer_notice (notice_id, certificate_sha256, days, written_at)
        SELECT gen_random_uuid(), certificate_sha256, days, CAST(:now AS timestamptz) FROM due
        ON CONFLICT DO NOTHING
        RETURNING notice_id
        """  # noqa: S608  # constants
    )
)

# A code is not sent for an invitation that was closed or accepted meanwhile.
_LIST_UNSENT = Statement(
    text(
        f"""
        SELECT notice.notice_id, invitation.agency, invitation.person_id, invitation.name, invitation.mail_address,
            invitation.invited_at + {write_interval(CODE_LIFETIME)} AS valid_until, notice.sealed_code
        FROM officer_notice AS notice JOIN officer_invitation AS invitation USING (invitation_id)
        WHERE notice.notice_id = ANY (CAST(:notice_ids AS uuid[])) AND notice.sent_at IS NULL
            AND invitation.closed_at IS NULL AND invitation.accepted_at IS NULL
        UNION ALL
        SELECT notice.notice_id, officer.agency, officer.person_id, person.name, person.mail_address,
            expiring.valid_until, NULL
        FROM officer_notice AS notice JOIN officer_certificate AS expiring USING (certificate_sha256)
        JOIN officer ON officer.person_id = expiring.person_id
        JOIN officer_person AS person ON person.person_id = expiring.person_id
        WHERE notice.notice_id = ANY (CAST(:notice_ids AS uuid[])) AND notice.sent_at IS NULL
            AND NOT expiring.is_withdrawn AND person.mail_address <> ''
        """  # noqa: S608  # constants
    )
)

_MARK_SENT = Statement(
    text(
        """
        UPDATE officer_notice SET sent_at = now(), sealed_code = NULL
        WHERE notice_id = ANY (CAST(:notice_ids AS uuid[])) AND sent_at IS NULL
        """
    )
)

_DELETE = write_deletion(
    officer_notice, officer_notice.c.written_at < bindparam("before"), oldest=officer_notice.c.written_at
)


async def save_invitation_notice(
    connection: Connection, *, notice_id: UUID, invitation_id: UUID, sealed_code: bytes, now: datetime
) -> None:
    """Writes that a code is to be mailed."""
    await connection.change(
        _SAVE_INVITATION, notice_id=notice_id, invitation_id=invitation_id, sealed_code=sealed_code, written_at=now
    )


async def write_expiring(connection: Connection, now: datetime) -> Sequence[UUID]:
    """Writes the notices of certificates that expire soon, each once; returns the ids of the new ones."""
    return await connection.fetch_values(_WRITE_EXPIRING, now=now)


async def list_unsent(connection: Connection, notice_ids: Sequence[UUID]) -> Sequence[OfficerNotice]:
    """Returns those of these notices that are still to be sent."""
    return [
        OfficerNotice(
            notice_id=row.notice_id,
            kind=OfficerNoticeKind.INVITATION if row.sealed_code else OfficerNoticeKind.CERTIFICATE_EXPIRING,
            agency=row.agency,
            person_id=row.person_id,
            name=row.name,
            mail_address=row.mail_address,
            valid_until=row.valid_until,
            sealed_code=row.sealed_code or b"",
        )
        for row in await connection.fetch_rows(_LIST_UNSENT, notice_ids=list(notice_ids))
    ]


async def mark_sent(connection: Connection, notice_ids: Sequence[UUID]) -> None:
    """Records that notices are done with, and deletes their sealed codes."""
    await connection.change(_MARK_SENT, notice_ids=list(notice_ids))


async def delete_notices(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` notices that were written before this instant; returns how many."""
    return await connection.change(_DELETE, before=before, most=most)

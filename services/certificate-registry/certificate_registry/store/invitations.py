"""Invitations of officers, and the tries of their codes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.invitation import AcceptedCertificate, ClosedAs, Invitation
from certificate_registry.store.tables import officer_code_tries, officer_invitation
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns

MOST_LISTED = 1_000

_SAVE = Statement(
    insert(officer_invitation)
    .values(
        bind_columns(
            *("invitation_id", "person_id", "agency", "name", "mail_address", "is_further"),
            *("code_hash", "invited_by", "invited_at"),
        )
    )
    .on_conflict_do_nothing()
)

_COLUMNS = """
    SELECT invitation_id, person_id, agency, name, mail_address, is_further, code_hash, invited_by, invited_at,
        certificate, certificate_sha256, accepted_at, accepted_by, closed_as
    FROM officer_invitation
"""
_FIND = Statement(text(f"{_COLUMNS} WHERE invitation_id = :invitation_id"))
_LOCK = Statement(text(f"{_COLUMNS} WHERE invitation_id = :invitation_id FOR UPDATE"))
# The one that stands; that of another agency too, since a person is unique in the instance.
_LOCK_STANDING = Statement(text(f"{_COLUMNS} WHERE person_id = :person_id AND closed_at IS NULL FOR UPDATE"))
_FIND_NEWEST = Statement(
    text(f"{_COLUMNS} WHERE person_id = :person_id AND agency = :agency ORDER BY invited_at DESC LIMIT 1")
)
_LIST = Statement(
    text(f"{_COLUMNS} WHERE agency = :agency AND closed_at IS NULL ORDER BY invited_at DESC, invitation_id LIMIT :most")
)

_ACCEPT = Statement(
    text(
        """
        UPDATE officer_invitation SET certificate = :certificate, certificate_sha256 = :certificate_sha256,
            accepted_at = :accepted_at, accepted_by = :request_id
        WHERE invitation_id = :invitation_id
        """
    )
)
_CLOSE = Statement(
    text(
        """
        UPDATE officer_invitation SET closed_at = :now, closed_as = :closed_as
        WHERE invitation_id = :invitation_id
        """
    )
)

# Counts before the code is looked at, so that of many tries at a time none is free.
_COUNT_TRY = Statement(
    text(
        """
        INSERT INTO officer_code_tries AS known (subject, began_at, tries)
        VALUES (:subject, CAST(:now AS timestamptz), 1)
        ON CONFLICT (subject) DO UPDATE SET
            began_at = CASE WHEN known.began_at < CAST(:since AS timestamptz) THEN excluded.began_at
                ELSE known.began_at END,
            tries = CASE WHEN known.began_at < CAST(:since AS timestamptz) THEN 1 ELSE known.tries + 1 END
        RETURNING tries
        """
    )
)

_DELETE = write_deletion(
    officer_invitation, officer_invitation.c.invited_at < bindparam("before"), oldest=officer_invitation.c.invited_at
)
_DELETE_TRIES = write_deletion(
    officer_code_tries, officer_code_tries.c.began_at < bindparam("before"), oldest=officer_code_tries.c.began_at
)


async def save_invitation(connection: Connection, invitation: Invitation) -> bool:
    """Writes a new invitation; returns False, and writes nothing, where one of this person stands."""
    return (
        await connection.change(
            _SAVE,
            invitation_id=invitation.invitation_id,
            person_id=invitation.person_id,
            agency=invitation.agency,
            name=invitation.name,
            mail_address=invitation.mail_address,
            is_further=invitation.is_further,
            code_hash=invitation.code_hash,
            invited_by=invitation.invited_by,
            invited_at=invitation.invited_at,
        )
        == 1
    )


async def find_invitation(connection: Connection, invitation_id: UUID) -> Invitation | None:
    """Returns an invitation by its id."""
    return _read(await connection.fetch_row(_FIND, invitation_id=invitation_id))


async def lock_invitation(connection: Connection, invitation_id: UUID) -> Invitation | None:
    """Returns an invitation that nobody else changes until the transaction ends."""
    return _read(await connection.fetch_row(_LOCK, invitation_id=invitation_id))


async def lock_standing(connection: Connection, person_id: str) -> Invitation | None:
    """Returns the invitation of a person that is not closed, of any agency; nobody else changes it."""
    return _read(await connection.fetch_row(_LOCK_STANDING, person_id=person_id))


async def find_newest(connection: Connection, agency: str, person_id: str) -> Invitation | None:
    """Returns the newest invitation of a person by an agency, whatever became of it."""
    return _read(await connection.fetch_row(_FIND_NEWEST, agency=agency, person_id=person_id))


async def list_invitations(connection: Connection, agency: str) -> Sequence[Invitation]:
    """Returns the newest `MOST_LISTED` invitations of an agency that are not closed, the newest first."""
    rows = await connection.fetch_rows(_LIST, agency=agency, most=MOST_LISTED)
    return [_build(row) for row in rows]


async def save_acceptance(connection: Connection, invitation_id: UUID, accepted: AcceptedCertificate) -> None:
    """Writes with which certificate an invitation was accepted."""
    await connection.change(
        _ACCEPT,
        invitation_id=invitation_id,
        certificate=accepted.certificate,
        certificate_sha256=accepted.certificate_sha256,
        accepted_at=accepted.accepted_at,
        request_id=accepted.request_id,
    )


async def close_invitation(connection: Connection, invitation_id: UUID, closed_as: ClosedAs, now: datetime) -> None:
    """Writes how an invitation ended."""
    await connection.change(_CLOSE, invitation_id=invitation_id, closed_as=closed_as.value, now=now)


async def count_try(connection: Connection, subject: str, count_for: timedelta, now: datetime) -> int:
    """Counts a try of a code; returns how many there were, with this one, since the first of the last `count_for`."""
    tries: int = await connection.fetch_value(_COUNT_TRY, subject=subject, since=now - count_for, now=now)
    return tries


async def delete_invitations(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` invitations that were written before this instant; returns how many."""
    return await connection.change(_DELETE, before=before, most=most)


async def delete_tries(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` counts that began before this instant; returns how many."""
    return await connection.change(_DELETE_TRIES, before=before, most=most)


def _read(row: Any) -> Invitation | None:
    return None if row is None else _build(row)


def _build(row: Any) -> Invitation:
    accepted = None
    if row.accepted_at is not None:
        accepted = AcceptedCertificate(row.certificate, row.certificate_sha256, row.accepted_at, row.accepted_by)
    return Invitation(
        invitation_id=row.invitation_id,
        person_id=row.person_id,
        agency=row.agency,
        name=row.name,
        mail_address=row.mail_address,
        is_further=row.is_further,
        code_hash=row.code_hash,
        invited_by=row.invited_by,
        invited_at=row.invited_at,
        accepted=accepted,
        closed_as=None if row.closed_as is None else ClosedAs(row.closed_as),
    )

"""Officers: certificate-registry's own record, beside what every service knows of them (`officers.tables`)."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from certificate_registry.domain.officer import CertificateOfOfficer, Officer, OfficerRole
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from servicekit.versions import Version

_OFFICERS = """
    SELECT officer.person_id, officer.agency, officer.roles, officer.version_epoch, officer.version_number,
        person.name, person.mail_address, person.confirmed_at, person.withdrawn_at,
        coalesce(good.certificates, '{}') AS certificates, coalesce(good.hashes, '{}') AS hashes,
        coalesce(good.valid_until, '{}') AS valid_until
    FROM officer JOIN officer_person AS person USING (person_id)
    LEFT JOIN LATERAL (
        SELECT array_agg(certificate ORDER BY valid_until DESC, certificate_sha256) AS certificates,
            array_agg(certificate_sha256 ORDER BY valid_until DESC, certificate_sha256) AS hashes,
            array_agg(valid_until ORDER BY valid_until DESC, certificate_sha256) AS valid_until
        FROM officer_certificate
        WHERE officer_certificate.person_id = officer.person_id AND NOT is_withdrawn
    ) AS good ON true
"""

_READ = Statement(text(f"{_OFFICERS} WHERE officer.person_id = ANY (CAST(:person_ids AS text[]))"))

_LIST = Statement(
    text(
        f"""
        {_OFFICERS}
        WHERE officer.agency = :agency AND officer.person_id > :after
            AND (CAST(:withdrawn AS boolean) OR person.withdrawn_at IS NULL)
        ORDER BY officer.person_id LIMIT :most
        """
    )
)

# Changes of officers wait for each other, so that two withdrawals can't leave nobody; who only reads does not wait.
_LOCK = Statement(text("LOCK TABLE officer_person IN SHARE ROW EXCLUSIVE MODE"))

_LOCK_ROW = Statement(text("SELECT FROM officer WHERE person_id = :person_id FOR NO KEY UPDATE"))

_ADMINISTRATORS = Statement(
    text(
        """
        SELECT DISTINCT agency, person_id FROM officer JOIN officer_certificate USING (person_id)
        WHERE 'administrator' = ANY (roles) AND NOT is_withdrawn AND valid_until >= CAST(:now AS timestamptz)
        """
    )
)

_FIND_HOLDER = Statement(
    text("SELECT person_id, is_withdrawn FROM officer_certificate WHERE certificate_sha256 = :certificate_sha256")
)

_SAVE_OFFICER = Statement(
    text(
        """
        INSERT INTO officer AS known (person_id, agency, roles, version_epoch, version_number)
        SELECT :person_id, :agency, '{}', epoch, 1 FROM epoch
        ON CONFLICT (person_id) DO UPDATE SET version_epoch = excluded.version_epoch,
            version_number = known.version_number + 1
        """
    )
)
# A mail address stays where a further certificate came by letter.
_SAVE_PERSON = Statement(
    text(
        """
        INSERT INTO officer_person AS known (person_id, name, mail_address, confirmed_at)
        VALUES (:person_id, :name, :mail_address, :now)
        ON CONFLICT (person_id) DO UPDATE SET name = excluded.name, withdrawn_at = NULL,
            mail_address = coalesce(nullif(excluded.mail_address, ''), known.mail_address)
        """
    )
)
_SAVE_CERTIFICATE = Statement(
    text(
        """
        INSERT INTO officer_certificate (certificate_sha256, person_id, certificate, valid_until)
        VALUES (:certificate_sha256, :person_id, :certificate, :valid_until)
        ON CONFLICT (certificate_sha256) DO UPDATE SET is_withdrawn = false
        """
    )
)

_CHANGE_ROLES = Statement(
    text(
        """
        UPDATE officer SET roles = CAST(:roles AS text[]), version_epoch = epoch.epoch,
            version_number = version_number + 1
        FROM epoch WHERE person_id = :person_id
        """
    )
)

_WITHDRAW = Statement(
    text(
        """
        WITH numbered AS (
            UPDATE officer SET roles = '{}', version_epoch = epoch.epoch, version_number = version_number + 1
            FROM epoch WHERE person_id = ANY (CAST(:person_ids AS text[]))
        ), without_certificates AS (
            UPDATE officer_certificate SET is_withdrawn = true
            WHERE person_id = ANY (CAST(:person_ids AS text[])) AND NOT is_withdrawn
        ), without_sessions AS (
            UPDATE officer_session SET ended_at = CAST(:now AS timestamptz)
            WHERE person_id = ANY (CAST(:person_ids AS text[])) AND ended_at IS NULL
        ), without_invitations AS (
            UPDATE officer_invitation SET closed_at = CAST(:now AS timestamptz), closed_as = 'withdrawn'
            WHERE person_id = ANY (CAST(:person_ids AS text[])) AND closed_at IS NULL
        )
        UPDATE officer_person SET withdrawn_at = CAST(:now AS timestamptz)
        WHERE person_id = ANY (CAST(:person_ids AS text[]))
        """
    )
)

_ERASE_NAMES = Statement(
    text(
        """
        WITH old AS MATERIALIZED (
            SELECT person_id FROM officer_person
            WHERE withdrawn_at < CAST(:before AS timestamptz) AND name <> ''
            ORDER BY withdrawn_at LIMIT :most FOR UPDATE SKIP LOCKED
        )
        UPDATE officer_person SET name = '', mail_address = '' FROM old WHERE officer_person.person_id = old.person_id
        """
    )
)

# The epoch under which a consumer was last told of all officers; only where it is another one, a row is written.
_ADOPT_EPOCH = Statement(
    text(
        """
        INSERT INTO officers_told AS known (consumer, epoch) SELECT :consumer, epoch FROM epoch
        ON CONFLICT (consumer) DO UPDATE SET epoch = excluded.epoch WHERE known.epoch <> excluded.epoch
        """
    )
)
_LIST_PERSON_IDS = Statement(text("SELECT person_id FROM officer ORDER BY person_id"))
# An owner wins over what others held beyond, so all are numbered anew under the epoch.
_RAISE_VERSIONS = Statement(
    text("UPDATE officer SET version_epoch = epoch.epoch FROM epoch WHERE version_epoch < epoch.epoch")
)


async def lock_changes(connection: Connection) -> None:
    """Has other changes of officers wait until the transaction ends; the first statement of one, before its act."""
    await connection.change(_LOCK)


async def lock_officer(connection: Connection, person_id: str) -> Officer | None:
    """Returns an officer, withdrawn or not, whom nobody else changes until the transaction ends."""
    await connection.change(_LOCK_ROW, person_id=person_id)
    return await find_officer(connection, person_id)


async def find_officer(connection: Connection, person_id: str) -> Officer | None:
    """Returns an officer, withdrawn or not."""
    officers = await read_officers(connection, [person_id])
    return officers[0] if officers else None


async def read_officers(connection: Connection, person_ids: Collection[str]) -> Sequence[Officer]:
    """Returns those of these persons who are or were officers, in no order."""
    return [_read(row) for row in await connection.fetch_rows(_READ, person_ids=list(person_ids))]


async def list_officers(
    connection: Connection, agency: str, *, after: str, most: int, withdrawn: bool
) -> Sequence[Officer]:
    """Returns officers of an agency by person id, from the one after `after`."""
    rows = await connection.fetch_rows(_LIST, agency=agency, after=after, most=most, withdrawn=withdrawn)
    return [_read(row) for row in rows]


async def list_administrators(connection: Connection, now: datetime) -> Collection[tuple[str, str]]:
    """Returns agency and person of every administrator who has a certificate that is good now."""
    return [(row.agency, row.person_id) for row in await connection.fetch_rows(_ADMINISTRATORS, now=now)]


async def find_holder(connection: Connection, certificate_sha256: bytes) -> tuple[str, bool] | None:
    """Returns the person whose certificate it is or was, and whether it was withdrawn."""
    row = await connection.fetch_row(_FIND_HOLDER, certificate_sha256=certificate_sha256)
    return None if row is None else (row.person_id, row.is_withdrawn)


async def save_officer(
    connection: Connection,
    *,
    person_id: str,
    agency: str,
    name: str,
    mail_address: str,
    certificate: CertificateOfOfficer,
    now: datetime,
) -> None:
    """Writes a person with a further certificate, or makes it an officer by its first one; raises its version."""
    await connection.change(_SAVE_OFFICER, person_id=person_id, agency=agency)
    await connection.change(_SAVE_PERSON, person_id=person_id, name=name, mail_address=mail_address, now=now)
    await connection.change(
        _SAVE_CERTIFICATE,
        certificate_sha256=certificate.certificate_sha256,
        person_id=person_id,
        certificate=certificate.certificate,
        valid_until=certificate.valid_until,
    )


async def change_roles(connection: Connection, person_id: str, roles: Collection[OfficerRole]) -> None:
    """Writes the roles that an officer has from now on; raises its version."""
    await connection.change(_CHANGE_ROLES, person_id=person_id, roles=sorted(roles))


async def withdraw_officers(connection: Connection, person_ids: Sequence[str], now: datetime) -> None:
    """Withdraws officers with their roles, certificates, sessions and invitations; raises their versions."""
    await connection.change(_WITHDRAW, person_ids=list(person_ids), now=now)


async def erase_names(connection: Connection, *, before: datetime, most: int) -> int:
    """Erases name and address of at most `most` officers who were withdrawn before this instant; returns how many."""
    return await connection.change(_ERASE_NAMES, before=before, most=most)


async def adopt_epoch(connection: Connection, consumer: str) -> bool:
    """Returns whether a consumer has to be told of all officers: it never was, or the epoch has changed since."""
    return await connection.change(_ADOPT_EPOCH, consumer=consumer) == 1


async def list_person_ids(connection: Connection) -> Sequence[str]:
    """Returns everybody who is or was an officer, each with a version of the epoch of now."""
    await connection.change(_RAISE_VERSIONS)
    return await connection.fetch_values(_LIST_PERSON_IDS)


def _read(row: Any) -> Officer:
    return Officer(
        person_id=row.person_id,
        agency=row.agency,
        name=row.name,
        mail_address=row.mail_address,
        roles=frozenset(map(OfficerRole, row.roles)),
        certificates=[
            CertificateOfOfficer(*each) for each in zip(row.certificates, row.hashes, row.valid_until, strict=True)
        ],
        confirmed_at=row.confirmed_at,
        withdrawn_at=row.withdrawn_at,
        version=Version(row.version_epoch, row.version_number),
    )

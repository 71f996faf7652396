"""The officers that a service knows: as certificate-registry reports them, and as every call looks them up."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import text

from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.officers import Officer
from servicekit.statements import Statement
from servicekit.versions import Version

# A person's id, unique in the instance.
PERSON_ID = re.compile("[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class OfficerCertificate:
    """A certificate (DER) that is good for an officer, and when it expires."""

    certificate: bytes = field(repr=False)
    valid_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerState:
    """All that a service knows of an officer; no roles and no certificates after a withdrawal."""

    person_id: str
    agency: str
    roles: frozenset[str]
    certificates: Sequence[OfficerCertificate]
    version: Version


# The certificates that a call reports, as lists for any number of them.
_GOOD = """
    unnest(
        CAST(:hashes AS bytea[]), CAST(:person_ids AS text[]), CAST(:certificates AS bytea[]),
        CAST(:valid_until AS timestamptz[])
    ) AS good (certificate_sha256, person_id, certificate, valid_until)
"""
# Waits for acts of the officers that are being carried out. Rows are locked in one order, so that two calls can't wait
# for each other.
_RECORD = Statement(
    text(
        """
        INSERT INTO officer AS known (person_id, agency, roles, version_epoch, version_number)
        SELECT person_id, agency, roles, epoch, number
        FROM json_to_recordset(CAST(:officers AS json)) AS reported (
            person_id text, agency text, roles text[], epoch bigint, number bigint
        )
        ORDER BY person_id COLLATE "C"
        ON CONFLICT (person_id) DO UPDATE SET agency = excluded.agency, roles = excluded.roles,
            version_epoch = excluded.version_epoch, version_number = excluded.version_number
        WHERE (known.version_epoch, known.version_number) < (excluded.version_epoch, excluded.version_number)
        RETURNING person_id
        """
    )
)
_WITHDRAW_CERTIFICATES = Statement(
    text(
        """
        UPDATE officer_certificate SET is_withdrawn = true
        WHERE person_id = ANY (CAST(:recorded AS text[])) AND NOT is_withdrawn
            AND (certificate_sha256, person_id) NOT IN (
                SELECT certificate_sha256, person_id
                FROM unnest(CAST(:hashes AS bytea[]), CAST(:person_ids AS text[]))
                    AS good (certificate_sha256, person_id)
            )
        """
    )
)
# A certificate that is somebody's stays so.
_ADD_CERTIFICATES = Statement(
    text(
        f"""
        INSERT INTO officer_certificate (certificate_sha256, person_id, certificate, valid_until)
        SELECT certificate_sha256, person_id, certificate, valid_until FROM {_GOOD}
        ORDER BY certificate_sha256, person_id COLLATE "C"
        ON CONFLICT DO NOTHING
        """  # noqa: S608  # constants
    )
)
_RENEW_CERTIFICATES = Statement(
    text(
        f"""
        UPDATE officer_certificate AS known SET valid_until = good.valid_until, is_withdrawn = false FROM {_GOOD}
        WHERE known.certificate_sha256 = good.certificate_sha256 AND known.person_id = good.person_id
            AND (known.is_withdrawn OR known.valid_until <> good.valid_until)
        """  # noqa: S608  # constants
    )
)
_FIND = Statement(
    text(
        """
        SELECT person_id, agency, roles, certificate, valid_until, is_withdrawn
        FROM officer_certificate JOIN officer USING (person_id)
        WHERE certificate_sha256 = :certificate_sha256
        """
    )
)
# A statement of its own: only the next one sees what the wait was for.
_LOCK = Statement(text("SELECT 1 FROM officer WHERE person_id = :person_id FOR SHARE"))


class StoredOfficers:
    """The officers in a service's database, for its server (`servicekit.officers.OfficerDirectory`)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_officer(self, certificate_sha256: bytes) -> Officer | None:
        """Returns whose certificate it is, withdrawn or not; None where nobody's."""
        async with self._database.read() as connection:
            return await find_officer(connection, certificate_sha256)


async def record_officers(connection: Connection, states: Iterable[OfficerState]) -> None:
    """Records officers, by as many statements for any number; drops versions that are not higher than the stored one.

    Of two states of one person the one with the higher version counts.
    """
    newest: dict[str, OfficerState] = {}
    for state in states:
        if state.person_id not in newest or newest[state.person_id].version < state.version:
            newest[state.person_id] = state
    reported = [_describe(state) for state in newest.values()]
    recorded = await connection.fetch_values(_RECORD, officers=json.dumps(reported, ensure_ascii=False))
    good = {
        (sha256(given.certificate).digest(), person_id): given
        for person_id in recorded
        for given in newest[person_id].certificates
    }
    keys = {
        "hashes": [certificate_sha256 for certificate_sha256, _ in good],
        "person_ids": [person for _, person in good],
    }
    values = {
        "certificates": [given.certificate for given in good.values()],
        "valid_until": [given.valid_until for given in good.values()],
    }
    await connection.change(_WITHDRAW_CERTIFICATES, recorded=recorded, **keys)
    await connection.change(_ADD_CERTIFICATES, **keys, **values)
    await connection.change(_RENEW_CERTIFICATES, **keys, **values)


async def find_officer(connection: Connection, certificate_sha256: bytes) -> Officer | None:
    """Returns whose certificate it is, withdrawn or not; None where nobody's."""
    row = await connection.fetch_row(_FIND, certificate_sha256=certificate_sha256)
    if row is None:
        return None
    return Officer(
        person_id=row.person_id,
        agency=row.agency,
        roles=frozenset(row.roles),
        certificate=row.certificate,
        valid_until=row.valid_until,
        is_withdrawn=row.is_withdrawn,
    )


async def lock_officer(connection: Connection, person_id: str, certificate_sha256: bytes) -> Officer | None:
    """Returns the person with this certificate; both stay as they are until the end of the transaction."""
    await connection.fetch_value(_LOCK, person_id=person_id)
    officer = await find_officer(connection, certificate_sha256)
    return officer if officer is not None and officer.person_id == person_id else None


def _describe(state: OfficerState) -> dict[str, Any]:
    return {
        "person_id": state.person_id,
        "agency": state.agency,
        "roles": sorted(state.roles),
        "epoch": state.version.epoch,
        "number": state.version.number,
    }

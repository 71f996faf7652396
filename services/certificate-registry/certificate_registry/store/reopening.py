"""Renewals that officers take back. Whoever does has the rows of both cards locked."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from certificate_registry.domain.binding import BindingState, RegistrationState
from certificate_registry.domain.registration import Origin
from certificate_registry.domain.reopening import REOPENED, NewRegistration, Replacement
from certificate_registry.domain.suspension import DecidedCard
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.statements import Statement

_STANDING = f"('{RegistrationState.GOOD.value}', '{RegistrationState.SUSPENDED.value}')"

# Of several registrations that the new card had there after this one, the newest counts.
_LIST = Statement(
    text(
        f"""
        SELECT old.agency, old.registration_id, new.registration_id AS new_id, new.state, new.origin, new.stays_here
        FROM registration AS old
        LEFT JOIN LATERAL (
            SELECT registration_id, state, origin, stays_here FROM registration
            WHERE certificate_sha256 = old.replaced_by AND category = old.category AND agency = old.agency
                AND predecessor = old.certificate_sha256 AND origin <> '{Origin.CONTRACTOR.value}'
            ORDER BY binding_number DESC LIMIT 1
        ) AS new ON true
        WHERE old.certificate_sha256 = :certificate_sha256 AND old.category = :category
            AND old.binding_number = :number AND old.replaced_by = :replaced_by
        ORDER BY old.agency COLLATE "C"
        """  # noqa: S608  # constants
    )
)

_REOPEN = Statement(
    text(
        f"""
        WITH bound AS (
            UPDATE binding SET ended_at = NULL, ended_as = NULL, ended_because = NULL
            WHERE certificate_sha256 = :certificate_sha256 AND category = :category AND number = :number
                AND ended_as = '{BindingState.CLOSED.value}'
        ), registered AS (
            UPDATE registration SET state = '{RegistrationState.GOOD.value}', reason = NULL, replaced_by = NULL
            WHERE certificate_sha256 = :certificate_sha256 AND category = :category AND binding_number = :number
                AND agency = ANY (CAST(:agencies AS text[])) AND replaced_by = :replaced_by
        )
        UPDATE card_state SET version_epoch = epoch.epoch, version_number = version_number + 1
        FROM epoch
        WHERE certificate_sha256 = ANY (ARRAY[:certificate_sha256, :replaced_by]) AND category = :category
        """  # noqa: S608  # constants
    )
)

_HAS_FURTHER = Statement(
    text(
        f"""
        SELECT EXISTS (
            SELECT FROM registration
            WHERE certificate_sha256 = :certificate_sha256 AND category = :category AND binding_number = :number
                AND state IN {_STANDING} AND registration_id <> ALL (CAST(:ids AS uuid[]))
        ) AS has_further
        """  # noqa: S608  # constants
    )
)

# Its registrations, and the suspensions at their agencies, end by the binding's trigger.
_RELEASE = Statement(
    text(
        f"""
        UPDATE binding SET ended_at = :now, ended_as = '{BindingState.RELEASED.value}', ended_because = '{REOPENED}'
        WHERE certificate_sha256 = :certificate_sha256 AND category = :category AND ended_at IS NULL
        """  # noqa: S608  # constants
    )
)

# Their place is free for new ones of the binding, which goes on.
_SET_ASIDE = Statement(
    text(
        f"""
        WITH resumed AS (
            DELETE FROM card_suspension
            WHERE certificate_sha256 = :certificate_sha256 AND category = :category
                AND agency = ANY (CAST(:agencies AS text[])) AND agency <> '{OPERATOR}'
        )
        UPDATE registration SET state = '{RegistrationState.ENDED.value}', reason = '{REOPENED}', binding_number = (
            SELECT least(min(other.binding_number), 0) - 1 FROM registration AS other
            WHERE other.certificate_sha256 = registration.certificate_sha256
                AND other.category = registration.category AND other.agency = registration.agency
        )
        WHERE certificate_sha256 = :certificate_sha256 AND category = :category AND binding_number = :number
            AND registration_id = ANY (CAST(:ids AS uuid[]))
        """  # noqa: S608  # constants
    )
)


async def list_replaced(connection: Connection, card: DecidedCard, replaced_by: bytes) -> Sequence[Replacement]:
    """Returns the registrations of a card's newest binding that one other card replaced, by agency."""
    rows = await connection.fetch_rows(_LIST, **card.key._asdict(), number=card.binding_number, replaced_by=replaced_by)
    return [
        Replacement(
            agency=row.agency,
            registration_id=row.registration_id,
            new=None
            if row.new_id is None
            else NewRegistration(
                registration_id=row.new_id,
                state=RegistrationState(row.state),
                origin=Origin(row.origin),
                stays_here=row.stays_here,
            ),
        )
        for row in rows
    ]


async def reopen(
    connection: Connection, card: DecidedCard, replaced_by: bytes, reopened: Sequence[Replacement]
) -> None:
    """Makes a card's registrations good again, and its binding live; gives the states of both cards the next number."""
    await connection.change(
        _REOPEN,
        **card.key._asdict(),
        number=card.binding_number,
        replaced_by=replaced_by,
        agencies=[one.agency for one in reopened],
    )


async def end_registrations(
    connection: Connection, card: DecidedCard, ended: Sequence[Replacement], now: datetime
) -> bool:
    """Ends those registrations of the new card that a renewal made; returns whether its binding goes on.

    Where nothing of it is left, it ends as released.
    """
    ids: list[UUID] = [one.new.registration_id for one in ended if one.new is not None]
    row = await connection.fetch_row(_HAS_FURTHER, **card.key._asdict(), number=card.binding_number, ids=ids)
    if not row.has_further:
        await connection.change(_RELEASE, **card.key._asdict(), now=now)
        return False
    await connection.change(
        _SET_ASIDE,
        **card.key._asdict(),
        number=card.binding_number,
        ids=ids,
        agencies=[one.agency for one in ended],
    )
    return True

"""Suspensions by officers, and the end of a binding. Whoever decides about a card has its row locked."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from certificate_registry.domain.binding import BindingState, RegistrationState
from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.registration import Origin
from certificate_registry.domain.suspension import DecidedCard, StateReason, Suspension
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.statements import Statement
from servicekit.versions import Version

# Always in one order, so that two that write about the same cards can't deadlock.
_LOCK = Statement(
    text(
        """
        SELECT FROM card WHERE certificate_sha256 = ANY (CAST(:certificates AS bytea[]))
        ORDER BY certificate_sha256 FOR UPDATE
        """
    )
)

_SUSPENSION_COLUMNS = """
    suspension.certificate_sha256, suspension.category, suspension.agency, suspension.reason, suspension.suspended_by,
    suspension.suspended_at, suspension.lapses_at, suspension.confirmed_by
"""

# A binding began with the registration or renewal that a contractor made at that instant.
BEGAN_AT_AGENCY = f"""
    (
        SELECT first.agency FROM registration AS first
        WHERE first.certificate_sha256 = newest.certificate_sha256 AND first.category = newest.category
            AND first.binding_number = newest.number AND first.origin <> '{Origin.PROPAGATION.value}'
        ORDER BY first.registered_at, first.agency LIMIT 1
    )
"""  # noqa: S608  # constants

_FIND = Statement(
    text(
        f"""
        SELECT newest.certificate_sha256 AS card_sha256, newest.category AS card_category,
            newest.number, newest.bidder_id, newest.ended_as, newest.ended_because,
            card_state.version_epoch, card_state.version_number, here.state AS here,
            {BEGAN_AT_AGENCY} AS began_at_agency, {_SUSPENSION_COLUMNS}
        FROM (
            SELECT * FROM binding
            WHERE certificate_sha256 = :certificate_sha256 AND category = CAST(:category AS text)
            ORDER BY number DESC LIMIT 1
        ) AS newest
        JOIN card_state USING (certificate_sha256, category)
        LEFT JOIN registration AS here ON here.certificate_sha256 = newest.certificate_sha256
            AND here.category = newest.category AND here.agency = CAST(:agency AS text)
            AND here.binding_number = newest.number
        LEFT JOIN card_suspension AS suspension ON suspension.certificate_sha256 = newest.certificate_sha256
            AND suspension.category = newest.category AND suspension.agency = CAST(:agency AS text)
        """  # noqa: S608  # constants
    )
)

# What else stops the card in the whole instance keeps its own reason.
_SUSPEND = Statement(
    text(
        f"""
        WITH suspended AS (
            INSERT INTO card_suspension (
                certificate_sha256, category, agency, reason, suspended_by, suspended_at, lapses_at
            ) VALUES (
                :certificate_sha256, :category, CAST(:agency AS text), :reason, :suspended_by, :suspended_at,
                :lapses_at
            )
        ), registered AS (
            UPDATE registration SET state = '{RegistrationState.SUSPENDED.value}',
                reason = '{StateReason.SUSPENDED.value}'
            WHERE certificate_sha256 = :certificate_sha256 AND category = :category
                AND agency = CAST(:agency AS text) AND state = '{RegistrationState.GOOD.value}'
        )
        UPDATE card_state SET version_epoch = epoch.epoch, version_number = version_number + 1,
            suspended_because = CASE WHEN CAST(:agency AS text) = '{OPERATOR}'
                THEN coalesce(suspended_because, '{StateReason.SUSPENDED.value}') ELSE suspended_because END
        FROM epoch
        WHERE certificate_sha256 = :certificate_sha256 AND category = :category
        """  # noqa: S608  # constants
    )
)

_CONFIRM = Statement(
    text(
        """
        UPDATE card_suspension SET lapses_at = NULL, confirmed_by = :confirmed_by
        WHERE certificate_sha256 = :certificate_sha256 AND category = :category AND agency = :agency
        """
    )
)

_END = Statement(
    text(
        f"""
        WITH ended AS (
            DELETE FROM card_suspension
            WHERE certificate_sha256 = :certificate_sha256 AND category = :category AND agency = CAST(:agency AS text)
        ), registered AS (
            UPDATE registration SET state = '{RegistrationState.GOOD.value}', reason = NULL
            WHERE certificate_sha256 = :certificate_sha256 AND category = :category
                AND agency = CAST(:agency AS text) AND state = '{RegistrationState.SUSPENDED.value}'
        )
        UPDATE card_state SET version_epoch = epoch.epoch, version_number = version_number + 1,
            suspended_because = CASE WHEN CAST(:agency AS text) = '{OPERATOR}'
                THEN nullif(suspended_because, '{StateReason.SUSPENDED.value}') ELSE suspended_because END
        FROM epoch
        WHERE certificate_sha256 = :certificate_sha256 AND category = :category
        """  # noqa: S608  # constants
    )
)

# The registrations, and the suspensions at agencies, end by the binding's trigger.
_UNDO = Statement(
    text(
        f"""
        WITH undone AS (
            UPDATE binding SET ended_at = :now, ended_as = '{BindingState.RELEASED.value}',
                ended_because = '{StateReason.UNDONE.value}'
            WHERE certificate_sha256 = :certificate_sha256 AND category = :category AND ended_at IS NULL
        )
        UPDATE card_state SET version_epoch = epoch.epoch, version_number = version_number + 1
        FROM epoch
        WHERE certificate_sha256 = :certificate_sha256 AND category = :category
        """  # noqa: S608  # constants
    )
)

_LIST_LAPSED = Statement(
    text(
        f"""
        SELECT {_SUSPENSION_COLUMNS} FROM card_suspension AS suspension
        WHERE lapses_at <= :now ORDER BY lapses_at LIMIT :most
        """  # noqa: S608  # constants
    )
)

_LIST = Statement(
    text(
        f"""
        SELECT {_SUSPENSION_COLUMNS}
        FROM unnest(CAST(:certificates AS bytea[])) AS key(certificate_sha256)
        JOIN card_suspension AS suspension ON suspension.certificate_sha256 = key.certificate_sha256
            AND suspension.category = CAST(:category AS text)
        ORDER BY suspension.certificate_sha256, suspension.agency
        """  # noqa: S608  # constants
    )
)


async def lock_cards(connection: Connection, certificates: Collection[bytes]) -> None:
    """Locks cards: nobody else writes about them until the transaction ends, and what others wrote before is seen."""
    await connection.change(_LOCK, certificates=list(certificates))


async def find_decided(connection: Connection, key: CardKey, agency: str, *, lock: bool = True) -> DecidedCard | None:
    """Returns a card as an agency's officers decide about it; None where it was never bound in the category.

    With `lock`, nobody else writes about the card until the transaction ends, and what others wrote before is seen.
    """
    if lock:
        await lock_cards(connection, [key.certificate_sha256])
    row = await connection.fetch_row(_FIND, **key._asdict(), agency=agency)
    if row is None:
        return None
    return DecidedCard(
        key=key,
        version=Version(row.version_epoch, row.version_number),
        bidder_id=row.bidder_id,
        binding_number=row.number,
        binding=BindingState(row.ended_as or BindingState.LIVE),
        binding_reason=row.ended_because,
        began_at_agency=row.began_at_agency,
        here=None if row.here is None else RegistrationState(row.here),
        suspension=None if row.suspended_by is None else _read_suspension(row),
    )


async def suspend(connection: Connection, suspension: Suspension) -> None:
    """Writes a suspension, and the state and its next number that follow from it."""
    await connection.change(
        _SUSPEND,
        **suspension.key._asdict(),
        agency=suspension.agency,
        reason=suspension.reason,
        suspended_by=suspension.suspended_by,
        suspended_at=suspension.suspended_at,
        lapses_at=suspension.lapses_at,
    )


async def confirm_suspension(connection: Connection, suspension: Suspension) -> None:
    """Writes who confirmed a suspension; it does not lapse any more."""
    await connection.change(
        _CONFIRM, **suspension.key._asdict(), agency=suspension.agency, confirmed_by=suspension.confirmed_by
    )


async def end_suspension(connection: Connection, key: CardKey, agency: str) -> None:
    """Ends an officer's suspension, and writes the state and its next number that follow from it."""
    await connection.change(_END, **key._asdict(), agency=agency)


async def undo_binding(connection: Connection, key: CardKey, now: datetime) -> None:
    """Ends the live binding as released, with its registrations, and writes the state's next number."""
    await connection.change(_UNDO, **key._asdict(), now=now)


async def list_lapsed(connection: Connection, *, now: datetime, most: int) -> Sequence[Suspension]:
    """Returns at most `most` suspensions that were to lapse until now, the oldest first."""
    return [_read_suspension(row) for row in await connection.fetch_rows(_LIST_LAPSED, now=now, most=most)]


async def list_suspensions(
    connection: Connection, certificates: Sequence[bytes], category: str
) -> Sequence[Suspension]:
    """Returns the suspensions by officers of these cards in a category, at whatever agency."""
    rows = await connection.fetch_rows(_LIST, certificates=list(certificates), category=category)
    return [_read_suspension(row) for row in rows]


def _read_suspension(row: Any) -> Suspension:
    return Suspension(
        key=CardKey(row.certificate_sha256, row.category),
        agency=row.agency,
        reason=row.reason,
        suspended_by=row.suspended_by,
        suspended_at=row.suspended_at,
        lapses_at=row.lapses_at,
        confirmed_by=row.confirmed_by,
    )

"""The states of cards as they are delivered, one or thousands at once. Whatever changes one numbers it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from certificate_registry.domain.binding import BindingState, RegistrationState
from certificate_registry.domain.card_state import AgencyRegistration, CardKey, CardState
from certificate_registry.domain.registration import Origin, RequestReference
from certificate_registry.store.cards import read_proven
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from servicekit.versions import Version

# Of a card's hash and a category in `key`. One row per state: with a row per registration, reading 500 states with
# sixty registrations takes twice the CPU.
STATE_COLUMNS = """
    key.category, card_state.version_epoch, card_state.version_number,
    card_state.suspended_because, newest.bidder_id, newest.ended_as, newest.ended_because,
    newest.password_proven, newest.company, newest.holder, (
        SELECT json_agg(
            json_build_array(
                registration.registration_id, registration.agency, registration.state, registration.reason,
                registration.origin, registration.registered_at, outcome.request_id,
                encode(outcome.request_sha256, 'hex'), encode(registration.replaced_by, 'hex'),
                encode(registration.predecessor, 'hex'), registration.stays_here
            ) ORDER BY registration.agency COLLATE "C"
        )
        FROM registration
        LEFT JOIN request_outcome AS outcome ON registration.origin <> 'propagation'
            AND outcome.registration_id = registration.registration_id
        WHERE registration.certificate_sha256 = key.certificate_sha256
            AND registration.category = key.category AND registration.binding_number = newest.number
    ) AS registrations
"""
NEWEST_BINDING = """
    SELECT * FROM binding
    WHERE binding.certificate_sha256 = key.certificate_sha256 AND binding.category = key.category
    ORDER BY number DESC LIMIT 1
"""
_READ = Statement(
    text(
        f"""
        SELECT key.certificate_sha256, {STATE_COLUMNS}
        FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[])) AS key(certificate_sha256, category)
        JOIN card_state USING (certificate_sha256, category)
        CROSS JOIN LATERAL ({NEWEST_BINDING}) AS newest
        ORDER BY key.certificate_sha256, key.category
        """  # noqa: S608  # constants
    )
)


async def read_states(connection: Connection, keys: Sequence[CardKey]) -> Sequence[CardState]:
    """Returns the states as they are now, by card and category; a card that was never bound there has none."""
    return [read_state(row) for row in await connection.fetch_rows(_READ, **_columns(keys))]


def _columns(keys: Sequence[CardKey]) -> dict[str, list[bytes] | list[str]]:
    return {
        "certificates": [key.certificate_sha256 for key in keys],
        "categories": [key.category for key in keys],
    }


def read_state(row: Any) -> CardState:
    """Returns the state in a row with `STATE_COLUMNS` and the card's hash."""
    return CardState(
        certificate_sha256=row.certificate_sha256,
        category=row.category,
        version=Version(row.version_epoch, row.version_number),
        bidder_id=row.bidder_id,
        binding=BindingState(row.ended_as or BindingState.LIVE),
        binding_reason=row.ended_because,
        proven=read_proven(row),
        is_suspended=row.suspended_because is not None,
        registrations=[_read_registration(*registration) for registration in row.registrations or ()],
    )


def _read_registration(
    registration_id: str,
    agency: str,
    state: str,
    reason: str | None,
    origin: str,
    registered_at: str,
    request_id: str | None,
    request_sha256: str | None,
    replaced_by: str | None,
    predecessor: str | None,
    stays_here: bool,
) -> AgencyRegistration:
    return AgencyRegistration(
        registration_id=UUID(registration_id),
        agency=agency,
        state=RegistrationState(state),
        reason=reason,
        origin=Origin(origin),
        registered_at=datetime.fromisoformat(registered_at),
        request=RequestReference(UUID(request_id), bytes.fromhex(request_sha256 or "")) if request_id else None,
        replaced_by=None if replaced_by is None else bytes.fromhex(replaced_by),
        predecessor=None if predecessor is None else bytes.fromhex(predecessor),
        stays_here=stays_here,
    )

"""The states of cards as they are delivered, one or thousands at once. Whatever changes one numbers it."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from certificate_registry.domain.binding import BindingState, RegistrationState
from certificate_registry.domain.card_state import (
    AgencyRegistration,
    CardKey,
    CardState,
    CertificateStanding,
    CertificateState,
)
from certificate_registry.domain.registration import Origin, RequestReference
from certificate_registry.store.cards import read_proven
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from servicekit.versions import Version

# Of the marks alone: an instant from which a path is trusted no more is marked within a minute, and numbered then.
_CERTIFICATE_STATE = f"""
    CASE
        WHEN card.revoked_at IS NOT NULL OR card.distrusted_because = 'CERTIFICATE_REVOKED'
            THEN '{CertificateState.REVOKED.value}'
        WHEN card.distrusted_at IS NOT NULL THEN '{CertificateState.NOT_TRUSTED.value}'
        ELSE '{CertificateState.TRUSTED.value}'
    END
"""
# Of the card in `card`, its hash and a category in `key`. One row per state: with a row per registration, reading 500
# states with sixty registrations takes twice the CPU.
STATE_COLUMNS = f"""
    {_CERTIFICATE_STATE} AS certificate_state, card.not_before AS certificate_not_before,
    card.not_after AS certificate_not_after, key.category, card_state.version_epoch, card_state.version_number,
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
"""  # noqa: S608  # constants
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
        JOIN card ON card.certificate_sha256 = key.certificate_sha256
        CROSS JOIN LATERAL ({NEWEST_BINDING}) AS newest
        ORDER BY key.certificate_sha256, key.category
        """  # noqa: S608  # constants
    )
)
# The caller has locked the rows of the cards, which also orders this.
_RAISE = Statement(
    text(
        """
        UPDATE card_state SET version_epoch = epoch.epoch, version_number = card_state.version_number + 1
        FROM epoch
        WHERE card_state.certificate_sha256 = ANY (CAST(:certificates AS bytea[]))
        RETURNING card_state.certificate_sha256, card_state.category
        """
    )
)


async def raise_versions(connection: Connection, certificates: Collection[bytes]) -> Sequence[CardKey]:
    """Gives the states of these cards, in all categories, their next versions; returns them by card and category.

    The caller has changed the rows of these cards, and so holds them locked.
    """
    if not certificates:
        return []
    rows = await connection.fetch_rows(_RAISE, certificates=list(certificates))
    return sorted(CardKey(*row) for row in rows)


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
        certificate=CertificateStanding(
            CertificateState(row.certificate_state), row.certificate_not_before, row.certificate_not_after
        ),
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

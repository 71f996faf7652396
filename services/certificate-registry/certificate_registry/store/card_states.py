"""The states of cards: numbered where they change, read where they are delivered; one card or thousands at once."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.binding import BindingState, RegistrationState
from certificate_registry.domain.card_state import AgencyRegistration, CardKey, CardState
from certificate_registry.domain.registration import Origin, RequestReference
from certificate_registry.store.cards import read_proven
from servicekit.versions import Version

_NUMBER = text(
    """
    INSERT INTO card_state AS known (certificate_sha256, category, version_epoch, version_number)
    SELECT key.certificate_sha256, key.category, epoch.epoch, 1
    FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[])) AS key(certificate_sha256, category), epoch
    ORDER BY 1, 2
    ON CONFLICT (certificate_sha256, category) DO UPDATE SET version_epoch = excluded.version_epoch,
        version_number = known.version_number + 1
    """
)

# One row per registration. A state without any (its registrations are of an earlier binding) has one row all the same.
_READ = text(
    """
    SELECT card_state.*, newest.bidder_id, newest.ended_as, newest.ended_because, newest.password_proven,
        newest.company, newest.holder, registration.registration_id, registration.agency, registration.state,
        registration.reason, registration.origin, registration.registered_at, outcome.request_id,
        outcome.request_sha256
    FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[])) AS key(certificate_sha256, category)
    JOIN card_state USING (certificate_sha256, category)
    CROSS JOIN LATERAL (
        SELECT * FROM binding
        WHERE binding.certificate_sha256 = key.certificate_sha256 AND binding.category = key.category
        ORDER BY number DESC LIMIT 1
    ) AS newest
    LEFT JOIN registration ON registration.certificate_sha256 = key.certificate_sha256
        AND registration.category = key.category AND registration.binding_number = newest.number
    LEFT JOIN request_outcome AS outcome ON registration.origin = 'contractor'
        AND outcome.registration_id = registration.registration_id
    ORDER BY key.certificate_sha256, key.category, registration.agency COLLATE "C"
    """
)


async def number_states(connection: AsyncConnection, keys: Sequence[CardKey]) -> None:
    """Gives each of these states its next version; the caller has locked the cards' rows."""
    await connection.execute(_NUMBER, _columns(keys))


async def read_states(connection: AsyncConnection, keys: Sequence[CardKey]) -> Sequence[CardState]:
    """Returns the states as they are now, by card and category; a card that was never bound there has none."""
    rows = (await connection.execute(_READ, _columns(keys))).all()
    return [
        _read_state(list(of_card)) for _, of_card in groupby(rows, lambda row: (row.certificate_sha256, row.category))
    ]


def _columns(keys: Sequence[CardKey]) -> dict[str, list[bytes] | list[str]]:
    return {
        "certificates": [key.certificate_sha256 for key in keys],
        "categories": [key.category for key in keys],
    }


def _read_state(rows: Sequence[Row[Any]]) -> CardState:
    first = rows[0]
    return CardState(
        certificate_sha256=first.certificate_sha256,
        category=first.category,
        version=Version(first.version_epoch, first.version_number),
        bidder_id=first.bidder_id,
        binding=BindingState(first.ended_as or BindingState.LIVE),
        binding_reason=first.ended_because,
        proven=read_proven(first),
        is_suspended=first.suspended_because is not None,
        registrations=[_read_registration(row) for row in rows if row.registration_id is not None],
    )


def _read_registration(row: Row[Any]) -> AgencyRegistration:
    return AgencyRegistration(
        registration_id=row.registration_id,
        agency=row.agency,
        state=RegistrationState(row.state),
        reason=row.reason,
        origin=Origin(row.origin),
        registered_at=row.registered_at,
        request=RequestReference(row.request_id, row.request_sha256) if row.request_id is not None else None,
    )

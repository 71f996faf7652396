"""The states of cards, the newest version of each."""

import json
from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any
from uuid import UUID

from sqlalchemy import text

from agency_sync.domain.card_state import AgencyRegistration, CardKey, CardState, KeptState, RegistrationState
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from servicekit.versions import Version

_LOCK = Statement(
    text(
        """
        SELECT certificate_sha256, category, version_epoch, version_number, registrations
        FROM card_states
        WHERE (certificate_sha256, category) IN (
            SELECT * FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[]))
        )
        ORDER BY certificate_sha256, category
        FOR UPDATE
        """
    )
)

# The conflicting row is locked before versions are compared, so of two concurrent deliveries the newer one remains.
_WRITE = Statement(
    text(
        """
        INSERT INTO card_states AS kept (
            certificate_sha256, category, version_epoch, version_number, bidder_id, is_live, is_suspended,
            proven_password, proven_company, registrations
        )
        SELECT certificate_sha256, category, version_epoch, version_number, bidder_id, is_live, is_suspended,
            proven_password, proven_company, CAST(registrations AS jsonb)
        FROM unnest(
            CAST(:certificates AS bytea[]), CAST(:categories AS text[]), CAST(:epochs AS bigint[]),
            CAST(:numbers AS bigint[]), CAST(:bidder_ids AS text[]), CAST(:live AS boolean[]),
            CAST(:suspended AS boolean[]), CAST(:passwords AS boolean[]), CAST(:companies AS text[]),
            CAST(:registrations AS text[])
        ) AS state (
            certificate_sha256, category, version_epoch, version_number, bidder_id, is_live, is_suspended,
            proven_password, proven_company, registrations
        )
        ORDER BY certificate_sha256, category
        ON CONFLICT (certificate_sha256, category) DO UPDATE
        SET version_epoch = excluded.version_epoch, version_number = excluded.version_number,
            bidder_id = excluded.bidder_id, is_live = excluded.is_live, is_suspended = excluded.is_suspended,
            proven_password = excluded.proven_password, proven_company = excluded.proven_company,
            registrations = excluded.registrations
        WHERE (kept.version_epoch, kept.version_number) < (excluded.version_epoch, excluded.version_number)
        RETURNING certificate_sha256, category
        """
    )
)


async def lock_states(connection: Connection, keys: Collection[CardKey]) -> Mapping[CardKey, KeptState]:
    """Locks the kept states of cards until the caller's transaction ends, and returns what is new is judged by."""
    rows = await connection.fetch_rows(
        _LOCK,
        certificates=[certificate_sha256 for certificate_sha256, _ in keys],
        categories=[category for _, category in keys],
    )
    return {
        (certificate_sha256, category): KeptState(
            Version(epoch, number),
            frozenset(registration.registration_id for registration in read_registrations(registrations).values()),
        )
        for certificate_sha256, category, epoch, number, registrations in rows
    }


async def write_states(connection: Connection, states: Sequence[CardState]) -> Set[CardKey]:
    """Replaces the states of cards by these, one for each card, unless the same or a higher version is kept.

    Returns the cards whose state was written. It is one statement whatever their number.
    """
    rows = await connection.fetch_rows(
        _WRITE,
        certificates=[state.certificate_sha256 for state in states],
        categories=[state.category for state in states],
        epochs=[state.version.epoch for state in states],
        numbers=[state.version.number for state in states],
        bidder_ids=[state.bidder_id for state in states],
        live=[state.is_live for state in states],
        suspended=[state.is_suspended for state in states],
        passwords=[state.proven.password for state in states],
        companies=[str(state.proven.company) for state in states],
        registrations=[json.dumps(_write_registrations(state.registrations)) for state in states],
    )
    return {(certificate_sha256, category) for certificate_sha256, category in rows}


def _write_registrations(registrations: Mapping[str, AgencyRegistration]) -> dict[str, Any]:
    return {
        agency: {
            "registration_id": str(registration.registration_id),
            "state": str(registration.state),
            "by_propagation": registration.by_propagation,
        }
        for agency, registration in registrations.items()
    }


def read_registrations(column: Mapping[str, Mapping[str, Any]]) -> Mapping[str, AgencyRegistration]:
    """Returns the registrations of a card by agency, from the value of their column."""
    return {
        agency: AgencyRegistration(
            UUID(registration["registration_id"]),
            RegistrationState(registration["state"]),
            registration["by_propagation"],
        )
        for agency, registration in column.items()
    }

"""The states of cards, the newest version of each."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from agency_sync.domain.card_state import (
    AgencyRegistration,
    CardKey,
    CardState,
    Certificate,
    CompanyComparison,
    HolderComparison,
    KeptState,
    Origin,
    Proven,
    RegistrationState,
    Standing,
)
from servicekit.database_connection import Connection
from servicekit.statements import Statement
from servicekit.versions import Version

# What is new is judged by the kept states, which are all locked before any is replaced: the question for their number
# sees to it. So are those of the cards whose places these took, whose intentions they may take over. A row that another
# transaction has inserted meanwhile is locked before versions are compared, so of two concurrent deliveries the newer
# one remains.
_REPLACE = Statement(
    text(
        """
        WITH before AS (
            SELECT certificate_sha256, category, version_epoch, version_number, registrations
            FROM card_states
            WHERE (certificate_sha256, category) IN (
                SELECT * FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[]))
                UNION ALL
                SELECT * FROM unnest(CAST(:predecessors AS bytea[]), CAST(:predecessor_categories AS text[]))
            )
            ORDER BY certificate_sha256, category
            FOR UPDATE
        ), written AS (
            INSERT INTO card_states AS kept (
                certificate_sha256, category, version_epoch, version_number, bidder_id, is_live, is_suspended,
                proven_password, proven_company, proven_holder, certificate_standing, certificate_not_before,
                certificate_not_after, registrations
            )
            SELECT certificate_sha256, category, version_epoch, version_number, bidder_id, is_live, is_suspended,
                proven_password, proven_company, proven_holder, certificate_standing, certificate_not_before,
                certificate_not_after, CAST(registrations AS jsonb)
            FROM unnest(
                CAST(:certificates AS bytea[]), CAST(:categories AS text[]), CAST(:epochs AS bigint[]),
                CAST(:numbers AS bigint[]), CAST(:bidder_ids AS text[]), CAST(:live AS boolean[]),
                CAST(:suspended AS boolean[]), CAST(:passwords AS boolean[]), CAST(:companies AS text[]),
                CAST(:holders AS text[]), CAST(:standings AS text[]), CAST(:not_before AS timestamptz[]),
                CAST(:not_after AS timestamptz[]), CAST(:registrations AS text[])
            ) AS state (
                certificate_sha256, category, version_epoch, version_number, bidder_id, is_live, is_suspended,
                proven_password, proven_company, proven_holder, certificate_standing, certificate_not_before,
                certificate_not_after, registrations
            )
            WHERE (SELECT count(*) FROM before) >= 0
            ORDER BY certificate_sha256, category
            ON CONFLICT (certificate_sha256, category) DO UPDATE
            SET version_epoch = excluded.version_epoch, version_number = excluded.version_number,
                bidder_id = excluded.bidder_id, is_live = excluded.is_live, is_suspended = excluded.is_suspended,
                proven_password = excluded.proven_password, proven_company = excluded.proven_company,
                proven_holder = excluded.proven_holder, certificate_standing = excluded.certificate_standing,
                certificate_not_before = excluded.certificate_not_before,
                certificate_not_after = excluded.certificate_not_after,
                registrations = excluded.registrations
            WHERE (kept.version_epoch, kept.version_number) < (excluded.version_epoch, excluded.version_number)
            RETURNING certificate_sha256, category
        )
        SELECT certificate_sha256, category, version_epoch, version_number, registrations
        FROM written LEFT JOIN before USING (certificate_sha256, category)
        """
    )
)


# What `read_state` reads.
STATE_COLUMNS = """
    card.certificate_sha256, card.category, card.version_epoch, card.version_number, card.bidder_id, card.is_live,
    card.is_suspended, card.proven_password, card.proven_company, card.proven_holder, card.certificate_standing,
    card.certificate_not_before, card.certificate_not_after, card.registrations
"""

_READ = Statement(
    text(
        f"""
        SELECT {STATE_COLUMNS}
        FROM card_states card
        WHERE (certificate_sha256, category) IN (
            SELECT * FROM unnest(CAST(:certificates AS bytea[]), CAST(:categories AS text[]))
        )
        """  # noqa: S608  # constants
    )
)


async def read_states(connection: Connection, keys: Collection[CardKey]) -> Mapping[CardKey, CardState]:
    """Returns the states of cards as they are kept now; a card of which none is kept has none."""
    rows = await connection.fetch_rows(
        _READ,
        certificates=[certificate_sha256 for certificate_sha256, _ in keys],
        categories=[category for _, category in keys],
    )
    return {(row.certificate_sha256, row.category): read_state(row) for row in rows}


async def replace_states(connection: Connection, states: Sequence[CardState]) -> Mapping[CardKey, KeptState | None]:
    """Replaces the states of cards by these, one for each card, unless the same or a higher version is kept.

    Returns, by the cards whose state was written, the one that it replaced: what is new is judged by it. It is one
    statement whatever their number; the rows stay locked until the caller's transaction ends, with those of the cards
    whose places these took.
    """
    predecessors = [key for state in states for key in state.list_predecessors().values()]
    rows = await connection.fetch_rows(
        _REPLACE,
        certificates=[state.certificate_sha256 for state in states],
        categories=[state.category for state in states],
        predecessors=[certificate_sha256 for certificate_sha256, _ in predecessors],
        predecessor_categories=[category for _, category in predecessors],
        epochs=[state.version.epoch for state in states],
        numbers=[state.version.number for state in states],
        bidder_ids=[state.bidder_id for state in states],
        live=[state.is_live for state in states],
        suspended=[state.is_suspended for state in states],
        passwords=[state.proven.password for state in states],
        companies=[str(state.proven.company) for state in states],
        holders=[str(state.proven.holder) for state in states],
        standings=[str(state.certificate.standing) for state in states],
        not_before=[state.certificate.not_before for state in states],
        not_after=[state.certificate.not_after for state in states],
        registrations=[json.dumps(_write_registrations(state.registrations)) for state in states],
    )
    return {(row.certificate_sha256, row.category): _read_kept(row) for row in rows}


def read_state(row: Any) -> CardState:
    """Returns the state of a card in a row with `STATE_COLUMNS`."""
    return CardState(
        certificate_sha256=row.certificate_sha256,
        category=row.category,
        version=Version(row.version_epoch, row.version_number),
        bidder_id=row.bidder_id,
        is_live=row.is_live,
        is_suspended=row.is_suspended,
        proven=read_proven(row),
        registrations=read_registrations(row.registrations),
        certificate=Certificate(
            Standing(row.certificate_standing), row.certificate_not_before, row.certificate_not_after
        ),
    )


def read_proven(row: Any) -> Proven:
    """Returns what was proven, from a row with these columns of `card_states`."""
    return Proven(row.proven_password, CompanyComparison(row.proven_company), HolderComparison(row.proven_holder))


def _read_kept(row: Any) -> KeptState | None:
    if row.version_epoch is None:
        return None
    return KeptState(
        Version(row.version_epoch, row.version_number),
        frozenset(registration.registration_id for registration in read_registrations(row.registrations).values()),
    )


def _write_registrations(registrations: Mapping[str, AgencyRegistration]) -> dict[str, Any]:
    return {
        agency: {
            "registration_id": str(registration.registration_id),
            "state": str(registration.state),
            "origin": str(registration.origin),
            **({"stays_here": True} if registration.stays_here else {}),
            **({} if registration.registered_at is None else {"registered_at": registration.registered_at.isoformat()}),
            **_write_cards(registration),
        }
        for agency, registration in registrations.items()
    }


def _write_cards(registration: AgencyRegistration) -> dict[str, str]:
    cards = {"replaced_by": registration.replaced_by, "predecessor": registration.predecessor}
    return {name: card.hex() for name, card in cards.items() if card is not None}


def _read_instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _read_card(value: str | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value)


def read_registrations(column: Mapping[str, Mapping[str, Any]]) -> Mapping[str, AgencyRegistration]:
    """Returns the registrations of a card by agency, from the value of their column."""
    return {
        agency: AgencyRegistration(
            UUID(registration["registration_id"]),
            RegistrationState(registration["state"]),
            Origin(registration["origin"]),
            replaced_by=_read_card(registration.get("replaced_by")),
            predecessor=_read_card(registration.get("predecessor")),
            stays_here=registration.get("stays_here", False),
            registered_at=_read_instant(registration.get("registered_at")),
        )
        for agency, registration in column.items()
    }

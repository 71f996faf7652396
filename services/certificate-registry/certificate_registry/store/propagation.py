"""Registrations at further agencies, set by set: thousands of registrations times sixty agencies."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from certificate_registry.domain.propagation import (
    NewRegistrations,
    PropagatedRegistration,
    PropagationResult,
    RequestedRegistration,
)
from certificate_registry.domain.registration import Origin
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# The rows of all cards concerned, with those whose places renewals took, always in one order, so that two concurrent
# deliveries can't deadlock. Nobody else writes about these cards until the transaction ends, and the statements after
# this one see what others wrote before.
_LOCK = Statement(
    text(
        f"""
        WITH source AS MATERIALIZED (
            SELECT registration.certificate_sha256, registration.predecessor, registration.origin
            FROM request_outcome AS outcome
            JOIN registration ON registration.certificate_sha256 = outcome.certificate_sha256
                AND registration.category = outcome.category AND registration.agency = outcome.agency
                AND registration.registration_id = outcome.registration_id
            WHERE outcome.registration_id = ANY (CAST(:registrations AS uuid[]))
        ), locked AS MATERIALIZED (
            SELECT certificate_sha256 FROM card
            WHERE certificate_sha256 IN (
                SELECT certificate_sha256 FROM source
                UNION ALL SELECT predecessor FROM source WHERE origin = '{Origin.RENEWAL.value}'
            )
            ORDER BY certificate_sha256
            FOR UPDATE
        )
        SELECT (SELECT count(*) FROM locked) AS locked,
            EXISTS (SELECT FROM source WHERE origin = '{Origin.CONTRACTOR.value}') AS has_registrations,
            EXISTS (SELECT FROM source WHERE origin = '{Origin.RENEWAL.value}') AS has_renewals
        """  # noqa: S608  # constants
    )
)

REQUESTED = """
    requested AS MATERIALIZED (
        SELECT agency, registration_id
        FROM unnest(CAST(:agencies AS text[]), CAST(:registrations AS uuid[])) AS request(agency, registration_id)
    )
"""
# What is propagated: a source that is good (then its binding is live) of a card that is valid, trusted and not
# suspended, and of a bidder that is neither ended nor suspended, as a whole or at the source's agency.
VALID_SOURCES = """
    valid AS MATERIALIZED (
        SELECT source.registration_id, source.category, source.certificate_sha256, source.bidder_id, source.agency,
            source.binding_number, source.origin, source.predecessor, source.stays_here, source.registered_at,
            coalesce(bidder_state.suspended_agencies, '{}') AS suspended_agencies
        FROM request_outcome AS outcome
        JOIN registration AS source ON source.certificate_sha256 = outcome.certificate_sha256
            AND source.category = outcome.category AND source.agency = outcome.agency
            AND source.registration_id = outcome.registration_id AND source.state = 'good'
        JOIN card ON card.certificate_sha256 = source.certificate_sha256
            AND card.revoked_at IS NULL AND card.not_after >= CAST(:now AS timestamptz)
            AND card.distrusted_at IS NULL
            AND (card.trusted_until IS NULL OR card.trusted_until >= CAST(:now AS timestamptz))
        LEFT JOIN card_state ON card_state.certificate_sha256 = source.certificate_sha256
            AND card_state.category = source.category
        LEFT JOIN bidder_state ON bidder_state.bidder_id = source.bidder_id
            AND bidder_state.category = source.category
        WHERE outcome.registration_id IN (SELECT registration_id FROM requested)
            AND card_state.suspended_because IS NULL
            AND coalesce(
                bidder_state.status = 'active' AND source.agency <> ALL (bidder_state.suspended_agencies), true
            )
    )
"""

# A registration is made only where the bidder is not suspended at the further agency either. One that exists at the
# agency stays as it is, good or not. A renewal that takes over what was intended for the old card is made like a
# contractor's registration where that card is not registered.
_INSERT = Statement(
    text(
        f"""
        WITH {REQUESTED}, {VALID_SOURCES}, made AS (
            INSERT INTO registration (
                certificate_sha256, category, agency, binding_number, registration_id, bidder_id, registered_at, origin
            )
            SELECT DISTINCT ON (valid.certificate_sha256, valid.category, requested.agency)
                valid.certificate_sha256, valid.category, requested.agency, valid.binding_number, gen_random_uuid(),
                valid.bidder_id, CAST(:now AS timestamptz), '{Origin.PROPAGATION.value}'
            FROM requested JOIN valid USING (registration_id)
            WHERE requested.agency <> ALL (valid.suspended_agencies) AND (
                valid.origin = '{Origin.CONTRACTOR.value}'
                OR valid.registration_id = ANY (CAST(:taking_over AS uuid[])) AND NOT valid.stays_here AND NOT EXISTS (
                    SELECT FROM registration AS old
                    WHERE old.certificate_sha256 = valid.predecessor AND old.category = valid.category
                        AND old.agency = requested.agency AND old.state IN ('good', 'suspended')
                )
            )
            ORDER BY 1, 2, 3
            ON CONFLICT DO NOTHING
            RETURNING agency, category, certificate_sha256, registration_id, bidder_id
        ), changed AS MATERIALIZED (
            SELECT certificate_sha256, category, bidder_id,
                json_object_agg(agency, registration_id ORDER BY agency) AS registrations
            FROM made
            GROUP BY certificate_sha256, category, bidder_id
        ), numbered AS (
            INSERT INTO card_state AS known (certificate_sha256, category, version_epoch, version_number)
            SELECT certificate_sha256, category, epoch.epoch, 1 FROM changed, epoch
            ON CONFLICT (certificate_sha256, category) DO UPDATE SET version_epoch = excluded.version_epoch,
                version_number = known.version_number + 1
        )
        SELECT certificate_sha256, category, changed.bidder_id, source.ids, changed.registrations
        FROM changed
        JOIN (
            SELECT certificate_sha256, category, array_agg(registration_id) AS ids FROM valid GROUP BY 1, 2
        ) AS source USING (certificate_sha256, category)
        ORDER BY certificate_sha256, category
        """  # noqa: S608  # constants
    )
)

_RESULTS = Statement(
    text(
        f"""
        WITH {REQUESTED}, source AS MATERIALIZED (
            SELECT source.registration_id, source.certificate_sha256, source.category, source.binding_number,
                source.agency, bidder_state.status, bidder_state.suspended_agencies
            FROM request_outcome AS outcome
            JOIN registration AS source ON source.certificate_sha256 = outcome.certificate_sha256
                AND source.category = outcome.category AND source.agency = outcome.agency
                AND source.registration_id = outcome.registration_id
            LEFT JOIN bidder_state ON bidder_state.bidder_id = source.bidder_id
                AND bidder_state.category = source.category
            WHERE outcome.registration_id IN (SELECT registration_id FROM requested)
        )
        SELECT requested.agency, requested.registration_id, source.registration_id IS NOT NULL AS is_known,
            coalesce(
                source.status = 'suspended'
                OR source.status = 'active' AND ARRAY[source.agency, requested.agency] && source.suspended_agencies,
                false
            ) AS is_suspended,
            existing.registration_id AS existing_id
        FROM requested
        LEFT JOIN source ON source.registration_id = requested.registration_id
        LEFT JOIN registration AS existing ON existing.certificate_sha256 = source.certificate_sha256
            AND existing.category = source.category AND existing.agency = requested.agency
            AND existing.binding_number = source.binding_number AND existing.state = 'good'
        ORDER BY requested.agency, requested.registration_id
        """  # noqa: S608  # constants
    )
)


async def lock_cards(connection: Connection, requested: Collection[RequestedRegistration]) -> tuple[bool, bool]:
    """Locks the rows of all cards concerned until the transaction ends.

    Returns whether a source is a contractor's registration, and whether one is a renewal.
    """
    registrations = list({each.source_registration_id for each in requested})
    row = await connection.fetch_row(_LOCK, registrations=registrations)
    return row.has_registrations, row.has_renewals


async def insert_propagated(
    connection: Connection,
    requested: Collection[RequestedRegistration],
    now: datetime,
    *,
    taking_over: Collection[UUID] = (),
) -> Sequence[NewRegistrations]:
    """Makes the missing registrations, and returns them by card and category; existing ones are not changed.

    Passes over renewals, but for those that take over what was intended for the old card, where that one is not
    registered. Gives the state of each card with new ones its next version. The caller has locked all cards.
    """
    rows = await connection.fetch_rows(_INSERT, **list_columns(requested), taking_over=list(taking_over), now=now)
    return [NewRegistrations(*row) for row in rows]


async def read_results(
    connection: Connection, requested: Collection[RequestedRegistration]
) -> Sequence[PropagatedRegistration]:
    """Returns the result for each requested registration: an existing good one counts as done."""
    rows = await connection.fetch_rows(_RESULTS, **list_columns(requested))
    return [_read_result(*row) for row in rows]


def list_columns(requested: Collection[RequestedRegistration]) -> dict[str, list[str] | list[UUID]]:
    """Returns what is requested as the values of `REQUESTED`."""
    return {
        "agencies": [each.agency for each in requested],
        "registrations": [each.source_registration_id for each in requested],
    }


def _read_result(
    agency: str, source_registration_id: UUID, is_known: bool, is_suspended: bool, registration_id: UUID | None
) -> PropagatedRegistration:
    if registration_id is not None:
        result = PropagationResult.DONE
    elif not is_known:
        result = PropagationResult.REGISTRATION_UNKNOWN
    else:
        result = PropagationResult.BIDDER_SUSPENDED if is_suspended else PropagationResult.CARD_NOT_GOOD
    return PropagatedRegistration(source_registration_id, agency, result, registration_id)

"""Registrations at further agencies, set by set: thousands of registrations times sixty agencies."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from certificate_registry.domain.propagation import (
    AgencyPropagation,
    NewRegistrations,
    PropagatedRegistration,
    PropagationResult,
)
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# The rows of all cards concerned, always in one order, so that two concurrent deliveries can't deadlock. Nobody else
# writes about these cards until the transaction ends, and the statements after this one see what others wrote before.
_LOCK = Statement(
    text(
        """
        SELECT FROM card
        WHERE certificate_sha256 IN (
            SELECT certificate_sha256 FROM request_outcome
            WHERE registration_id = ANY (CAST(:registrations AS uuid[]))
        )
        ORDER BY certificate_sha256
        FOR UPDATE
        """
    )
)

# A registration is made only while its source is good (then its binding is live), the card valid, trusted and not
# suspended, and the bidder not ended. One that exists at the agency stays as it is, good or not.
_INSERT = Statement(
    text(
        """
        WITH requested AS MATERIALIZED (
            SELECT DISTINCT agency, registration_id
            FROM unnest(CAST(:agencies AS text[]), CAST(:registrations AS uuid[])) AS request(agency, registration_id)
        ), valid AS MATERIALIZED (
            SELECT source.registration_id, source.category, source.certificate_sha256, source.bidder_id,
                source.binding_number
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
            LEFT JOIN bidder ON bidder.bidder_id = source.bidder_id
            WHERE outcome.registration_id IN (SELECT registration_id FROM requested)
                AND card_state.suspended_because IS NULL AND bidder.status IS DISTINCT FROM 'ended'
        ), made AS (
            INSERT INTO registration (
                certificate_sha256, category, agency, binding_number, registration_id, bidder_id, registered_at, origin
            )
            SELECT DISTINCT ON (valid.certificate_sha256, valid.category, requested.agency)
                valid.certificate_sha256, valid.category, requested.agency, valid.binding_number, gen_random_uuid(),
                valid.bidder_id, CAST(:now AS timestamptz), 'propagation'
            FROM requested JOIN valid USING (registration_id)
            ORDER BY 1, 2, 3
            ON CONFLICT DO NOTHING
            RETURNING agency, category, certificate_sha256, registration_id, bidder_id
        )
        SELECT certificate_sha256, category, bidder_id,
            json_object_agg(agency, registration_id ORDER BY agency) AS registrations
        FROM made
        GROUP BY certificate_sha256, category, bidder_id
        ORDER BY certificate_sha256, category
        """
    )
)

_RESULTS = Statement(
    text(
        """
        WITH requested AS MATERIALIZED (
            SELECT DISTINCT agency, registration_id
            FROM unnest(CAST(:agencies AS text[]), CAST(:registrations AS uuid[])) AS request(agency, registration_id)
        ), source AS MATERIALIZED (
            SELECT source.registration_id, source.certificate_sha256, source.category, source.binding_number
            FROM request_outcome AS outcome
            JOIN registration AS source ON source.certificate_sha256 = outcome.certificate_sha256
                AND source.category = outcome.category AND source.agency = outcome.agency
                AND source.registration_id = outcome.registration_id
            WHERE outcome.registration_id IN (SELECT registration_id FROM requested)
        )
        SELECT requested.agency, requested.registration_id, source.registration_id IS NOT NULL AS is_known,
            existing.registration_id AS existing_id
        FROM requested
        LEFT JOIN source ON source.registration_id = requested.registration_id
        LEFT JOIN registration AS existing ON existing.certificate_sha256 = source.certificate_sha256
            AND existing.category = source.category AND existing.agency = requested.agency
            AND existing.binding_number = source.binding_number AND existing.state = 'good'
        ORDER BY requested.agency, requested.registration_id
        """
    )
)


async def insert_propagated(
    connection: Connection, requests: Sequence[AgencyPropagation], now: datetime
) -> Sequence[NewRegistrations]:
    """Makes the missing registrations, and returns them by card and category; existing ones are not changed.

    Locks the rows of all cards concerned until the transaction ends.
    """
    pairs = _pairs(requests)
    await connection.change(_LOCK, registrations=list(set(pairs["registrations"])))
    rows = await connection.fetch_rows(_INSERT, **pairs, now=now)
    return [NewRegistrations(*row) for row in rows]


async def read_results(
    connection: Connection, requests: Sequence[AgencyPropagation]
) -> Sequence[PropagatedRegistration]:
    """Returns the result for each requested registration at each agency: an existing good one counts as done."""
    rows = await connection.fetch_rows(_RESULTS, **_pairs(requests))
    return [_read_result(*row) for row in rows]


def _pairs(requests: Sequence[AgencyPropagation]) -> dict[str, list[str] | list[UUID]]:
    return {
        "agencies": [request.agency for request in requests for _ in request.registration_ids],
        "registrations": [registration_id for request in requests for registration_id in request.registration_ids],
    }


def _read_result(
    agency: str, source_registration_id: UUID, is_known: bool, registration_id: UUID | None
) -> PropagatedRegistration:
    if registration_id is not None:
        result = PropagationResult.DONE
    else:
        result = PropagationResult.CARD_NOT_GOOD if is_known else PropagationResult.REGISTRATION_UNKNOWN
    return PropagatedRegistration(source_registration_id, agency, result, registration_id)

"""Registrations at further agencies, set by set: thousands of registrations times sixty agencies in two statements."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.propagation import (
    AgencyPropagation,
    NewRegistrations,
    PropagatedRegistration,
    PropagationResult,
)

# A registration is made only while its source exists, the binding is live, the card valid and trusted, and the bidder
# not ended. The binding is locked, so that it can't end meanwhile. Rows are always processed in one order, so that two
# concurrent deliveries can't deadlock.
_INSERT = text(
    """
    WITH valid AS MATERIALIZED (
        SELECT source.registration_id, source.category, source.certificate_sha256, source.bidder_id
        FROM registration AS source
        JOIN binding ON binding.certificate_sha256 = source.certificate_sha256
            AND binding.category = source.category AND binding.bidder_id = source.bidder_id
            AND binding.ended_at IS NULL
        JOIN card ON card.certificate_sha256 = source.certificate_sha256
            AND card.revoked_at IS NULL AND card.not_after >= CAST(:now AS timestamptz)
            AND card.distrusted_at IS NULL
            AND (card.trusted_until IS NULL OR card.trusted_until >= CAST(:now AS timestamptz))
        LEFT JOIN bidder ON bidder.bidder_id = source.bidder_id
        WHERE source.registration_id = ANY (CAST(:registrations AS uuid[])) AND source.origin = 'contractor'
            AND bidder.status IS DISTINCT FROM 'ended'
        ORDER BY source.certificate_sha256, source.category
        FOR SHARE OF binding
    ), made AS (
        INSERT INTO registration AS existing (
            agency, category, certificate_sha256, registration_id, bidder_id, registered_at, origin,
            version_epoch, version_number
        )
        SELECT DISTINCT ON (requested.agency, valid.category, valid.certificate_sha256)
            requested.agency, valid.category, valid.certificate_sha256, gen_random_uuid(),
            valid.bidder_id, CAST(:now AS timestamptz), 'propagation', (SELECT epoch FROM epoch), 1
        FROM (
            SELECT DISTINCT agency, registration_id
            FROM unnest(CAST(:agencies AS text[]), CAST(:registrations AS uuid[])) AS request(agency, registration_id)
        ) AS requested
        JOIN valid USING (registration_id)
        ORDER BY 1, 2, 3
        ON CONFLICT (agency, category, certificate_sha256) DO UPDATE SET
            registration_id = excluded.registration_id, bidder_id = excluded.bidder_id,
            registered_at = excluded.registered_at, origin = excluded.origin,
            version_epoch = excluded.version_epoch, version_number = excluded.version_number
            WHERE existing.bidder_id <> excluded.bidder_id
        RETURNING agency, category, certificate_sha256, registration_id, bidder_id
    )
    SELECT certificate_sha256, category, bidder_id, json_object_agg(agency, registration_id ORDER BY agency)
    FROM made
    GROUP BY certificate_sha256, category, bidder_id
    ORDER BY certificate_sha256, category
    """
)

_RESULTS = text(
    """
    SELECT requested.agency, requested.registration_id, source.registration_id IS NOT NULL AS is_known,
        existing.registration_id
    FROM (
        SELECT DISTINCT agency, registration_id
        FROM unnest(CAST(:agencies AS text[]), CAST(:registrations AS uuid[])) AS request(agency, registration_id)
    ) AS requested
    LEFT JOIN registration AS source
        ON source.registration_id = requested.registration_id AND source.origin = 'contractor'
    LEFT JOIN binding ON binding.certificate_sha256 = source.certificate_sha256
        AND binding.category = source.category AND binding.bidder_id = source.bidder_id AND binding.ended_at IS NULL
    LEFT JOIN registration AS existing ON existing.agency = requested.agency AND existing.category = source.category
        AND existing.certificate_sha256 = source.certificate_sha256 AND existing.bidder_id = binding.bidder_id
    ORDER BY requested.agency, requested.registration_id
    """
)


async def insert_propagated(
    connection: AsyncConnection, requests: Sequence[AgencyPropagation], now: datetime
) -> Sequence[NewRegistrations]:
    """Makes the missing registrations, and returns them by card and category; existing ones are not changed."""
    rows = await connection.execute(_INSERT, {**_pairs(requests), "now": now})
    return [NewRegistrations(*row) for row in rows]


async def read_results(
    connection: AsyncConnection, requests: Sequence[AgencyPropagation]
) -> Sequence[PropagatedRegistration]:
    """Returns the result for each requested registration at each agency: an existing registration counts as done."""
    rows = await connection.execute(_RESULTS, _pairs(requests))
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

"""Registrations at further agencies, set by set: thousands of registrations times sixty agencies in two statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A registration is made where its source, the binding behind it, the card and the bidder all still stand. The binding
# is locked, so that it can't end in between. There is one order for all, so that two deliveries at once can't wait for
# each other.
_PROPAGATE = text(
    """
    WITH standing AS MATERIALIZED (
        SELECT source.registration_id, source.category, source.certificate_sha256, source.bidder_id
        FROM registration AS source
        JOIN binding ON binding.certificate_sha256 = source.certificate_sha256
            AND binding.category = source.category AND binding.bidder_id = source.bidder_id
            AND binding.ended_at IS NULL
        JOIN card ON card.certificate_sha256 = source.certificate_sha256
            AND card.revoked_at IS NULL AND card.not_after >= CAST(:now AS timestamptz)
        LEFT JOIN bidder ON bidder.bidder_id = source.bidder_id
        WHERE source.registration_id = ANY (CAST(:registrations AS uuid[])) AND source.origin = 'contractor'
            AND bidder.status IS DISTINCT FROM 'ended'
        ORDER BY source.certificate_sha256, source.category
        FOR SHARE OF binding
    ), made AS (
        INSERT INTO registration AS there (
            agency, category, certificate_sha256, registration_id, bidder_id, registered_at, origin,
            version_epoch, version_number
        )
        SELECT DISTINCT ON (wanted.agency, standing.category, standing.certificate_sha256)
            wanted.agency, standing.category, standing.certificate_sha256, gen_random_uuid(),
            standing.bidder_id, CAST(:now AS timestamptz), 'propagation', (SELECT epoch FROM epoch), 1
        FROM (
            SELECT DISTINCT agency, registration_id
            FROM unnest(CAST(:agencies AS text[]), CAST(:registrations AS uuid[])) AS given(agency, registration_id)
        ) AS wanted
        JOIN standing USING (registration_id)
        ORDER BY 1, 2, 3
        ON CONFLICT (agency, category, certificate_sha256) DO UPDATE SET
            registration_id = excluded.registration_id, bidder_id = excluded.bidder_id,
            registered_at = excluded.registered_at, origin = excluded.origin,
            version_epoch = excluded.version_epoch, version_number = excluded.version_number
            WHERE there.bidder_id <> excluded.bidder_id
        RETURNING agency, category, certificate_sha256, registration_id, bidder_id
    )
    INSERT INTO history (happened_at, who, what, certificate_sha256, category, agencies, bidder_id, before, after)
    SELECT CAST(:now AS timestamptz), CAST(:who AS text), 'propagated', certificate_sha256, category,
        array_agg(agency ORDER BY agency), bidder_id, CAST('{}' AS jsonb),
        jsonb_build_object('registrations', jsonb_object_agg(agency, registration_id))
    FROM made
    GROUP BY certificate_sha256, category, bidder_id
    RETURNING certificate_sha256, category, agencies
    """
)

_RESULTS = text(
    """
    SELECT wanted.agency, wanted.registration_id, source.registration_id IS NOT NULL AS is_known,
        there.registration_id AS there_id
    FROM (
        SELECT DISTINCT agency, registration_id
        FROM unnest(CAST(:agencies AS text[]), CAST(:registrations AS uuid[])) AS given(agency, registration_id)
    ) AS wanted
    LEFT JOIN registration AS source
        ON source.registration_id = wanted.registration_id AND source.origin = 'contractor'
    LEFT JOIN binding ON binding.certificate_sha256 = source.certificate_sha256
        AND binding.category = source.category AND binding.bidder_id = source.bidder_id AND binding.ended_at IS NULL
    LEFT JOIN registration AS there ON there.agency = wanted.agency AND there.category = source.category
        AND there.certificate_sha256 = source.certificate_sha256 AND there.bidder_id = binding.bidder_id
    ORDER BY wanted.agency, wanted.registration_id
    """
)


class Result(Enum):
    """What became of one registration at one further agency."""

    DONE = "done"
    CARD_NOT_GOOD = "card not good"
    REGISTRATION_UNKNOWN = "registration unknown"


@dataclass(frozen=True, slots=True)
class Propagated:
    """One registration at one further agency; `registration_id` is the one that stands there."""

    source_registration_id: UUID
    agency: str
    result: Result
    registration_id: UUID | None


@dataclass(frozen=True, slots=True)
class Made:
    """The registrations that were made just now for one card in one category."""

    certificate_sha256: bytes
    category: str
    agencies: Sequence[str]


async def propagate(
    connection: AsyncConnection, wanted: Sequence[tuple[str, Sequence[UUID]]], *, who: str, now: datetime
) -> tuple[Sequence[Propagated], Sequence[Made]]:
    """Makes the registrations that are wanted, by agency; says what became of each, and which were made now.

    What stands there already stays as it is and counts as done. The history gets one entry for each card and category.
    """
    pairs = [(agency, registration_id) for agency, ids in wanted for registration_id in ids]
    given = {
        "agencies": [agency for agency, _ in pairs],
        "registrations": [registration_id for _, registration_id in pairs],
    }
    made = await connection.execute(_PROPAGATE, {**given, "now": now, "who": who})
    new = [Made(row.certificate_sha256, row.category, row.agencies) for row in made]
    results = await connection.execute(_RESULTS, given)
    return [_propagated(*row) for row in results], new


def _propagated(agency: str, registration_id: UUID, is_known: bool, there_id: UUID | None) -> Propagated:
    if there_id is not None:
        return Propagated(registration_id, agency, Result.DONE, there_id)
    result = Result.CARD_NOT_GOOD if is_known else Result.REGISTRATION_UNKNOWN
    return Propagated(registration_id, agency, result, None)

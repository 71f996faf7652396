"""Registrations at further agencies, set by set: thousands of registrations times sixty agencies."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import text

from certificate_registry.domain.propagation import (
    NewRegistrations,
    PropagatedRegistration,
    PropagationResult,
    Requested,
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

# The agencies of each registration are places in one list of codes, ascending.
REQUEST = """
    request AS (
        SELECT registration_id, places
        FROM unnest(CAST(:registrations AS uuid[]), CAST(:places AS text[])) AS request(registration_id, places)
    ), requested AS (
        SELECT (CAST(:agencies AS text[]))[place] AS agency, registration_id, place
        FROM request
        CROSS JOIN LATERAL unnest(CAST(string_to_array(places, ' ') AS integer[])) AS place
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
        WHERE outcome.registration_id = ANY (CAST(:registrations AS uuid[]))
            AND card_state.suspended_because IS NULL
            AND coalesce(
                bidder_state.status = 'active' AND source.agency <> ALL (bidder_state.suspended_agencies), true
            )
    )
"""


def _write_insert(further: str, otherwise: str = "") -> Statement:
    """Returns a statement that makes the registrations of a table, one for each agency's place, and numbers the states.

    An id of its own for each, of the server's random numbers, would take a third of the time: those of a card differ in
    four digits.
    """
    return Statement(
        text(
            f"""
            WITH {REQUEST}, {VALID_SOURCES}, made AS (
                INSERT INTO registration (
                    certificate_sha256, category, agency, binding_number, registration_id, bidder_id, registered_at,
                    origin
                )
                SELECT certificate_sha256, category, (CAST(:agencies AS text[]))[place], binding_number,
                    CAST(overlay(random_id PLACING lpad(to_hex(place), 4, '0') FROM 1 FOR 4) AS uuid), bidder_id,
                    CAST(:now AS timestamptz), '{Origin.PROPAGATION.value}'
                FROM ({further}) AS further
                {otherwise}
                RETURNING agency, category, certificate_sha256, registration_id, bidder_id
            ), changed AS MATERIALIZED (
                SELECT certificate_sha256, category, bidder_id,
                    json_object_agg(agency, registration_id) AS registrations
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
                SELECT certificate_sha256, category, array_agg(CAST(registration_id AS text)) AS ids
                FROM valid
                GROUP BY 1, 2
            ) AS source USING (certificate_sha256, category)
            ORDER BY certificate_sha256, category
            """  # noqa: S608  # constants
        )
    )


# A registration is made only where the bidder is not suspended at the further agency either. One that exists at the
# agency stays as it is, good or not. Since the cards are locked, nobody else makes one meanwhile: looking once for each
# card takes half of the time of ON CONFLICT, which looks for each registration. A card may have several sources.
_INSERT = _write_insert(
    f"""
    SELECT certificate_sha256, category, binding_number, bidder_id, random_id, place
    FROM (
        SELECT certificate_sha256, category, binding_number, bidder_id, suspended_agencies,
            CAST(gen_random_uuid() AS text) AS random_id,
            CAST(string_to_array(string_agg(places, ' '), ' ') AS integer[]) AS places, ARRAY(
                SELECT existing.agency FROM registration AS existing
                WHERE existing.certificate_sha256 = valid.certificate_sha256
                    AND existing.category = valid.category AND existing.binding_number = valid.binding_number
            ) AS existing
        FROM valid JOIN request USING (registration_id)
        WHERE origin = '{Origin.CONTRACTOR.value}'
        GROUP BY certificate_sha256, category, binding_number, bidder_id, suspended_agencies
    ) AS card
    CROSS JOIN LATERAL (SELECT DISTINCT place FROM unnest(places) AS place ORDER BY place) AS place
    WHERE (CAST(:agencies AS text[]))[place] <> ALL (suspended_agencies || existing)
    """  # noqa: S608  # constants
)

# A renewal that takes over what was intended for the old card is made like a contractor's registration where that card
# is not registered.
_INSERT_TAKING_OVER = _write_insert(
    """
    SELECT certificate_sha256, category, binding_number, bidder_id, CAST(gen_random_uuid() AS text) AS random_id, place
    FROM valid JOIN requested USING (registration_id)
    WHERE valid.registration_id = ANY (CAST(:taking_over AS uuid[])) AND NOT valid.stays_here
        AND requested.agency <> ALL (valid.suspended_agencies)
        AND NOT EXISTS (
            SELECT FROM registration AS old
            WHERE old.certificate_sha256 = valid.predecessor AND old.category = valid.category
                AND old.agency = requested.agency AND old.state IN ('good', 'suspended')
        )
    """,
    "ON CONFLICT DO NOTHING",
)

_RESULTS = Statement(
    text(
        f"""
        WITH {REQUEST}, source AS MATERIALIZED (
            SELECT source.registration_id, source.certificate_sha256, source.category, source.binding_number,
                source.agency, bidder_state.status, bidder_state.suspended_agencies
            FROM request_outcome AS outcome
            JOIN registration AS source ON source.certificate_sha256 = outcome.certificate_sha256
                AND source.category = outcome.category AND source.agency = outcome.agency
                AND source.registration_id = outcome.registration_id
            LEFT JOIN bidder_state ON bidder_state.bidder_id = source.bidder_id
                AND bidder_state.category = source.category
            WHERE outcome.registration_id = ANY (CAST(:registrations AS uuid[]))
        )
        SELECT requested.agency, CAST(requested.registration_id AS text) AS source_registration_id,
            source.registration_id IS NOT NULL AS is_known,
            coalesce(
                source.status = 'suspended'
                OR source.status = 'active' AND ARRAY[source.agency, requested.agency] && source.suspended_agencies,
                false
            ) AS is_suspended,
            CAST(existing.registration_id AS text) AS existing_id
        FROM requested
        LEFT JOIN source ON source.registration_id = requested.registration_id
        LEFT JOIN registration AS existing ON existing.certificate_sha256 = source.certificate_sha256
            AND existing.category = source.category AND existing.agency = requested.agency
            AND existing.binding_number = source.binding_number AND existing.state = 'good'
        """  # noqa: S608  # constants
    )
)


async def lock_cards(connection: Connection, requested: Requested) -> tuple[bool, bool]:
    """Locks the rows of all cards concerned until the transaction ends.

    Returns whether a source is a contractor's registration, and whether one is a renewal.
    """
    row = await connection.fetch_row(_LOCK, registrations=list(requested))
    return row.has_registrations, row.has_renewals


async def insert_propagated(connection: Connection, requested: Requested, now: datetime) -> Sequence[NewRegistrations]:
    """Makes the missing registrations, and returns them by card and category; existing ones are not changed.

    Passes over renewals. Gives the state of each card with new ones its next version. The caller has locked all cards.
    """
    return [NewRegistrations(*row) for row in await connection.fetch_rows(_INSERT, **list_columns(requested), now=now)]


async def insert_taking_over(
    connection: Connection, requested: Requested, taking_over: Collection[str], now: datetime
) -> Sequence[NewRegistrations]:
    """Makes those of renewals that take over what was intended for the old card, where that one is not registered.

    Otherwise as `insert_propagated`.
    """
    columns = list_columns({source: agencies for source, agencies in requested.items() if source in taking_over})
    rows = await connection.fetch_rows(_INSERT_TAKING_OVER, **columns, taking_over=list(taking_over), now=now)
    return [NewRegistrations(*row) for row in rows]


async def read_results(connection: Connection, requested: Requested) -> Sequence[PropagatedRegistration]:
    """Returns the result for each requested registration: an existing good one counts as done."""
    rows = await connection.fetch_rows(_RESULTS, **list_columns(requested))
    return [_read_result(*row) for row in rows]


def list_columns(requested: Requested) -> dict[str, list[str]]:
    """Returns what is requested as the values of `REQUEST`."""
    agencies = sorted({agency for agencies in requested.values() for agency in agencies})
    place_of = {agency: place for place, agency in enumerate(agencies, start=1)}
    return {
        "agencies": agencies,
        "registrations": list(requested),
        "places": [
            " ".join(map(str, sorted(place_of[agency] for agency in agencies))) for agencies in requested.values()
        ],
    }


def _read_result(
    agency: str, source_registration_id: str, is_known: bool, is_suspended: bool, registration_id: str | None
) -> PropagatedRegistration:
    if registration_id is not None:
        result = PropagationResult.DONE
    elif not is_known:
        result = PropagationResult.REGISTRATION_UNKNOWN
    else:
        result = PropagationResult.BIDDER_SUSPENDED if is_suspended else PropagationResult.CARD_NOT_GOOD
    return PropagatedRegistration(source_registration_id, agency, result, registration_id)

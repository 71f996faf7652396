"""The lookups of ResolveUser: one indexed read for several cards."""

from collections.abc import Sequence

from sqlalchemy import text

from certificate_registry.domain.verdict import SHA256_BYTES, LookupKey, Resolution, Verdict
from servicekit.database import READ_ONLY
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Of the sessions: every key has the same plan, and planning again would cost more than the read.
SESSION = f"{READ_ONLY} -c plan_cache_mode=force_generic_plan -c jit=off"

# Of a bidder of whom no state was ever recorded, the last two conditions are NULL: its registration was proven when it
# was made, and its state is on its way.
_VERDICT = f"""
    CASE
        WHEN registration.state IS NULL THEN {Verdict.NOT_REGISTERED:d}
        WHEN registration.state = 'replaced' THEN {Verdict.CARD_REPLACED:d}
        WHEN registration.state = 'ended' THEN {Verdict.BINDING_ENDED:d}
        WHEN card.revoked_at IS NOT NULL OR card.distrusted_because = 'CERTIFICATE_REVOKED'
            THEN {Verdict.CERTIFICATE_REVOKED:d}
        WHEN card.not_after < now() THEN {Verdict.CERTIFICATE_EXPIRED:d}
        WHEN card.not_before > now() THEN {Verdict.CERTIFICATE_NOT_YET_VALID:d}
        WHEN card.distrusted_at IS NOT NULL OR card.trusted_until < now() THEN {Verdict.CERTIFICATE_NOT_TRUSTED:d}
        WHEN bidder_state.status = 'ended' THEN {Verdict.BIDDER_ENDED:d}
        WHEN registration.state = 'suspended' OR card_state.suspended_because IS NOT NULL
            THEN {Verdict.CARD_SUSPENDED:d}
        WHEN bidder_state.status = 'suspended' OR key.agency = ANY (bidder_state.suspended_agencies)
            THEN {Verdict.BIDDER_SUSPENDED:d}
        WHEN strpos(
            bidder_state.qualified_at[1 + width_bucket(now(), bidder_state.qualified_since)], ' ' || key.agency || ' '
        ) = 0 THEN {Verdict.NOT_QUALIFIED:d}
        WHEN registration.registered_at
            >= bidder_state.review_began_at[array_position(bidder_state.review_agencies, key.agency)]
            THEN {Verdict.UNDER_REVIEW:d}
        ELSE {Verdict.GOOD:d}
    END
"""

# Of several registrations of one card there, which rest on one binding each, the newest counts.
_JOINS = """
    LEFT JOIN LATERAL (
        SELECT certificate_sha256, category, state, bidder_id, registered_at, replaced_by, predecessor
        FROM registration
        WHERE registration.certificate_sha256 = key.certificate_sha256 AND registration.category = key.category
            AND registration.agency = key.agency
        ORDER BY binding_number DESC LIMIT 1
    ) AS registration ON true
    LEFT JOIN card ON card.certificate_sha256 = registration.certificate_sha256
    LEFT JOIN card_state ON card_state.certificate_sha256 = registration.certificate_sha256
        AND card_state.category = registration.category
    LEFT JOIN bidder_state ON bidder_state.bidder_id = registration.bidder_id
        AND bidder_state.category = registration.category
"""

_COLUMNS = f"""
    {_VERDICT} AS verdict, registration.bidder_id, now() AS as_of, card.revocation_as_of, registration.replaced_by,
    registration.predecessor
"""

RESOLVE_ONE = Statement(
    text(
        f"""
        SELECT {_COLUMNS}
        FROM (
            SELECT CAST(:agency AS text) AS agency, CAST(:category AS text) AS category,
                CAST(:certificate_sha256 AS bytea) AS certificate_sha256
        ) AS key
        {_JOINS}
        """  # noqa: S608  # constants only, no input
    )
)

# For several keys, in their order. Texts and bytes in a row cost psycopg a third of what three arrays cost.
_RESOLVE = Statement(
    text(
        f"""
        SELECT {_COLUMNS}
        FROM (
            SELECT agency, category, position, substr(
                CAST(:certificates_sha256 AS bytea), CAST(position - 1 AS integer) * {SHA256_BYTES} + 1, {SHA256_BYTES}
            ) AS certificate_sha256
            FROM unnest(string_to_array(:agencies, ' '), string_to_array(:categories, ' '))
                WITH ORDINALITY AS code(agency, category, position)
        ) AS key
        {_JOINS}
        ORDER BY key.position
        """  # noqa: S608  # constants only, no input
    )
)


async def resolve(connection: Connection, keys: Sequence[LookupKey]) -> Sequence[Resolution]:
    """Returns the resolution of each key, in their order; one too many where one of several codes has a space."""
    if len(keys) == 1:
        return [Resolution._make(await connection.fetch_row(RESOLVE_ONE, **keys[0]._asdict()))]
    agencies, categories, certificates = zip(*keys, strict=True)
    rows = await connection.fetch_rows(
        _RESOLVE,
        agencies=" ".join(agencies),
        categories=" ".join(categories),
        certificates_sha256=b"".join(certificates),
    )
    return [Resolution._make(row) for row in rows]

"""The lookups of ResolveUser: one indexed read, on connections that nothing else uses."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from certificate_registry.domain.verdict import LookupKey, Resolution, Verdict
from servicekit.database import READ_ONLY, RECONNECTION, prepare_connections

_TRIES = 2

_VERDICT = f"""
    CASE
        WHEN registration.state IS NULL THEN {Verdict.NOT_REGISTERED:d}
        WHEN registration.state IN ('ended', 'replaced') THEN {Verdict.BINDING_ENDED:d}
        WHEN card.revoked_at IS NOT NULL OR card.distrusted_because = 'CERTIFICATE_REVOKED'
            THEN {Verdict.CERTIFICATE_REVOKED:d}
        WHEN card.not_after < now() THEN {Verdict.CERTIFICATE_EXPIRED:d}
        WHEN card.not_before > now() THEN {Verdict.CERTIFICATE_NOT_YET_VALID:d}
        WHEN card.distrusted_at IS NOT NULL OR card.trusted_until < now() THEN {Verdict.CERTIFICATE_NOT_TRUSTED:d}
        WHEN bidder.status = 'ended' THEN {Verdict.BIDDER_ENDED:d}
        WHEN registration.state = 'suspended' OR card_state.suspended_because IS NOT NULL
            THEN {Verdict.CARD_SUSPENDED:d}
        WHEN bidder.status = 'suspended' THEN {Verdict.BIDDER_SUSPENDED:d}
        ELSE {Verdict.GOOD:d}
    END
"""

# Of several registrations of one card there, which rest on one binding each, the newest counts.
_JOINS = """
    LEFT JOIN LATERAL (
        SELECT certificate_sha256, category, state, bidder_id FROM registration
        WHERE registration.certificate_sha256 = key.certificate_sha256 AND registration.category = key.category
            AND registration.agency = key.agency
        ORDER BY binding_number DESC LIMIT 1
    ) AS registration ON true
    LEFT JOIN card ON card.certificate_sha256 = registration.certificate_sha256
    LEFT JOIN card_state ON card_state.certificate_sha256 = registration.certificate_sha256
        AND card_state.category = registration.category
    LEFT JOIN bidder ON bidder.bidder_id = registration.bidder_id
"""

# For a single key.
SINGLE = f"""
    SELECT {_VERDICT}, registration.bidder_id, now(), card.revocation_as_of
    FROM (VALUES (%b::text, %b::text, %b::bytea)) AS key(agency, category, certificate_sha256)
    {_JOINS}
"""  # noqa: S608  # constants only, no input

# For several keys, in the order of the keys.
SEVERAL = f"""
    SELECT {_VERDICT}, registration.bidder_id, now(), card.revocation_as_of
    FROM unnest(%b::text[], %b::text[], %b::bytea[]) WITH ORDINALITY
        AS key(agency, category, certificate_sha256, position)
    {_JOINS}
    ORDER BY key.position
"""  # noqa: S608  # constants only, no input


class LookupPool:
    """Connections for lookups only. Open it with `async with LookupPool.open(dsn, pool=4, patience=5) as pool`."""

    def __init__(self, connections: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        self.connections = connections

    @classmethod
    @asynccontextmanager
    async def open(
        cls, dsn: str, *, pool: int, patience: float, password_file: Path | None = None, pooled: bool = False
    ) -> AsyncIterator[Self]:
        """Opens at most `pool` connections, when needed; each waits `patience` seconds. Needs no running database.

        Behind a transaction pooler (`pooled`) nothing is prepared, whatever a query asks for.
        """
        session = prepare_connections(
            dsn,
            password_file=password_file,
            pooled=pooled,
            session=f"-c plan_cache_mode=force_generic_plan -c jit=off {READ_ONLY}",
        )
        connections: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=pool,
            timeout=patience,
            open=False,
            # Every key has the same plan; planning again would cost more than the read. A connection is not checked
            # before its use: that would be a second round trip for every query.
            kwargs=lambda: {"autocommit": True, "prepare_threshold": 0} | session(),
            **RECONNECTION,
        )
        await connections.open()
        try:
            yield cls(connections)
        finally:
            await connections.close()

    async def resolve(self, keys: Sequence[LookupKey]) -> Sequence[Resolution]:
        """Returns the resolution of each key, in their order. Raises psycopg.Error if the database does not answer."""
        for trial in range(_TRIES):
            try:
                async with self.connections.connection() as connection:
                    cursor = connection.cursor(binary=True)
                    if len(keys) == 1:
                        await cursor.execute(SINGLE, keys[0], prepare=True)
                    else:
                        await cursor.execute(
                            SEVERAL, [list(column) for column in zip(*keys, strict=True)], prepare=True
                        )
                    return [Resolution._make(row) for row in await cursor.fetchall()]
            except PoolTimeout:
                raise
            except psycopg.OperationalError:
                if trial + 1 == _TRIES:
                    raise
                # The database was restarted: all connections are dead, not only this one.
                await self.connections.check()
        raise AssertionError("the last try raises")

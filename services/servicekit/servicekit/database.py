"""One service's own database: SQLAlchemy Core for most things, psycopg for the hottest reads and for COPY."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, cast

import psycopg
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

# Jobs live in a schema of their own (design section 9), and their functions name their tables without it.
SEARCH_PATH = "-c search_path=public,jobs"


class Database:
    """The connections to one database. Open it with `async with Database.open(dsn) as database`."""

    def __init__(self, engine: AsyncEngine, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        self._engine = engine
        self._reads = engine.execution_options(isolation_level="AUTOCOMMIT")
        # Raw connections in autocommit mode, for reads that are worth it.
        self.pool = pool

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str, *, pool: int = 8) -> AsyncIterator[Self]:
        """Opens at most `pool` connections of each kind, lazily; closes them at the end.

        A database that is down is no error here, so that a service starts before its database.
        """
        url = make_url(dsn).set(drivername="postgresql+psycopg")
        engine = create_async_engine(
            url,
            pool_size=pool,
            max_overflow=0,
            pool_pre_ping=True,
            # The values of a statement are often personal data, and errors stand in the log.
            hide_parameters=True,
            connect_args={"options": SEARCH_PATH},
        )
        raw_pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=pool,
            open=False,
            check=AsyncConnectionPool.check_connection,
            kwargs={"autocommit": True, "options": SEARCH_PATH},
        )
        await raw_pool.open()
        try:
            yield cls(engine, raw_pool)
        finally:
            await raw_pool.close()
            await engine.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction (READ COMMITTED): commits at the end, rolls back on any exception."""
        async with self._engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for reads, each statement on its own snapshot."""
        async with self._reads.connect() as connection:
            yield connection


async def raw(connection: AsyncConnection) -> psycopg.AsyncConnection[Any]:
    """The psycopg connection under a SQLAlchemy one, in the same transaction; for COPY."""
    pooled = await connection.get_raw_connection()
    return cast("psycopg.AsyncConnection[Any]", pooled.driver_connection)

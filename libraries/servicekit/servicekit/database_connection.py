"""A connection to a service's database, and how it runs the service's statements."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Self

import psycopg
from psycopg.rows import namedtuple_row, tuple_row
from typing_extensions import override

from servicekit.statements import Statement

# Statements of a service by the types of their parameters: more than there are, so that none is prepared twice.
_MOST_PREPARED = 1000
# Seconds without use after which a connection may have been cut.
_IDLE = 1.0


class Connection(psycopg.AsyncConnection[Any]):
    """A connection in autocommit, or in a transaction of `servicekit.database.Database`. Rows are named tuples.

    Each statement is prepared at its first use, except behind a transaction pooler.
    """

    # The instant by the database's clock at which the transaction began; None outside of one.
    began_at: datetime | None = None
    _used_at = 0.0

    @override
    @classmethod
    async def connect(  # type: ignore[override]  # with arguments of its own
        cls, conninfo: str, *, settings: Callable[[], dict[str, Any]], note_attempt: Callable[[Exception | None], None]
    ) -> Self:
        """Connects with what `settings` returns now. Notes what it raises too: a pool waits, and does not tell why."""
        try:
            connection: Self = await super().connect(
                conninfo, autocommit=True, row_factory=namedtuple_row, **{"prepare_threshold": 0} | settings()
            )
        except Exception as error:
            note_attempt(error)
            raise
        note_attempt(None)
        connection.prepared_max = _MOST_PREPARED
        connection._used_at = time.monotonic()
        return connection

    async def fetch_row(self, statement: Statement, /, **values: Any) -> Any:
        """Returns the first row, or None where there is none."""
        cursor = await self.execute(statement.sql, statement.fill(values))
        return await cursor.fetchone()

    async def fetch_rows(self, statement: Statement, /, **values: Any) -> list[Any]:
        """Returns all rows."""
        cursor = await self.execute(statement.sql, statement.fill(values))
        return await cursor.fetchall()

    async def fetch_value(self, statement: Statement, /, **values: Any) -> Any:
        """Returns the first column of the first row, or None where there is none."""
        row = await self.fetch_row(statement, **values)
        return None if row is None else row[0]

    async def fetch_values(self, statement: Statement, /, **values: Any) -> list[Any]:
        """Returns the first column of all rows."""
        return [row[0] for row in await self.fetch_rows(statement, **values)]

    async def change(self, statement: Statement, /, **values: Any) -> int:
        """Runs a statement for what it changes; returns the number of rows that it wrote or deleted."""
        cursor = await self.execute(statement.sql, statement.fill(values))
        return cursor.rowcount

    async def begin(self) -> None:
        """Begins a transaction (READ COMMITTED) and reads the database's clock, in one round trip."""
        cursor = self.cursor(row_factory=tuple_row)
        await cursor.execute(b"BEGIN; SELECT now()", prepare=False)
        cursor.nextset()
        (self.began_at,) = await cursor.fetchone() or (None,)
        self._used_at = time.monotonic()

    async def end(self) -> None:
        """Commits the transaction. Raises psycopg.errors.InFailedSqlTransaction where a statement of it had failed."""
        if self.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
            # PostgreSQL answers such a COMMIT with a rollback and no error.
            raise psycopg.errors.InFailedSqlTransaction("a statement failed, so the transaction can't be committed")
        await self.commit()

    async def check_after_idleness(self) -> None:
        """Asks the server whether it is still there, after more than a second without use; raises psycopg.Error."""
        now = time.monotonic()
        if now - self._used_at > _IDLE:
            await self.execute(b"", prepare=False)
        self._used_at = now

"""A connection to a service's database, and how it runs the service's statements."""

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Mapping
from datetime import datetime
from typing import Any, Self

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row, tuple_row
from psycopg.waiting import READY_R, WAIT_R
from typing_extensions import override

from servicekit.statements import Statement

log = logging.getLogger(__name__)

# Statements of a service by the types of their parameters: more than there are, so that none is prepared twice.
_MOST_PREPARED = 1000
# Seconds without use after which a connection may have been cut.
_IDLE = 1.0
# Seconds that the server may take to end a statement whose caller is gone.
_CANCELLATION = 5.0
# psycopg's: seconds after which an interruption of the process is noticed.
_INTERVAL = 0.1
# Seconds after which a statement looks for its answer though nothing was said of the socket.
_LOOK_AGAIN = 1.0
_BEGIN = b"BEGIN; SELECT now()"
_BEGIN_SNAPSHOT = b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT now()"
# The number of no socket.
_NONE = -1


class _Cursor(psycopg.AsyncCursor[Any]):
    """The cursor of one statement on one connection: how its values and rows are converted is found out once."""

    def forget(self) -> None:
        """Frees rows and values, which may be personal data and large; what converts them is kept."""
        self._reset()
        self._tx.set_pgresult(None)


class Connection(psycopg.AsyncConnection[Any]):
    """A connection in autocommit, or in a transaction of `servicekit.database.Database`. Rows are named tuples.

    Each statement is prepared at its first use, except behind a transaction pooler.
    """

    # The instant by the database's clock at which the transaction began; None outside of one.
    began_at: datetime | None = None
    _used_at = 0.0
    # The socket that the event loop watches, and who waits for it.
    _watched = _NONE
    _waiter: asyncio.Future[None] | None = None
    _unasked: Callable[[], None] | None = None
    _cursors: dict[Statement, _Cursor]
    _beginning: _Cursor

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
        connection._cursors = {}
        connection._beginning = _Cursor(connection, row_factory=tuple_row)
        connection._used_at = time.monotonic()
        return connection

    async def fetch_row(self, statement: Statement, /, **values: Any) -> Any:
        """Returns the first row, or None where there is none."""
        cursor = await self._run(statement, values)
        row = await cursor.fetchone()
        cursor.forget()
        return row

    async def fetch_rows(self, statement: Statement, /, **values: Any) -> list[Any]:
        """Returns all rows."""
        cursor = await self._run(statement, values)
        rows = await cursor.fetchall()
        cursor.forget()
        return rows

    async def fetch_value(self, statement: Statement, /, **values: Any) -> Any:
        """Returns the first column of the first row, or None where there is none."""
        row = await self.fetch_row(statement, **values)
        return None if row is None else row[0]

    async def fetch_values(self, statement: Statement, /, **values: Any) -> list[Any]:
        """Returns the first column of all rows."""
        return [row[0] for row in await self.fetch_rows(statement, **values)]

    async def change(self, statement: Statement, /, **values: Any) -> int:
        """Runs a statement for what it changes; returns the number of rows that it wrote or deleted."""
        cursor = await self._run(statement, values)
        count = cursor.rowcount
        cursor.forget()
        return count

    async def begin(self) -> None:
        """Begins a transaction (READ COMMITTED) and reads the database's clock, in one round trip."""
        await self._begin(_BEGIN)

    async def begin_snapshot(self) -> None:
        """Begins a transaction (REPEATABLE READ, READ ONLY) and reads the database's clock, in one round trip."""
        await self._begin(_BEGIN_SNAPSHOT)

    async def _begin(self, statements: bytes) -> None:
        cursor = self._beginning
        await cursor.execute(statements, prepare=False)
        cursor.nextset()
        (self.began_at,) = await cursor.fetchone() or (None,)
        self._used_at = time.monotonic()

    async def end(self) -> None:
        """Commits the transaction. Raises psycopg.errors.InFailedSqlTransaction where a statement of it had failed."""
        if self.info.transaction_status == TransactionStatus.INERROR:
            # PostgreSQL answers such a COMMIT with a rollback and no error.
            raise psycopg.errors.InFailedSqlTransaction("a statement failed, so the transaction can't be committed")
        await self.commit()

    async def check_after_idleness(self) -> None:
        """Asks the server whether it is still there, after more than a second without use; raises psycopg.Error."""
        now = time.monotonic()
        if now - self._used_at > _IDLE:
            await self.execute(b"", prepare=False)
        self._used_at = now

    @override
    async def wait(
        self, gen: Generator[Any, Any, Any], interval: float = _INTERVAL, timeout: float | None = None
    ) -> Any:
        """Runs one exchange with the server, in the form of a generator of psycopg, and returns what that returns.

        psycopg has the event loop watch the socket anew for each answer, and a timer beside it, which together cost as
        much as a statement. Here the socket stays watched. What is no waiting for an answer is left to psycopg.
        """
        if timeout is None:
            try:
                state = next(gen)
                if state == WAIT_R:
                    return await self._wait_for_answers(gen)
                gen = _go_on(gen, state)
            except StopIteration as end:
                # Nothing was waited for, as in most rounds of a COPY; psycopg lets other tasks run now and then.
                gen = _return(end.value)
            except BaseException:
                self._stop_watching()
                raise
        self._stop_watching()
        return await super().wait(gen, interval, timeout)

    def note_unasked(self, note: Callable[[], None] | None) -> None:
        """Has `note` called while there is something from the server that no statement waits for; None ends that."""
        self._unasked = note
        # libpq closes a lost socket by itself, and the next one to be opened gets its number.
        self._stop_watching()
        if note is not None:
            self._watch()

    @override
    async def close(self) -> None:
        """Closes the connection."""
        self._stop_watching()
        await super().close()

    async def _run(self, statement: Statement, values: Mapping[str, Any]) -> _Cursor:
        cursor = self._cursors.get(statement)
        if cursor is None:
            cursor = self._cursors[statement] = _Cursor(self)
        try:
            await cursor.execute(statement.sql, statement.fill(values))
        except BaseException:
            self._cursors.pop(statement, None)
            raise
        return cursor

    async def _wait_for_answers(self, gen: Generator[Any, Any, Any]) -> Any:
        """Goes on with an exchange that waits for an answer."""
        loop = asyncio.get_running_loop()
        try:
            state = WAIT_R
            while state == WAIT_R:
                self._watch()
                self._waiter = loop.create_future()
                timer = loop.call_later(_LOOK_AGAIN, self._note_answer)
                try:
                    await self._waiter
                finally:
                    self._waiter = None
                    timer.cancel()
                state = gen.send(READY_R)
                if state == WAIT_R:
                    # libuv stops to watch a socket that has an error, without a word: what comes next would be missed.
                    self._stop_watching()
        except StopIteration as end:
            return end.value
        except asyncio.CancelledError:
            self._stop_watching()
            await self._cancel_statement(gen)
            raise
        except BaseException:
            # libpq may have closed the socket, and the next one to be opened gets its number.
            self._stop_watching()
            raise
        self._stop_watching()
        return await super().wait(_go_on(gen, state))

    def _note_answer(self) -> None:
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
        elif self._unasked is not None:
            self._unasked()
        else:
            # The server closed the connection, or says that it will.
            self._stop_watching()

    def _watch(self) -> None:
        socket = self.pgconn.socket
        if self._watched != socket:
            asyncio.get_running_loop().add_reader(socket, self._note_answer)
            self._watched = socket

    def _stop_watching(self) -> None:
        if self._watched != _NONE:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = _NONE

    async def _cancel_statement(self, gen: Generator[Any, Any, Any]) -> None:
        """Ends, as psycopg does, a statement whose caller is gone; closes the connection where that fails."""
        if self.info.transaction_status != TransactionStatus.ACTIVE:
            return
        try:
            await self.cancel_safe(timeout=_CANCELLATION)
            await super().wait(_go_on(gen, WAIT_R), timeout=_CANCELLATION)
        except psycopg.errors.QueryCanceled:
            pass
        except BaseException as error:
            log.warning("a statement could not be cancelled, so its connection is closed: %s", type(error).__name__)
            self.pgconn.finish()
            if not isinstance(error, Exception):
                raise


def _go_on(gen: Generator[Any, Any, Any], state: Any) -> Generator[Any, Any, Any]:
    """Returns the rest of an exchange that waits for a state of its socket."""
    try:
        while True:
            state = gen.send((yield state))
    except StopIteration as end:
        return end.value


def _return(value: Any) -> Generator[Any, Any, Any]:
    """Returns an exchange that is over."""
    yield from ()
    return value

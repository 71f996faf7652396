""" "Whose card is this, and is it good here, now?" (SYN-08): the hot read.

It is asked at every log-in of every e-bidding system, most of all in the last minutes before a deadline. Lookups that
arrive together go to the database together, in one query over their keys; it is sent when no more arrive for some turns
of the event loop, or when it is full. A lookup that comes alone goes at once, in its caller's own task. So a single
caller waits for nothing, and a crowd shares the way to the database.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple, Self

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from refusals import Code, Refusal
from servicekit.database import connection_settings

log = logging.getLogger(__name__)

# A query with this many keys is full.
MOST_KEYS = 24
# So many turns of the event loop without another lookup, and those that wait are sent: soon where one waits, later
# where they come together, because those of a crowd come turns apart.
QUIET_TURNS_ALONE = 2
QUIET_TURNS_IN_A_CROWD = 12
# While one query is on its way, what arrives waits for the next one, which is the fuller for it; only a full one
# follows at once, so that a query which hangs does not hold up a crowd. So many at the most are on their way.
MOST_QUERIES = 4
# A query without an answer for so long is given up, in seconds; the caller does better to ask again.
PATIENCE = 5.0
TRIES = 2


class Verdict(IntEnum):
    """What is to be done with a card at a log-in. GOOD lets it in; every other one says why not."""

    GOOD = 1
    NOT_REGISTERED = 2
    CERTIFICATE_EXPIRED = 3
    CERTIFICATE_NOT_YET_VALID = 4
    CERTIFICATE_REVOKED = 5
    BINDING_ENDED = 6
    BIDDER_SUSPENDED = 7
    BIDDER_ENDED = 8


class Resolved(NamedTuple):
    """A verdict (as its number), the bidder where it is GOOD, and the database's time at which it was true."""

    verdict: int
    bidder_id: str | None
    as_of: datetime


class Key(NamedTuple):
    """What is looked up; no text holds NUL, `certificate_sha256` has 32 bytes."""

    agency: str
    category: str
    certificate_sha256: bytes


_VERDICT = f"""
    CASE
        WHEN registration.bidder_id IS NULL THEN {Verdict.NOT_REGISTERED:d}
        WHEN binding.bidder_id IS NULL THEN {Verdict.BINDING_ENDED:d}
        WHEN card.revoked_at IS NOT NULL THEN {Verdict.CERTIFICATE_REVOKED:d}
        WHEN card.not_after < now() THEN {Verdict.CERTIFICATE_EXPIRED:d}
        WHEN card.not_before > now() THEN {Verdict.CERTIFICATE_NOT_YET_VALID:d}
        WHEN bidder.status = 'ended' THEN {Verdict.BIDDER_ENDED:d}
        WHEN bidder.status = 'suspended' THEN {Verdict.BIDDER_SUSPENDED:d}
        ELSE {Verdict.GOOD:d}
    END
"""

_JOINS = """
    LEFT JOIN registration ON registration.agency = key.agency AND registration.category = key.category
        AND registration.certificate_sha256 = key.certificate_sha256
    LEFT JOIN binding ON binding.certificate_sha256 = registration.certificate_sha256
        AND binding.category = registration.category AND binding.bidder_id = registration.bidder_id
        AND binding.ended_at IS NULL
    LEFT JOIN card ON card.certificate_sha256 = registration.certificate_sha256
    LEFT JOIN bidder ON bidder.bidder_id = registration.bidder_id
"""

# The one indexed read, for a single key.
SINGLE = f"""
    SELECT {_VERDICT}, binding.bidder_id, now()
    FROM (VALUES (%b::text, %b::text, %b::bytea)) AS key(agency, category, certificate_sha256)
    {_JOINS}
"""  # noqa: S608

# The same for several; answers come in the order of the keys.
SEVERAL = f"""
    SELECT {_VERDICT}, binding.bidder_id, now()
    FROM unnest(%b::text[], %b::text[], %b::bytea[]) WITH ORDINALITY
        AS key(agency, category, certificate_sha256, position)
    {_JOINS}
    ORDER BY key.position
"""  # noqa: S608


@dataclass(slots=True)
class _Waiting:
    key: Key
    answer: asyncio.Future[Resolved]


class Resolver:
    """Looks cards up. Open it with `async with Resolver.open(dsn, pool=4) as resolver`."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Waiting] = []
        self._turn_is_coming = False
        self._seen = 0
        self._quiet_turns = 0
        self._last_was_crowd = False
        self._running: set[asyncio.Task[Any]] = set()

    @classmethod
    @asynccontextmanager
    async def open(cls, dsn: str, *, pool: int, pooled: bool = False) -> AsyncIterator[Self]:
        """Opens at most `pool` connections, lazily. A database that is down is no error here.

        Behind a transaction pooler (`pooled`) nothing is prepared, whatever a query asks for.
        """
        session = connection_settings(dsn, pooled=pooled, session="-c plan_cache_mode=force_generic_plan -c jit=off")
        connections: AsyncConnectionPool[psycopg.AsyncConnection[Any]] = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=pool,
            timeout=PATIENCE,
            open=False,
            # Every key has the same plan; making one anew would cost more than the read itself. A connection is not
            # checked before its use: that would be a second way to the database for every query.
            kwargs={"autocommit": True, "prepare_threshold": 0} | session,
        )
        await connections.open()
        try:
            resolver = cls(connections)
            yield resolver
            await asyncio.gather(*resolver._running, return_exceptions=True)
        finally:
            await connections.close()

    async def resolve(self, key: Key) -> Resolved:
        """The verdict on a card. Raises REGISTRY_UNAVAILABLE where the database does not answer."""
        if not (self._waiting or self._running or self._last_was_crowd):
            return await self._resolve_alone(key)
        answer: asyncio.Future[Resolved] = self._loop.create_future()
        self._waiting.append(_Waiting(key, answer))
        if not self._turn_is_coming:
            self._look_again()
        return await answer

    async def _resolve_alone(self, key: Key) -> Resolved:
        """Nobody else asks, so the caller goes to the database itself; who comes meanwhile waits for the next query."""
        asking = asyncio.current_task()
        assert asking is not None  # noqa: S101 (a coroutine runs in a task)
        self._running.add(asking)
        try:
            async with asyncio.timeout(PATIENCE):
                return (await self._ask([key]))[0]
        except (psycopg.Error, TimeoutError) as error:
            log.error("cards can't be looked up: %s", type(error).__name__)
            raise _unavailable() from error
        finally:
            self._sent(asking)

    def _look_again(self) -> None:
        self._turn_is_coming = True
        self._seen = self._quiet_turns = 0
        self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        arrived = len(self._waiting)
        if self._running and (arrived < MOST_KEYS or len(self._running) >= MOST_QUERIES):
            # The next query that comes back looks again.
            self._turn_is_coming = False
            return
        if arrived == self._seen:
            self._quiet_turns += 1
        else:
            self._seen, self._quiet_turns = arrived, 0
        is_crowd = self._last_was_crowd or arrived > 1
        quiet_turns = QUIET_TURNS_IN_A_CROWD if is_crowd else QUIET_TURNS_ALONE
        if arrived < MOST_KEYS and self._quiet_turns < quiet_turns:
            self._loop.call_soon(self._turn)
            return
        self._turn_is_coming = False
        self._send()

    def _send(self) -> None:
        batch, self._waiting = self._waiting[:MOST_KEYS], self._waiting[MOST_KEYS:]
        self._last_was_crowd = len(batch) > 1
        task = self._loop.create_task(self._answer(batch))
        self._running.add(task)
        task.add_done_callback(self._sent)
        if self._waiting:
            self._look_again()

    def _sent(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if self._waiting and not self._turn_is_coming:
            self._look_again()

    async def _answer(self, batch: list[_Waiting]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await self._ask([waiting.key for waiting in batch])
        except (psycopg.Error, TimeoutError) as error:
            if len(batch) > 1 and not isinstance(error, psycopg.OperationalError | TimeoutError):
                # One key that the database can't read must not fail the others.
                for waiting in batch:
                    await self._answer([waiting])
                return
            log.error("cards can't be looked up: %s", type(error).__name__)
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(_unavailable())
        except BaseException as error:
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            raise
        else:
            for waiting, resolved in zip(batch, found, strict=True):
                # Whoever asked may have gone meanwhile.
                if not waiting.answer.done():
                    waiting.answer.set_result(resolved)

    async def _ask(self, keys: Sequence[Key]) -> Sequence[Resolved]:
        for trial in range(TRIES):
            try:
                async with self._pool.connection() as connection:
                    cursor = connection.cursor(binary=True)
                    if len(keys) == 1:
                        await cursor.execute(SINGLE, keys[0], prepare=True)
                    else:
                        await cursor.execute(
                            SEVERAL, [list(column) for column in zip(*keys, strict=True)], prepare=True
                        )
                    return [Resolved._make(row) for row in await cursor.fetchall()]
            except PoolTimeout:
                raise
            except psycopg.OperationalError:
                if trial + 1 == TRIES:
                    raise
                # The database was started again: all connections are dead, not this one alone.
                await self._pool.check()
        raise AssertionError("the last try raises")


def _unavailable() -> Refusal:
    return Refusal("REGISTRY_UNAVAILABLE", Code.UNAVAILABLE)

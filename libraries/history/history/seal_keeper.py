"""All entries are sealed, soon after they were written: one head for what was written within GATHER seconds.

A registry in which nothing happens costs nothing: one connection listens, and the database says when entries were
committed. What was committed while nobody listened is found by the look that follows each beginning to listen.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from history.entries import Chain
from history.heads import MOST_ENTRIES
from history.sealing import seal_batch
from history.tables import CHANNEL
from servicekit.database import Database, prepare_connections
from servicekit.database_connection import Connection
from servicekit.signed_statement import SigningKey

log = logging.getLogger(__name__)

# Seconds from the news of an entry until all that is there is sealed; entries may wait five.
GATHER = 2.0
# Seconds until the next attempt where the database is away, or a batch could not be sealed.
TRY_AGAIN_AFTER = 1.0
# Seconds that what follows a seal may take.
LONGEST_TELLING = 5.0


@asynccontextmanager
async def keep_sealed(
    database: Database,
    chain: Chain,
    key: SigningKey,
    *,
    dsn: str,
    password_file: Path | None = None,
    after_seal: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[None]:
    """Seals what there is and what comes until the block ends. Several processes may do so at a time.

    `dsn` is the direct address of the same database, for the connection that listens. `after_seal` is called at the
    beginning and after each seal; what it raises is logged, and the next entries are sealed all the same.
    """
    settings = prepare_connections(dsn, password_file=password_file)

    async def connect() -> Connection:
        return await Connection.connect(dsn, settings=settings, note_attempt=lambda _failure: None)

    sealing = asyncio.create_task(_keep_sealed(database, chain, key, connect, after_seal))
    try:
        yield
    finally:
        sealing.cancel()
        await asyncio.wait([sealing])


async def _keep_sealed(
    database: Database,
    chain: Chain,
    key: SigningKey,
    connect: Callable[[], Awaitable[Connection]],
    after_seal: Callable[[], Awaitable[None]] | None,
) -> None:
    is_failing = False
    is_told = False
    while True:
        try:
            async with await connect() as connection:
                await connection.execute(f"LISTEN {CHANNEL}".encode(), prepare=False)
                while True:
                    while sealed := await seal_batch(database, chain, key):
                        is_told = False
                        if sealed < MOST_ENTRIES:
                            break
                    if is_failing:
                        log.info("the history is sealed again")
                        is_failing = False
                    if after_seal is not None and not is_told:
                        is_told = await _tell(after_seal)
                    await _wait_for_news(connection)
                    await asyncio.sleep(GATHER)
        except Exception as error:  # What was not sealed stays where the next attempt finds it.
            if not is_failing:
                # Such an error's text has values.
                log.error("the history can't be sealed, it is tried again: %s", type(error).__name__)
            is_failing = True
        await asyncio.sleep(TRY_AGAIN_AFTER)


async def _tell(after_seal: Callable[[], Awaitable[None]]) -> bool:
    """Returns whether that was done in time."""
    try:
        async with asyncio.timeout(LONGEST_TELLING):
            await after_seal()
    except Exception as error:
        log.warning("what follows a seal of the history was not done: %s", type(error).__name__)
        return False
    return True


async def _wait_for_news(connection: Connection) -> None:
    """Waits until something was written since the last call; raises psycopg.Error where the connection is lost."""
    # Not by psycopg's `notifies`, which wakes up ten times a second.
    has_input = asyncio.Event()
    while True:
        has_news = False
        while connection.pgconn.notifies() is not None:
            has_news = True
        if has_news:
            return
        has_input.clear()
        connection.note_unasked(has_input.set)
        try:
            await has_input.wait()
        finally:
            connection.note_unasked(None)
        connection.pgconn.consume_input()

"""Metrics that are read from a service's database.

They are read periodically, never during a scrape, so that a slow database does not delay scrapes and frequent scrapes
do not load the database.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from prometheus_client import Gauge

from servicekit.clock import now
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.database_connection import Connection
from servicekit.metrics import Metrics, Snapshot

log = logging.getLogger(__name__)

# Reads values from the database and stores them for the scrapes.
Look = Callable[[Connection], Awaitable[None]]
# Seconds between two readings, and the timeout of one.
LOOK_INTERVAL = 15.0
LOOK_TIMEOUT = 10.0

# A difference of clocks that is logged, in seconds: more than NTP leaves, and less than a challenge or a claim lasts.
MOST_CLOCK_DIFFERENCE = 60.0


@asynccontextmanager
async def keep_refreshed(
    metrics: Metrics, database: Database, *looks: Look, interval: float = LOOK_INTERVAL
) -> AsyncIterator[None]:
    """Reads from the database at once and then every `interval` seconds until the block ends.

    Does nothing where metrics are not served.

    Compares the clocks of process and database too. While the database does not answer, all values remain,
    `toroku_database_read_timestamp_seconds` too, and the log says so once.
    """
    if not metrics.is_served:
        yield
        return
    succeeded = Gauge(
        "toroku_database_read_timestamp_seconds",
        "When the gauges were last read from the database, in Unix time; 0 for never",
        registry=metrics.registry,
    )
    clock = _ClockDifference(metrics)
    refreshing = asyncio.create_task(_refresh(database, [clock.look, *looks], succeeded, interval))
    try:
        yield
    finally:
        refreshing.cancel()
        await asyncio.wait([refreshing])


class _ClockDifference:
    """How far the clock of this process is ahead of the database's."""

    def __init__(self, metrics: Metrics) -> None:
        self._seconds = Snapshot(
            metrics,
            "toroku_clock_difference_seconds",
            "How far the clock of the process is ahead of its database's, in seconds; negative where it is behind",
            (),
        )
        self._is_wrong = False

    async def look(self, connection: Connection) -> None:
        """Compares the clocks; logs once that they differ, and once that they agree again."""
        asked_at = now()
        of_database = await read_time(connection)
        # The database read its clock between asking and answering.
        seconds = (asked_at - of_database + (now() - asked_at) / 2).total_seconds()
        self._seconds.replace({(): seconds})
        is_wrong = abs(seconds) > MOST_CLOCK_DIFFERENCE
        if is_wrong and not self._is_wrong:
            log.error(
                "the clock of this machine is %.0f seconds %s the database's; correct the wrong one (see NTP)",
                abs(seconds),
                "ahead of" if seconds > 0 else "behind",
            )
        elif self._is_wrong and not is_wrong:
            log.info("the clocks of this machine and of the database agree again")
        self._is_wrong = is_wrong


async def _refresh(database: Database, looks: Sequence[Look], succeeded: Gauge, interval: float) -> None:
    is_answering = True
    while True:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT), database.read() as connection:
                for look in looks:
                    await look(connection)
        except Exception as error:  # No failure here may stop the process; the next reading may succeed.
            if is_answering:
                log.warning("metrics keep their last values, the database can't be read: %s", type(error).__name__)
            is_answering = False
        else:
            if not is_answering:
                log.info("metrics are read from the database again")
            is_answering = True
            succeeded.set_to_current_time()
        await asyncio.sleep(interval)

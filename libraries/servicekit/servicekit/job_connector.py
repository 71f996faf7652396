"""How a worker reaches its database: every connection with the password of that moment, for as long as it takes."""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import procrastinate
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException
from psycopg_pool import AsyncConnectionPool
from typing_extensions import override

from servicekit.database import RECONNECTION, prepare_connections

log = logging.getLogger(__name__)

# Connections of a worker process, in addition to those that its tasks use.
MOST_CONNECTIONS = 8
# Seconds between two attempts to listen for new jobs.
_LISTEN_AGAIN_AFTER = 1.0


class JobConnector(procrastinate.PsycopgConnector):
    """The connections of a worker, beside those of its tasks."""

    def __init__(self, dsn: str, password_file: Path | None) -> None:
        # Whether the database was out of reach for some seconds, at any time.
        self.has_lost_database = False
        super().__init__(
            conninfo=dsn,
            # A function: the pool and the listening connection call it for every connection.
            kwargs=prepare_connections(dsn, password_file=password_file),
            min_size=1,
            max_size=MOST_CONNECTIONS,
            # Seconds that a query waits for a connection: longer than a short failover, shorter than a stop may take.
            timeout=15,
            **{**RECONNECTION, "reconnect_failed": self._note_loss},
        )

    async def _note_loss(self, pool: AsyncConnectionPool[Any]) -> None:
        self.has_lost_database = True
        await RECONNECTION["reconnect_failed"](pool)

    @override
    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """Listens for new jobs until it is cancelled. While that is not possible, workers ask for jobs every second."""
        names = list(channels)
        while True:
            try:
                await super().listen_notify(on_notification=on_notification, channels=names)
            except ConnectorException:
                # The end of this task would end its worker.
                log.warning("cannot listen for new jobs; trying again")
                await asyncio.sleep(_LISTEN_AGAIN_AFTER)

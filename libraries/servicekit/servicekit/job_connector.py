"""How a worker reaches its database: every connection with the password of that moment, for as long as it takes."""

import logging
from pathlib import Path
from typing import Any

import procrastinate
import psycopg
from psycopg_pool import AsyncConnectionPool

from servicekit.database import RECONNECTION, prepare_connections
from servicekit.database_connection import Connection

log = logging.getLogger(__name__)

# Connections of a worker process, in addition to those that its tasks use and to the one by which it listens.
MOST_CONNECTIONS = 8
# Seconds without a database after which jobs are not run: longer than a short failover, shorter than a stop may take.
PATIENCE = 15.0


class JobConnector(procrastinate.PsycopgConnector):
    """The connections of a worker, beside those of its tasks."""

    def __init__(self, dsn: str, password_file: Path | None) -> None:
        self._dsn = dsn
        self._arguments: dict[str, Any] = {
            "settings": prepare_connections(dsn, password_file=password_file),
            # Whoever waits for a connection fails with PATIENCE, and not with the first attempt.
            "note_attempt": lambda _failure: None,
        }
        super().__init__(
            pool_factory=_open_pool,
            conninfo=dsn,
            connection_class=Connection,
            kwargs=self._arguments,
            min_size=1,
            max_size=MOST_CONNECTIONS,
            timeout=PATIENCE,
            **RECONNECTION,
        )

    async def connect(self) -> Connection:
        """Opens the connection that listens, which is the caller's; raises psycopg.Error."""
        try:
            return await Connection.connect(self._dsn, **self._arguments)
        except psycopg.Error:
            log.warning("cannot listen for new jobs; trying again")
            raise


def _open_pool(**arguments: Any) -> AsyncConnectionPool[Any]:
    # procrastinate would ask before each query whether the connection still stands.
    return AsyncConnectionPool(**arguments | {"check": Connection.check_after_idleness})

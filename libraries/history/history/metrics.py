"""The metric of what waits to be sealed; an alert says when sealing has stopped."""

from sqlalchemy import text

from servicekit.database_clock import read_time
from servicekit.database_connection import Connection
from servicekit.metrics import Metrics, Snapshot
from servicekit.statements import Statement

_OLDEST_UNSEALED = Statement(
    text(
        """
        SELECT happened_at FROM history_entry
        WHERE number = (SELECT number FROM history_unsealed ORDER BY number LIMIT 1)
        """
    )
)


class SealMetrics:
    """How long the oldest entry has waited to be sealed, as the database has it for all sealers."""

    def __init__(self, metrics: Metrics) -> None:
        self._seconds = Snapshot(
            metrics,
            "toroku_history_oldest_unsealed_seconds",
            "Age of the oldest entry of the history that is not sealed, in seconds; 0 where all are sealed",
            (),
        )

    async def look(self, connection: Connection) -> None:
        """Reads the oldest entry without a position; for `Metrics.refreshed`."""
        happened_at = await connection.fetch_value(_OLDEST_UNSEALED)
        seconds = 0.0 if happened_at is None else (await read_time(connection) - happened_at).total_seconds()
        self._seconds.replace({(): seconds})

"""The metric of the registrations that a registry refuses to propagate."""

from agency_sync.store import intentions
from servicekit.database_connection import Connection
from servicekit.metrics import Metrics, Snapshot


class PropagationMetrics:
    """How many registrations, renewals and changes wait alone, because a peer refused to propagate them."""

    def __init__(self, metrics: Metrics) -> None:
        self._postponed = Snapshot(
            metrics,
            "toroku_propagations_postponed",
            "Acts whose propagation a peer refused; each is tried again after up to an hour",
            (),
        )

    async def look(self, connection: Connection) -> None:
        """Counts them; for `Metrics.refreshed`."""
        self._postponed.replace({(): await intentions.count_refused(connection)})

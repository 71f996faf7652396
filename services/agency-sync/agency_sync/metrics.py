"""The metric of the registrations that a registry refuses to propagate."""

from agency_sync.store import intentions
from servicekit.database_connection import Connection
from servicekit.metrics import Metrics, Snapshot


class PropagationMetrics:
    """How many registrations wait alone, because a registry refused to propagate them."""

    def __init__(self, metrics: Metrics) -> None:
        self._postponed = Snapshot(
            metrics,
            "toroku_propagations_postponed",
            "Registrations whose propagation a registry refused; each is tried again after up to an hour",
            (),
        )

    async def look(self, connection: Connection) -> None:
        """Counts them; for `Metrics.refreshed`."""
        self._postponed.replace({(): await intentions.count_refused(connection)})

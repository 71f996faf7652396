"""The metrics of what a registry refuses to propagate, and of the subscribers that are behind."""

from agency_sync.store import feed_reading, intentions
from servicekit.database_connection import Connection
from servicekit.metrics import Ages, Metrics, Snapshot


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


# Subscribers of which a metric tells; the furthest behind.
_MOST_SUBSCRIBERS = 200


class FeedMetrics:
    """Since when an entry waits that a subscriber has not acknowledged; none of one that has everything."""

    def __init__(self, metrics: Metrics) -> None:
        self._waiting = Ages(
            metrics,
            "toroku_feed_subscriber_behind_seconds",
            "How long the first entry has waited that an agency's system has not acknowledged; missing where none has",
            ("agency", "category", "subscriber"),
        )

    async def look(self, connection: Connection) -> None:
        """Reads them; for `Metrics.refreshed`."""
        lags = await feed_reading.list_lags(connection, most=_MOST_SUBSCRIBERS)
        self._waiting.since({(lag.agency, lag.category, lag.subscriber): lag.since for lag in lags})

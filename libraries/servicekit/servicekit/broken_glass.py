"""Calls of officers who stand in the file of callers: for the first day and for emergencies, so each one is noticed."""

import logging

from prometheus_client import Counter

from servicekit.identity import Caller
from servicekit.metrics import Metrics

log = logging.getLogger(__name__)


class BrokenGlass:
    """Logs each such call as a warning and, with metrics, counts it."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._calls: Counter | None = None
        if metrics is not None:
            self._calls = Counter(
                "toroku_broken_glass_calls",
                "Calls of officers who stand in the file of callers",
                registry=metrics.registry,
            )

    def note(self, caller: Caller, method: str) -> None:
        """Notes a call."""
        log.warning("%s is called by %s, an officer of the file of callers (broken glass)", method, caller.name)
        if self._calls is not None:
            self._calls.inc()

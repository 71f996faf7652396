"""Counts of calls by outcome, and their durations, formatted only when metrics are scraped.

They are on the hottest path: prometheus_client's counters take a lock for each step, together 1.2 microseconds a call;
these take 0.25. Only the event loop's thread changes them; a reader in another thread copies the dict or list first.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from refusals.catalogue import UNKNOWN, list_reasons

OK = "OK"
CANCELLED = "CANCELLED"
INTERNAL_FAILURE = "INTERNAL_FAILURE"

# Upper bounds in seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BOUNDS = (*map(str, BUCKETS), "+Inf")


class _Durations:
    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.buckets = [0] * len(_BOUNDS)


class Counts(Collector):
    """The calls of one process, for metrics, and for the log when the process ends.

    Calls to `methods` are shown from the start, with zeros, so that a rate sees the first failure as an increase.
    """

    def __init__(self, methods: Iterable[str] = ()) -> None:
        self._calls: dict[tuple[str, str], int] = {}
        self._durations: dict[str, _Durations] = {}
        for method in methods:
            self.show(method)

    def show(self, method: str) -> None:
        """Shows a method from now on, with zeros."""
        self._durations.setdefault(method, _Durations())
        for outcome in (OK, INTERNAL_FAILURE):
            self._calls.setdefault((method, outcome), 0)

    def add(self, method: str, outcome: str, seconds: float) -> None:
        """Counts one call to an existing method; `outcome` is OK, CANCELLED or a reason."""
        try:
            self._calls[method, outcome] += 1
        except KeyError:
            key = (method, known_outcome(outcome))
            self._calls[key] = self._calls.get(key, 0) + 1
        durations = self._durations.get(method)
        if durations is None:
            durations = self._durations[method] = _Durations()
        durations.seconds += seconds
        durations.buckets[bisect_left(BUCKETS, seconds)] += 1

    def lines(self) -> list[str]:
        """Returns one line per method and outcome for the log, without zeros."""
        return [f"{method} {outcome}: {count}" for (method, outcome), count in sorted(self._calls.items()) if count]

    @override
    def collect(self) -> Iterator[Metric]:
        """Yields the metrics of a scrape."""
        calls = CounterMetricFamily("toroku_calls", "Calls that ended, by outcome", labels=("method", "outcome"))
        for labels, count in self._calls.copy().items():
            calls.add_metric(labels, count)
        yield calls
        seconds = HistogramMetricFamily("toroku_call_seconds", "How long calls took, in seconds", labels=("method",))
        for method, durations in self._durations.copy().items():
            buckets = zip(_BOUNDS, accumulate(durations.buckets.copy()), strict=True)
            seconds.add_metric((method,), list(buckets), durations.seconds)
        yield seconds


def known_outcome(outcome: str) -> str:
    """Returns the outcome, or UNKNOWN_REASON if it is not in the catalogue: a peer must not create new series."""
    return outcome if outcome in (OK, CANCELLED) or outcome in list_reasons() else UNKNOWN

"""How many calls ended how, and how long they took: counted on the hottest path, put into form when metrics are read.

The counters of prometheus_client take a lock for each step, 1.2 microseconds a call together; these take 0.25, and
only the event loop's thread changes them. Whoever reads them from another thread copies a dict or a list at once.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from refusals.catalogue import UNKNOWN, catalogue

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
    """The calls of one process; shown by metrics, and in the log when the process ends.

    Calls to `methods` are shown from the start, with zeros: a rate has to see a first failure as an increase.
    """

    def __init__(self, methods: Iterable[str] = ()) -> None:
        self._calls: dict[tuple[str, str], int] = {}
        self._durations: dict[str, _Durations] = {}
        for method in methods:
            self._durations[method] = _Durations()
            self._calls[method, OK] = self._calls[method, INTERNAL_FAILURE] = 0

    def add(self, method: str, outcome: str, seconds: float) -> None:
        """Counts one call to a method that there is; `outcome` is OK, CANCELLED or a reason of the catalogue."""
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
        """One line per method and outcome that came, for the log."""
        return [f"{method} {outcome}: {count}" for (method, outcome), count in sorted(self._calls.items()) if count]

    def collect(self) -> Iterator[Metric]:
        """What a scrape gets."""
        calls = CounterMetricFamily("toroku_calls", "Calls that ended, by outcome", labels=("method", "outcome"))
        for labels, count in self._calls.copy().items():
            calls.add_metric(labels, count)
        yield calls
        taken = HistogramMetricFamily("toroku_call_seconds", "How long calls took, in seconds", labels=("method",))
        for method, durations in self._durations.copy().items():
            buckets = zip(_BOUNDS, accumulate(durations.buckets.copy()), strict=True)
            taken.add_metric((method,), list(buckets), durations.seconds)
        yield taken


def known_outcome(outcome: str) -> str:
    """The outcome, or UNKNOWN_REASON for one that this version has no words for: what a peer sends makes no series."""
    return outcome if outcome in (OK, CANCELLED) or outcome in catalogue() else UNKNOWN

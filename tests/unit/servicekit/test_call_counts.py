"""Counts of calls, in metrics and in the log."""

from prometheus_client import CollectorRegistry

from servicekit.call_counts import BUCKETS, Counts
from tests.support.scrape import Scrape, read_registry

METHOD = "/tests.Service/Method"


def of(counts: Counts) -> Scrape:
    registry = CollectorRegistry()
    registry.register(counts)
    return read_registry(registry)


def buckets(scrape: Scrape) -> list[float]:
    found = scrape.by_label("toroku_call_seconds_bucket", "le")
    return [found[bound] for bound in (*map(str, BUCKETS), "+Inf")]


def test_call_is_counted_in_the_bucket_of_its_duration_and_all_longer_ones() -> None:
    counts = Counts([METHOD])
    for seconds in (0.0009, 0.001, 0.0011, 0.3, 10.0, 11.0):
        counts.add(METHOD, "OK", seconds)
    scrape = of(counts)
    assert buckets(scrape) == [2, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 5, 6]
    assert scrape.value("toroku_call_seconds_count", method=METHOD) == 6
    assert scrape.value("toroku_call_seconds_sum", method=METHOD) == 0.0009 + 0.001 + 0.0011 + 0.3 + 10 + 11


def test_uncalled_methods_are_shown_but_not_logged() -> None:
    counts = Counts([METHOD])
    scrape = of(counts)
    assert scrape.by_label("toroku_calls_total", "outcome") == {"OK": 0, "INTERNAL_FAILURE": 0}
    assert buckets(scrape) == [0] * 14
    assert counts.lines() == []


def test_outcomes_are_counted_separately_and_logged_in_order() -> None:
    counts = Counts([METHOD])
    for outcome in ("OK", "BIDDER_UNKNOWN", "OK", "CANCELLED"):
        counts.add(METHOD, outcome, 0.001)
    assert counts.lines() == [f"{METHOD} BIDDER_UNKNOWN: 1", f"{METHOD} CANCELLED: 1", f"{METHOD} OK: 2"]
    found = of(counts).by_label("toroku_calls_total", "outcome")
    assert found == {"OK": 2, "INTERNAL_FAILURE": 0, "BIDDER_UNKNOWN": 1, "CANCELLED": 1}


def test_unknown_reasons_share_one_series() -> None:
    counts = Counts([METHOD])
    for number in range(3):
        counts.add(METHOD, f"INVENTED_{number}", 0.001)
    assert of(counts).by_label("toroku_calls_total", "outcome") == {"OK": 0, "INTERNAL_FAILURE": 0, "UNKNOWN_REASON": 3}

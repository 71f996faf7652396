"""The page about metrics and the alert rules refer to existing metrics only, and the page lists all."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from agency_sync.metrics import FeedMetrics, PropagationMetrics
from certificate_registry.adapters.judgement_pool import JudgementPool, PoolBounds
from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.metrics import CardTrustMetrics, JudgementMetrics, RevocationListMetrics
from contact_notification.metrics import ContactMetrics, MailMetrics
from history.metrics import SealMetrics
from qualification_registry.metrics import RosterMetrics
from servicekit import jobs
from servicekit.broken_glass import BrokenGlass
from servicekit.call_counts import Counts
from servicekit.connections import ConnectionWatch
from servicekit.database import Database
from servicekit.database_metrics import keep_refreshed
from servicekit.job_metrics import JobMetrics
from servicekit.metrics import Metrics
from tests.support.example_profile import example_profile
from tests.support.scrape import metrics_settings

PAGE = Path("docs/howto/watch-an-instance.md")
RULES = Path("docs/howto/alerts.yaml")
# The labels that the scrape configuration gives, as the page says.
OF_TARGETS = {"namespace", "service", "component"}
NAME = re.compile(r"\btoroku_[a-z_]+\b")
_ROW = re.compile(r"^\| `(toroku_[a-z_]+)` \| (.*?) \|", re.MULTILINE)
_SELECTOR = re.compile(r"\b(toroku_[a-z_]+)\{([^}]*)\}")
# The suffixes that Prometheus adds, by the type of a metric.
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


@pytest.fixture
async def registry(tmp_path: Path) -> CollectorRegistry:
    """The metrics of all processes, in one registry."""
    async with Metrics.open("front-door", metrics_settings(tmp_path)) as metrics:
        JobMetrics(metrics, jobs.Work())
        RevocationListMetrics(metrics, TrustStoreCache([]))
        CardTrustMetrics(metrics, TrustStoreCache([]))
        JudgementMetrics(metrics, JudgementPool([], PoolBounds(processes=1, most=1, timeout=1)))
        metrics.registry.register(ConnectionWatch({}))
        BrokenGlass(metrics)
        RosterMetrics(metrics, example_profile())
        MailMetrics(metrics)
        ContactMetrics(metrics)
        PropagationMetrics(metrics)
        FeedMetrics(metrics)
        SealMetrics(metrics)
        metrics.registry.register(Counts())
        async with (
            Database.open("postgresql://127.0.0.1:9/nobody", pool=1) as nowhere,
            keep_refreshed(metrics, nowhere),
        ):
            return metrics.registry


def names(registry: CollectorRegistry, *, of_samples: bool) -> set[str]:
    """The names of our metrics: as the page has them, or as samples have them."""
    found = set()
    for family in registry.collect():
        if family.name.startswith("toroku_"):
            suffixes = _SUFFIXES[family.type] if of_samples or family.type == "counter" else ("",)
            found |= {family.name + suffix for suffix in suffixes}
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def documented() -> dict[str, set[str]]:
    """The labels of each metric, from the page's tables."""
    return {name: set(re.findall(r"`([a-z_]+)`", labels)) for name, labels in _ROW.findall(PAGE.read_text("utf-8"))}


async def test_page_lists_exactly_the_existing_metrics(registry: CollectorRegistry) -> None:
    assert set(documented()) == names(registry, of_samples=False)


async def test_rules_and_examples_use_existing_metrics(registry: CollectorRegistry) -> None:
    samples = names(registry, of_samples=True)
    asked = {name for rule in rules() for name in NAME.findall(rule["expr"])}
    examples = {
        name
        for block in re.findall(r"```promql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
        for name in NAME.findall(block)
    }
    assert asked <= samples
    assert examples <= samples
    # Every failure that needs attention has an alert.
    assert len(asked) >= 12


def test_rules_name_existing_methods() -> None:
    """A rule about a method that was moved or renamed fires for ever, or never."""
    methods = {
        f"/{service.full_name}/{method.name}"
        for file in Path("protos/toroku").glob("*/v1/*.proto")
        for service in import_module(f"toroku.{file.parts[-3]}.v1.{file.stem}_pb2").DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    named = {name for rule in rules() for name in re.findall(r'method="([^"]*)"', rule["expr"])}
    assert named
    assert named <= methods


def test_rules_use_existing_labels() -> None:
    labels = documented()
    for rule in rules():
        for name, selected in _SELECTOR.findall(rule["expr"]):
            metric = name.removesuffix("_bucket")
            assert {part.partition("=")[0].strip("!~ ") for part in selected.split(",")} <= labels[metric], rule[
                "alert"
            ]
        used = set().union(*(labels.get(name.removesuffix("_bucket"), set()) for name in NAME.findall(rule["expr"])))
        for grouped in re.findall(r"by \(([^)]*)\)", rule["expr"]):
            assert set(grouped.split(", ")) <= used | OF_TARGETS | {"le"}, rule["alert"]
        for shown in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert shown in used | OF_TARGETS, rule["alert"]


def test_every_rule_has_a_summary_and_instructions() -> None:
    found = rules()
    assert len({rule["alert"] for rule in found}) == len(found)
    for rule in found:
        assert rule["alert"].startswith("Toroku")
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")

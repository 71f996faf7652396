"""Metrics as Prometheus scrapes them."""

import asyncio
import socket
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from servicekit.settings import ServiceSettings
from tests.support.in_process import Authority

Labels = frozenset[tuple[str, str]]
# prometheus_client adds these: memory, processor time and open files of the process.
OF_THE_PROCESS = "process_"


@dataclass(frozen=True, slots=True)
class Scrape:
    """One scrape: its text, and its samples by name and labels."""

    text: str
    samples: Mapping[str, Mapping[Labels, float]]
    families: frozenset[str]

    def value(self, sample: str, **labels: str) -> float:
        """Returns the sample with exactly these labels; raises KeyError where there is none."""
        return self.samples[sample][frozenset(labels.items())]

    def by_label(self, sample: str, label: str) -> dict[str, float]:
        """Returns the sums of a sample by one of its labels."""
        sums: dict[str, float] = {}
        for labels, value in self.samples.get(sample, {}).items():
            sums[dict(labels)[label]] = sums.get(dict(labels)[label], 0) + value
        return sums

    def labels(self) -> dict[str, set[frozenset[str]]]:
        """Returns the label names of our own metrics, by the sample's name."""
        return {
            name: {frozenset(label for label, _ in labels) for labels in values}
            for name, values in self.samples.items()
            if not name.startswith(OF_THE_PROCESS)
        }


def parse(text: str) -> Scrape:
    """Parses metrics as Prometheus does."""
    samples: dict[str, dict[Labels, float]] = {}
    families = set()
    for family in text_string_to_metric_families(text):
        families.add(family.name)
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            assert labels not in samples.get(sample.name, {}), f"{sample.name} {labels} comes twice"
            samples.setdefault(sample.name, {})[labels] = sample.value
    return Scrape(text, samples, frozenset(families))


def read_registry(registry: CollectorRegistry) -> Scrape:
    """Returns what a scrape of this registry would get."""
    return parse(generate_latest(registry).decode())


async def scrape(address: str) -> Scrape:
    """Scrapes a process over HTTP."""
    return parse(await asyncio.to_thread(_get, f"http://{address}/metrics"))


def _get(url: str) -> str:
    # Ignores the proxies of the environment, since the address is on this machine.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return str(answer.read().decode())


def metrics_settings(folder: Path, name: str = "agency-sync") -> ServiceSettings:
    """Returns settings of a service with a certificate and with metrics at a free port."""
    own = Authority(folder, "example").service(name)
    assert own.trusted is not None
    return ServiceSettings(
        profile=folder / "unused.yaml",
        metrics_listen=free_address(),
        certificate=own.certificate,
        private_key=own.private_key,
        services_ca=own.trusted,
    )


def free_address() -> str:
    """Returns a loopback address whose port is free."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"127.0.0.1:{listening.getsockname()[1]}"


def find_secrets(text: str, secrets: Iterable[str]) -> list[str]:
    """Returns those of the secrets that a text contains, in plain or as JSON escapes them."""
    return [
        secret for secret in secrets if secret in text or secret.encode("ascii", "backslashreplace").decode() in text
    ]

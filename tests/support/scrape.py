"""What Prometheus gets when it asks a process for its metrics."""

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
# The registry brings them along: memory, processor time and open files of the process.
OF_THE_PROCESS = "process_"


@dataclass(frozen=True, slots=True)
class Scrape:
    """One answer: its text, and its samples by name and labels."""

    text: str
    samples: Mapping[str, Mapping[Labels, float]]
    families: frozenset[str]

    def value(self, sample: str, **labels: str) -> float:
        """The value with exactly these labels; KeyError where there is none."""
        return self.samples[sample][frozenset(labels.items())]

    def by_label(self, sample: str, label: str) -> dict[str, float]:
        """The values by one label; of several with the same value of it the sum."""
        found: dict[str, float] = {}
        for labels, value in self.samples.get(sample, {}).items():
            found[dict(labels)[label]] = found.get(dict(labels)[label], 0) + value
        return found

    def labels(self) -> dict[str, set[frozenset[str]]]:
        """Which labels the samples of our own metrics have, by the sample's name."""
        return {
            name: {frozenset(label for label, _ in labels) for labels in found}
            for name, found in self.samples.items()
            if not name.startswith(OF_THE_PROCESS)
        }


def read(text: str) -> Scrape:
    """Takes the text apart as Prometheus does."""
    samples: dict[str, dict[Labels, float]] = {}
    families = set()
    for family in text_string_to_metric_families(text):
        families.add(family.name)
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            assert labels not in samples.get(sample.name, {}), f"{sample.name} {labels} comes twice"
            samples.setdefault(sample.name, {})[labels] = sample.value
    return Scrape(text, samples, frozenset(families))


def shown(registry: CollectorRegistry) -> Scrape:
    """What a scrape of this registry would get."""
    return read(generate_latest(registry).decode())


async def scrape(address: str) -> Scrape:
    """Asks a process, over HTTP."""
    return read(await asyncio.to_thread(_get, f"http://{address}/metrics"))


def _get(url: str) -> str:
    # Without the proxies of the environment: the address is of this machine.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return str(answer.read().decode())


def metrics_settings(folder: Path, name: str = "agency-sync") -> ServiceSettings:
    """The settings of a service that answers scrapes at a free port, and has a certificate."""
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
    """An address of this machine where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"127.0.0.1:{listening.getsockname()[1]}"


def found_in(text: str, secrets: Iterable[str]) -> list[str]:
    """Those of the secrets that stand in a text, as they are or as JSON writes them."""
    return [
        secret for secret in secrets if secret in text or secret.encode("ascii", "backslashreplace").decode() in text
    ]

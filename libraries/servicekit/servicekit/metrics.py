"""Metrics of one process for Prometheus, at a plain HTTP port. No label ever carries personal data."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal, Self

from cryptography import x509
from prometheus_client import CollectorRegistry, Gauge, Metric, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from servicekit.clock import now
from servicekit.metrics_server import MetricsServer
from servicekit.release import VERSION
from servicekit.settings import ServiceSettings

# What a process of a service does, in the words of the chart's label app.kubernetes.io/component.
Component = Literal["server", "worker"]

# Omits the second series of each counter, the time of its creation, which nothing uses.
disable_created_metrics()  # type: ignore[no-untyped-call]  # comes without types


class Metrics:
    """The metrics of one process; use `async with Metrics.open(…)`. Without an address they are not served."""

    def __init__(self, service: str, component: Component = "server") -> None:
        self.registry = CollectorRegistry()
        # Memory, processor time, open files.
        ProcessCollector(registry=self.registry)
        labels = ("service", "component", "version")
        build = Gauge("toroku_build_info", "1; which process of which service it is", labels, registry=self.registry)
        build.labels(service, component, VERSION).set(1)
        self._certificates = _Certificates()
        self.registry.register(self._certificates)
        # Whether anybody can see them: else nothing has to be read for them.
        self.is_served = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls, service: str, settings: ServiceSettings, *, component: Component = "server"
    ) -> AsyncIterator[Self]:
        """Serves metrics at `settings.metrics_listen` until the block ends.

        Raises OSError, naming the setting, where it cannot listen there.
        """
        metrics = cls(service, component)
        metrics.watch_certificate("service", settings.certificate)
        if not settings.metrics_listen:
            yield metrics
            return
        server, thread = _listen(settings.metrics_listen, metrics.registry)
        metrics.is_served = True
        try:
            yield metrics
        finally:
            await asyncio.to_thread(server.end)
            await asyncio.to_thread(thread.join)
            server.server_close()

    def watch_certificate(self, use: str, certificate: Path) -> None:
        """Adds the expiry of one of this service's certificates to the metrics."""
        self._certificates.files[use] = certificate


class Snapshot(Collector):
    """A gauge whose values are replaced together, so that values that no longer exist disappear."""

    def __init__(self, metrics: Metrics, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._values: Mapping[tuple[str, ...], float] = {}
        metrics.registry.register(self)

    def replace(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Replaces all values; keys are the label values."""
        self._values = dict(values)

    @override
    def collect(self) -> Iterator[Metric]:
        """Yields the metric of a scrape."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, self._convert(value))
        yield family

    def _convert(self, value: float) -> float:
        return value


class Ages(Snapshot):
    """Seconds since instants that are read together; they grow between readings, even without the database."""

    def __init__(
        self,
        metrics: Metrics,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        clock: Callable[[], datetime] = now,
    ) -> None:
        super().__init__(metrics, name, documentation, labels)
        self._clock = clock

    def since(self, moments: Mapping[tuple[str, ...], datetime]) -> None:
        """Replaces all instants; keys are the label values."""
        self.replace({labels: moment.timestamp() for labels, moment in moments.items()})

    @override
    def _convert(self, value: float) -> float:
        return self._clock().timestamp() - value


class _Certificates(Collector):
    """The expiry of the service's certificates, read from the files at every scrape."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}

    @override
    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "toroku_own_certificate_expires_timestamp_seconds",
            "When the service's own certificate expires, in Unix time; missing where its file can't be read",
            labels=("use",),
        )
        for use, file in self.files.copy().items():
            try:
                certificate = x509.load_pem_x509_certificates(file.read_bytes())[0]
            except (OSError, ValueError):
                continue
            family.add_metric((use,), certificate.not_valid_after_utc.timestamp())
        yield family


def _listen(address: str, registry: CollectorRegistry) -> tuple[MetricsServer, threading.Thread]:
    host, _, port = address.rpartition(":")
    try:
        server = MetricsServer.open(host.strip("[]"), int(port), registry)
    except OSError as error:
        raise OSError(f"TOROKU_METRICS_LISTEN: can't listen at {address}, choose another address: {error}") from error
    thread = threading.Thread(target=server.serve_until_end, name="metrics", daemon=True)
    thread.start()
    return server, thread

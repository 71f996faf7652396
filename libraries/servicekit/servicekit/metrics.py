"""Metrics of one process for Prometheus, at a plain HTTP port. No label ever carries personal data.

Values from the database are read periodically by `refreshed`, never during a scrape, so that a slow database does not
delay scrapes and frequent scrapes do not load the database.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
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
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.database_connection import Connection
from servicekit.metrics_server import MetricsServer
from servicekit.release import VERSION
from servicekit.settings import ServiceSettings

log = logging.getLogger(__name__)

# What a process of a service does, in the words of the chart's label app.kubernetes.io/component.
Component = Literal["server", "worker"]
# Reads values from the database and stores them for the scrapes.
Look = Callable[[Connection], Awaitable[None]]
# Seconds between two readings, and the timeout of one.
LOOK_INTERVAL = 15.0
LOOK_TIMEOUT = 10.0

# A difference of clocks that is logged, in seconds: more than NTP leaves, and less than a challenge or a claim lasts.
MOST_CLOCK_DIFFERENCE = 60.0

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
        self._is_served = False

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
        metrics._is_served = True
        try:
            yield metrics
        finally:
            await asyncio.to_thread(server.shutdown)
            thread.join()
            server.server_close()

    def watch_certificate(self, use: str, certificate: Path) -> None:
        """Adds the expiry of one of this service's certificates to the metrics."""
        self._certificates.files[use] = certificate

    @asynccontextmanager
    async def refreshed(self, database: Database, *looks: Look, interval: float = LOOK_INTERVAL) -> AsyncIterator[None]:
        """Reads from the database at once and then every `interval` seconds until the block ends.

        Does nothing where metrics are not served.

        Compares the clocks of process and database too. While the database does not answer, all values remain,
        `toroku_database_read_timestamp_seconds` too, and the log says so once.
        """
        if not self._is_served:
            yield
            return
        succeeded = Gauge(
            "toroku_database_read_timestamp_seconds",
            "When the gauges were last read from the database, in Unix time; 0 for never",
            registry=self.registry,
        )
        clock = _ClockDifference(self)
        refreshing = asyncio.create_task(_refresh(database, [clock.look, *looks], succeeded, interval))
        try:
            yield
        finally:
            refreshing.cancel()
            await asyncio.wait([refreshing])


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


class _ClockDifference:
    """How far the clock of this process is ahead of the database's."""

    def __init__(self, metrics: Metrics) -> None:
        self._seconds = Snapshot(
            metrics,
            "toroku_clock_difference_seconds",
            "How far the clock of the process is ahead of its database's, in seconds; negative where it is behind",
            (),
        )
        self._is_wrong = False

    async def look(self, connection: Connection) -> None:
        """Compares the clocks; logs once that they differ, and once that they agree again."""
        asked_at = now()
        of_database = await read_time(connection)
        # The database read its clock between asking and answering.
        seconds = (asked_at - of_database + (now() - asked_at) / 2).total_seconds()
        self._seconds.replace({(): seconds})
        is_wrong = abs(seconds) > MOST_CLOCK_DIFFERENCE
        if is_wrong and not self._is_wrong:
            log.error(
                "the clock of this machine is %.0f seconds %s the database's; correct the wrong one (see NTP)",
                abs(seconds),
                "ahead of" if seconds > 0 else "behind",
            )
        elif self._is_wrong and not is_wrong:
            log.info("the clocks of this machine and of the database agree again")
        self._is_wrong = is_wrong


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


async def _refresh(database: Database, looks: Sequence[Look], succeeded: Gauge, interval: float) -> None:
    is_answering = True
    while True:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT), database.read() as connection:
                for look in looks:
                    await look(connection)
        except Exception as error:  # No failure here may stop the process; the next reading may succeed.
            if is_answering:
                log.warning("metrics keep their last values, the database can't be read: %s", type(error).__name__)
            is_answering = False
        else:
            if not is_answering:
                log.info("metrics are read from the database again")
            is_answering = True
            succeeded.set_to_current_time()
        await asyncio.sleep(interval)


def _listen(address: str, registry: CollectorRegistry) -> tuple[MetricsServer, threading.Thread]:
    host, _, port = address.rpartition(":")
    try:
        server = MetricsServer.open(host.strip("[]"), int(port), registry)
    except OSError as error:
        raise OSError(f"TOROKU_METRICS_LISTEN: can't listen at {address}, choose another address: {error}") from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    return server, thread

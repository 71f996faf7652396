"""Metrics of one process for Prometheus, at a plain HTTP port of their own. No label ever carries personal data.

What stands in the database is read from time to time by `refreshed`, never by the scrape: a slow database must not
hold up the scrape, and a curious scraper must not load the database.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Self
from wsgiref.simple_server import WSGIServer

from cryptography import x509
from prometheus_client import CollectorRegistry, Gauge, Metric, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import start_wsgi_server
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncConnection

from servicekit.clock import now
from servicekit.database import Database
from servicekit.release import VERSION
from servicekit.settings import ServiceSettings

log = logging.getLogger(__name__)

# Reads something from the database and puts it where a scrape finds it.
Look = Callable[[AsyncConnection], Awaitable[None]]
# Seconds between two looks, and how long one may take.
LOOK_INTERVAL = 15.0
LOOK_TIMEOUT = 10.0

# A second series for each counter, with the time since when it counts; nothing here asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one process. Open them with `async with Metrics.open(…)`; without an address nobody asks."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry()
        # Memory, processor time, open files.
        ProcessCollector(registry=self.registry)
        labels = ("service", "version")
        build = Gauge("toroku_build_info", "1; which service this is, and its version", labels, registry=self.registry)
        build.labels(service, VERSION).set(1)
        self._certificates = _Certificates()
        self.registry.register(self._certificates)
        self._is_asked = False

    @classmethod
    @asynccontextmanager
    async def open(cls, service: str, settings: ServiceSettings) -> AsyncIterator[Self]:
        """Answers scrapes at `settings.metrics_listen` until the block ends.

        Raises OSError, naming the setting, where nobody can listen there.
        """
        metrics = cls(service)
        metrics.watch_certificate("service", settings.certificate)
        if not settings.metrics_listen:
            yield metrics
            return
        server, thread = _listen(settings.metrics_listen, metrics.registry)
        metrics._is_asked = True
        try:
            yield metrics
        finally:
            await asyncio.to_thread(server.shutdown)
            thread.join()
            server.server_close()

    def watch_certificate(self, use: str, certificate: Path) -> None:
        """Shows until when a certificate of this service is valid."""
        self._certificates.files[use] = certificate

    @asynccontextmanager
    async def refreshed(self, database: Database, *looks: Look, interval: float = LOOK_INTERVAL) -> AsyncIterator[None]:
        """Looks at the database at once and then every `interval` seconds, until the block ends; not where nobody asks.

        A database that does not answer changes nothing but `toroku_database_read_timestamp_seconds`, which then stands
        still, and says so in the log once.
        """
        if not self._is_asked:
            yield
            return
        succeeded = Gauge(
            "toroku_database_read_timestamp_seconds",
            "When the gauges were last read from the database, in Unix time; 0 for never",
            registry=self.registry,
        )
        refreshing = asyncio.create_task(_refresh(database, looks, succeeded, interval))
        try:
            yield
        finally:
            refreshing.cancel()
            await asyncio.wait([refreshing])


class Snapshot(Collector):
    """A gauge whose values are all read together, so that what is gone is not shown any more."""

    def __init__(self, metrics: Metrics, name: str, documentation: str, labels: Sequence[str]) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._values: Mapping[tuple[str, ...], float] = {}
        metrics.registry.register(self)

    def replace(self, values: Mapping[tuple[str, ...], float]) -> None:
        """Puts these values, by their labels, in the place of those before."""
        self._values = dict(values)

    def collect(self) -> Iterator[Metric]:
        """What a scrape gets."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, self._shown(value))
        yield family

    def _shown(self, value: float) -> float:
        return value


class Ages(Snapshot):
    """Seconds since moments that were read together; they grow with every scrape, also while the database is away."""

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
        """Puts these moments, by their labels, in the place of those before."""
        self.replace({labels: moment.timestamp() for labels, moment in moments.items()})

    def _shown(self, value: float) -> float:
        return self._clock().timestamp() - value


class _Certificates(Collector):
    """Until when the service's own certificates are valid, as the files stand when somebody asks."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}

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
    answers = True
    while True:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT), database.read() as connection:
                for look in looks:
                    await look(connection)
        except Exception as error:  # Whatever it is, the work goes on, and the next look may succeed.
            if answers:
                log.warning("metrics keep their last values, the database can't be read: %s", type(error).__name__)
            answers = False
        else:
            if not answers:
                log.info("metrics are read from the database again")
            answers = True
            succeeded.set_to_current_time()
        await asyncio.sleep(interval)


def _listen(address: str, registry: CollectorRegistry) -> tuple[WSGIServer, threading.Thread]:
    host, _, port = address.rpartition(":")
    try:
        return start_wsgi_server(int(port), host.strip("[]"), registry)
    except OSError as error:
        raise OSError(f"TOROKU_METRICS_LISTEN: can't listen at {address}, choose another address: {error}") from error

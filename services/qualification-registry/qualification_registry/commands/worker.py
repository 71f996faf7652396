"""The command worker: sends bidders to certificate-registry, and deletes what has expired."""

from instance_profile.load import load_for_service
from qualification_registry.adapters.certificate_registry import CertificateRegistry
from qualification_registry.jobs import build_work
from qualification_registry.metrics import RosterMetrics
from qualification_registry.operations.bidder_events import BIDDERS_QUEUE, IMPORTS_QUEUE, STOPS_QUEUE, BidderEvents
from qualification_registry.operations.expiry import EXPIRY_QUEUE, Expiry
from qualification_registry.settings import PACKAGE, SERVICE, Settings
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub

# Concurrent jobs of each queue.
CONCURRENCY = {STOPS_QUEUE: 2, BIDDERS_QUEUE: 2, IMPORTS_QUEUE: 1, EXPIRY_QUEUE: 1}


async def run() -> None:
    """Sends bidders to certificate-registry and deletes what has expired, until the process is stopped."""
    settings = Settings.read()
    dsn = settings.direct_database("a worker")
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, {"certificate-registry": settings.certificate_registry_endpoint})
    certificate_registry = CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub))
    async with (
        Metrics.open(SERVICE, settings, component="worker") as metrics,
        Database.open(dsn, pool=settings.database_pool, password_file=settings.database_password_file) as database,
    ):
        work = build_work(
            bidder_events=BidderEvents(database=database, certificate_registry=certificate_registry),
            expiry=Expiry(database=database, clock=read_time),
        )
        await work_until_stopped(
            work,
            package=PACKAGE,
            settings=settings,
            database=database,
            telemetry=telemetry,
            metrics=metrics,
            concurrency=CONCURRENCY,
            looks=[RosterMetrics(metrics, profile).look],
        )
    await peers.close()
    telemetry.stop()

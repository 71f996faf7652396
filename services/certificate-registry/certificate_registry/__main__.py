"""certificate-registry: serve, worker, migrate, migrate-after.

Reads top to bottom: settings, telemetry, database, clients, serve.
"""

from functools import partial

from certificate_registry.adapters.trust_store_cache import Trusted
from certificate_registry.convert import authorities
from certificate_registry.domain.bidder_proof import proof_keys
from certificate_registry.jobs import work
from certificate_registry.metrics import RevocationListMetrics
from certificate_registry.operations.resolve_user import Resolver
from certificate_registry.operations.revocation import fetch_soon
from certificate_registry.servicer import CertificateRegistry
from certificate_registry.settings import Settings
from instance_profile.load import ProfileError, load_profile
from servicekit import migrations, program, server
from servicekit.clients import Peers
from servicekit.clock import now
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.agencysync.v1.service_pb2_grpc import AgencySyncStub
from toroku.certificate.v1 import service_pb2, service_pb2_grpc
from toroku.contact.v1.service_pb2_grpc import ContactNotificationStub

SERVICE = "certificate-registry"
PACKAGE = "certificate_registry"
# How many jobs of each queue run side by side.
CONCURRENCY = {"stop": 2, "events": 4, "bulk": 2}


async def serve() -> None:
    """Answers calls until it is told to stop."""
    settings = Settings()
    profile = load_profile(settings.profile, settings.profile_overlay)
    keys = proof_keys(settings.bidder_proof_public_keys.read_bytes())
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        Database.open(settings.database, pool=settings.database_pool, pooled=settings.database_pooled) as database,
        Resolver.open(settings.database, pool=settings.resolve_pool, pooled=settings.database_pooled) as resolver,
    ):
        servicer = CertificateRegistry(database=database, resolver=resolver, profile=profile, proof_keys=keys)
        await server.serve(
            server.private_listeners(settings),
            instance=profile.id,
            services={
                service_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]: partial(
                    service_pb2_grpc.add_CertificateRegistryServicer_to_server, servicer
                )
            },
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=migrations.ready(database, PACKAGE),
        )
    telemetry.stop()


async def worker() -> None:
    """Fetches revocation lists and tells the other services, until it is told to stop."""
    settings = Settings()
    dsn = settings.direct_database("a worker")
    profile = load_profile(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, settings.endpoints())
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        Database.open(dsn, pool=settings.database_pool) as database,
    ):
        trusted = Trusted(authorities(profile))
        tasks = work(
            database=database,
            trusted=trusted,
            contacts=peers.stub("contact-notification", ContactNotificationStub),
            agencies=peers.stub("agency-sync", AgencySyncStub),
            clock=now,
        )
        await work_until_stopped(
            tasks,
            package=PACKAGE,
            settings=settings,
            database=database,
            telemetry=telemetry,
            metrics=metrics,
            concurrency=CONCURRENCY,
            # No card can be judged while a CA has no list yet, so the first fetch does not wait for the clock.
            first=fetch_soon,
            looks=[RevocationListMetrics(metrics, trusted).look],
        )
    await peers.close()
    telemetry.stop()


if __name__ == "__main__":
    program.run(SERVICE, {"serve": serve, "worker": worker, **migrations.commands(PACKAGE)}, mistakes=ProfileError)

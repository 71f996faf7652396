"""agency-sync: serve, worker, migrate, migrate-after."""

from functools import partial

from agency_sync.jobs import work
from agency_sync.servicer import AgencySync
from agency_sync.settings import Settings
from instance_profile.load import ProfileError, load_profile
from servicekit import database, migrations, program, server
from servicekit.clients import Peers
from servicekit.clock import now
from servicekit.credentials import CertificateFiles
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.agencysync.v1 import service_pb2, service_pb2_grpc
from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryStub
from toroku.qualification.v1.service_pb2_grpc import QualificationRegistryStub

SERVICE = "agency-sync"
PACKAGE = "agency_sync"
# How many jobs of each queue run side by side.
CONCURRENCY = {"bulk": 2}


async def serve() -> None:
    """Answers calls until it is told to stop."""
    settings = Settings()
    profile = load_profile(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        database.Database.open(
            settings.database, pool=settings.database_pool, pooled=settings.database_pooled
        ) as opened,
    ):
        servicer = AgencySync(database=opened, profile=profile)
        await server.serve(
            server.private_listeners(settings),
            instance=profile.id,
            services={
                service_pb2.DESCRIPTOR.services_by_name["AgencySync"]: partial(
                    service_pb2_grpc.add_AgencySyncServicer_to_server, servicer
                )
            },
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=migrations.ready(opened, PACKAGE),
        )
    telemetry.stop()


async def worker() -> None:
    """Carries out the intentions until it is told to stop."""
    settings = Settings()
    dsn = settings.direct_database("a worker")
    profile = load_profile(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    peers = Peers(
        CertificateFiles(settings.certificate, settings.private_key, settings.services_ca),
        {
            "qualification-registry": settings.qualification_registry_endpoint,
            "certificate-registry": settings.certificate_registry_endpoint,
        },
    )
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        database.Database.open(dsn, pool=settings.database_pool) as opened,
    ):
        tasks = work(
            database=opened,
            profile=profile,
            qualifications=peers.stub("qualification-registry", QualificationRegistryStub),
            cards=peers.stub("certificate-registry", CertificateRegistryStub),
            clock=now,
        )
        await work_until_stopped(
            tasks,
            package=PACKAGE,
            settings=settings,
            database=opened,
            telemetry=telemetry,
            metrics=metrics,
            concurrency=CONCURRENCY,
        )
    await peers.close()
    telemetry.stop()


if __name__ == "__main__":
    program.run(SERVICE, {"serve": serve, "worker": worker, **migrations.commands(PACKAGE)}, mistakes=ProfileError)

"""agency-sync: serve, worker, migrate, migrate-after."""

from functools import partial

from agency_sync.adapters.certificate_registry import CertificateRegistry
from agency_sync.adapters.qualification_registry import QualificationRegistry
from agency_sync.domain.offers import list_rules_by_category
from agency_sync.jobs import register_tasks
from agency_sync.metrics import PropagationMetrics
from agency_sync.operations.listing import PropagationListing
from agency_sync.operations.propagate import PROPAGATIONS_QUEUE, PropagationRun
from agency_sync.operations.record import CardStateRecord
from agency_sync.servicer import AgencySync
from agency_sync.settings import Settings
from instance_profile.load import ProfileError, load_for_service
from instance_profile.model import Propagation
from servicekit import migrations, program, schema, server
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.agencysync.v1 import agency_sync_pb2, agency_sync_pb2_grpc
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

SERVICE = "agency-sync"
PACKAGE = "agency_sync"
# Jobs of each queue that one worker runs at the same time.
CONCURRENCY = {PROPAGATIONS_QUEUE: 2}


async def serve() -> None:
    """Answers calls until the process is stopped."""
    settings = Settings()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        Database.open(
            settings.database,
            pool=settings.database_pool,
            password_file=settings.database_password_file,
            pooled=settings.database_pooled,
        ) as database,
        metrics.refreshed(database),
    ):
        offering = list_rules_by_category(profile)
        servicer = AgencySync(
            card_state_record=CardStateRecord(
                database=database,
                clock=read_time,
                propagates=profile.propagation is Propagation.AT_ONCE,
                offering=offering,
            ),
            listing=PropagationListing(database=database, offering=offering),
        )
        await server.serve(
            server.build_private_listeners(settings),
            instance=profile.id,
            services={
                agency_sync_pb2.DESCRIPTOR.services_by_name["AgencySync"]: partial(
                    agency_sync_pb2_grpc.add_AgencySyncServicer_to_server, servicer
                )
            },
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=schema.ready(database, PACKAGE),
        )
    telemetry.stop()


async def worker() -> None:
    """Carries out the intentions until the process is stopped."""
    settings = Settings()
    dsn = settings.direct_database("a worker")
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    peers = Peers(
        CertificateFiles(settings.certificate, settings.private_key, settings.services_ca),
        {
            "qualification-registry": settings.qualification_registry_endpoint,
            "certificate-registry": settings.certificate_registry_endpoint,
        },
    )
    async with (
        Metrics.open(SERVICE, settings, component="worker") as metrics,
        Database.open(dsn, pool=settings.database_pool, password_file=settings.database_password_file) as database,
    ):
        propagation = PropagationRun(
            database=database,
            clock=read_time,
            offering=list_rules_by_category(profile),
            certificate_registry=CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub)),
            qualification_registry=QualificationRegistry(
                peers.stub("qualification-registry", QualificationRegistryStub)
            ),
        )
        await work_until_stopped(
            register_tasks(propagation=propagation),
            package=PACKAGE,
            settings=settings,
            database=database,
            telemetry=telemetry,
            metrics=metrics,
            concurrency=CONCURRENCY,
            looks=[PropagationMetrics(metrics).look],
        )
    await peers.close()
    telemetry.stop()


if __name__ == "__main__":
    program.run(SERVICE, {"serve": serve, "worker": worker, **migrations.commands(PACKAGE)}, mistakes=ProfileError)

"""qualification-registry: serve, worker, migrate, migrate-after."""

from functools import partial

from instance_profile.load import ProfileError, load_profile
from qualification_registry.domain.proof import ProofKey
from qualification_registry.jobs import work
from qualification_registry.metrics import RosterMetrics
from qualification_registry.adapters.password_hashing import PasswordHashing
from qualification_registry.servicer import QualificationRegistry
from qualification_registry.settings import Settings
from servicekit import database, migrations, program, server
from servicekit.clients import Peers
from servicekit.clock import now
from servicekit.credentials import CertificateFiles
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryStub
from toroku.qualification.v1 import service_pb2, service_pb2_grpc

SERVICE = "qualification-registry"
PACKAGE = "qualification_registry"
# How many jobs of each queue run side by side.
CONCURRENCY = {"stop": 2, "events": 1, "bulk": 1}


async def serve() -> None:
    """Answers calls until it is told to stop."""
    settings = Settings()
    profile = load_profile(settings.profile, settings.profile_overlay)
    proof_key = ProofKey.from_pem(settings.bidder_proof_key.read_bytes())
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    hashing = PasswordHashing()
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        database.Database.open(
            settings.database, pool=settings.database_pool, pooled=settings.database_pooled
        ) as opened,
    ):
        servicer = QualificationRegistry(database=opened, profile=profile, proof_key=proof_key, hashing=hashing)
        await server.serve(
            server.private_listeners(settings),
            instance=profile.id,
            services={
                service_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]: partial(
                    service_pb2_grpc.add_QualificationRegistryServicer_to_server, servicer
                )
            },
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=migrations.ready(opened, PACKAGE),
        )
    hashing.close()
    telemetry.stop()


async def worker() -> None:
    """Tells certificate-registry about bidders and clears what is over, until it is told to stop."""
    settings = Settings()
    dsn = settings.direct_database("a worker")
    profile = load_profile(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, {"certificate-registry": settings.certificate_registry_endpoint})
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        database.Database.open(dsn, pool=settings.database_pool) as opened,
    ):
        tasks = work(
            database=opened, certificates=peers.stub("certificate-registry", CertificateRegistryStub), clock=now
        )
        await work_until_stopped(
            tasks,
            package=PACKAGE,
            settings=settings,
            database=opened,
            telemetry=telemetry,
            metrics=metrics,
            concurrency=CONCURRENCY,
            looks=[RosterMetrics(metrics, profile).look],
        )
    await peers.close()
    telemetry.stop()


if __name__ == "__main__":
    program.run(SERVICE, {"serve": serve, "worker": worker, **migrations.commands(PACKAGE)}, mistakes=ProfileError)

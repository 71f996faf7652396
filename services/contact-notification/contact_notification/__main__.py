"""contact-notification: serve, worker, migrate, migrate-after."""

from functools import partial

from contact_notification.jobs import work
from contact_notification.mail import check_mails, sender_address
from contact_notification.metrics import MailMetrics
from contact_notification.servicer import ContactNotification
from contact_notification.settings import Settings
from instance_profile.load import ProfileError, load_profile
from servicekit import database, migrations, program, server
from servicekit.clients import Peers
from servicekit.clock import now
from servicekit.credentials import CertificateFiles
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryStub
from toroku.contact.v1 import service_pb2, service_pb2_grpc

SERVICE = "contact-notification"
PACKAGE = "contact_notification"
# How many jobs of each queue run side by side.
CONCURRENCY = {"events": 2, "mail": 8}


async def serve() -> None:
    """Answers calls until it is told to stop."""
    settings = Settings()
    profile = load_profile(settings.profile, settings.profile_overlay)
    sender = sender_address(profile, settings.mail_sender)
    check_mails(profile, sender)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    peers = _peers(settings)
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        database.Database.open(
            settings.database, pool=settings.database_pool, pooled=settings.database_pooled
        ) as opened,
    ):
        servicer = ContactNotification(
            database=opened,
            profile=profile,
            registry=peers.stub("certificate-registry", CertificateRegistryStub),
            sender=sender,
        )
        await server.serve(
            server.private_listeners(settings),
            instance=profile.id,
            services={
                service_pb2.DESCRIPTOR.services_by_name["ContactNotification"]: partial(
                    service_pb2_grpc.add_ContactNotificationServicer_to_server, servicer
                )
            },
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=migrations.ready(opened, PACKAGE),
        )
    await peers.close()
    telemetry.stop()


async def worker() -> None:
    """Sends mails and clears what was given up, until it is told to stop."""
    settings = Settings()
    dsn = settings.direct_database("a worker")
    profile = load_profile(settings.profile, settings.profile_overlay)
    check_mails(profile, sender_address(profile, settings.mail_sender))
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    peers = _peers(settings)
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        database.Database.open(dsn, pool=settings.database_pool) as opened,
    ):
        tasks = work(
            database=opened,
            profile=profile,
            registry=peers.stub("certificate-registry", CertificateRegistryStub),
            settings=settings,
            clock=now,
            metrics=MailMetrics(metrics),
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


def _peers(settings: Settings) -> Peers:
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    return Peers(files, {"certificate-registry": settings.certificate_registry_endpoint})


if __name__ == "__main__":
    program.run(SERVICE, {"serve": serve, "worker": worker, **migrations.commands(PACKAGE)}, mistakes=ProfileError)

"""contact-notification: serve, worker, migrate, migrate-after, list-failed-mails, send-failed-mails."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import partial

from contact_notification.adapters.certificate_registry import CertificateRegistry
from contact_notification.domain.failed_mails import describe_failed_mails, read_since
from contact_notification.domain.mail import check_templates, choose_sender, read_domain
from contact_notification.jobs import register_tasks
from contact_notification.metrics import ContactMetrics, MailMetrics
from contact_notification.operations.card_states import CardStates
from contact_notification.operations.contacts import ContactReading
from contact_notification.operations.expiry import ExpiredRecords
from contact_notification.operations.failed_mails import FailedMails
from contact_notification.operations.mails import MAIL_QUEUE, MailSending
from contact_notification.operations.notices import Notices
from contact_notification.operations.settlement import EVENTS_QUEUE, Settlement
from contact_notification.operations.staging import Staging
from contact_notification.servicer import ContactNotification
from contact_notification.settings import Settings
from instance_profile.load import ProfileError, load_for_service
from servicekit import migrations, program, schema, server
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub
from toroku.contact.v1 import contact_notification_pb2, contact_notification_pb2_grpc

SERVICE = "contact-notification"
PACKAGE = "contact_notification"
# Jobs of each queue that one worker runs at the same time.
CONCURRENCY = {EVENTS_QUEUE: 2, MAIL_QUEUE: 8}


async def serve() -> None:
    """Answers calls until the process is stopped."""
    settings = Settings()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    sender = choose_sender(profile, settings.mail_sender)
    check_templates(profile, sender)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    peers = _peers(settings)
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
        certificate_registry = CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub))
        card_states = CardStates(database=database, clock=read_time, mail_domain=read_domain(sender))
        servicer = ContactNotification(
            staging=Staging(
                database=database,
                clock=read_time,
                profile=profile,
                certificate_registry=certificate_registry,
                settlement=Settlement(
                    database=database,
                    clock=read_time,
                    certificate_registry=certificate_registry,
                    card_states=card_states,
                ),
            ),
            contacts=ContactReading(database=database, profile=profile),
            card_states=card_states,
            notices=Notices(database=database, clock=read_time, mail_domain=read_domain(sender)),
        )
        await server.serve(
            server.build_private_listeners(settings),
            instance=profile.id,
            services={
                contact_notification_pb2.DESCRIPTOR.services_by_name["ContactNotification"]: partial(
                    contact_notification_pb2_grpc.add_ContactNotificationServicer_to_server, servicer
                )
            },
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=schema.ready(database, PACKAGE),
        )
    await peers.close()
    telemetry.stop()


async def worker() -> None:
    """Sends mails and settles expired registrations until the process is stopped."""
    settings = Settings()
    dsn = settings.direct_database("a worker")
    profile = load_for_service(settings.profile, settings.profile_overlay)
    sender = choose_sender(profile, settings.mail_sender)
    check_templates(profile, sender)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    peers = _peers(settings)
    async with (
        Metrics.open(SERVICE, settings, component="worker") as metrics,
        Database.open(dsn, pool=settings.database_pool, password_file=settings.database_password_file) as database,
    ):
        mail_metrics, contact_metrics = MailMetrics(metrics), ContactMetrics(metrics)
        tasks = register_tasks(
            mail_sending=MailSending(
                database=database,
                profile=profile,
                server=settings.mail_server(),
                sender=sender,
                give_up_after=timedelta(days=settings.mail_give_up_after_days),
                counts=mail_metrics,
            ),
            failed_mails=FailedMails(database=database),
            expired_records=ExpiredRecords(database=database, clock=read_time),
            settlement=Settlement(
                database=database,
                clock=read_time,
                certificate_registry=CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub)),
                card_states=CardStates(database=database, clock=read_time, mail_domain=read_domain(sender)),
            ),
        )
        await work_until_stopped(
            tasks,
            package=PACKAGE,
            settings=settings,
            database=database,
            telemetry=telemetry,
            metrics=metrics,
            concurrency=CONCURRENCY,
            looks=(mail_metrics.look, contact_metrics.look),
        )
    await peers.close()
    telemetry.stop()


async def list_failed_mails(arguments: Sequence[str]) -> None:
    """Prints the mails that failed, since the beginning or a given time."""
    since = read_since(arguments)
    async with _open_for_command() as database:
        print(describe_failed_mails(await FailedMails(database=database).list_mails(since)))


async def send_failed_mails(arguments: Sequence[str]) -> None:
    """Has the mails sent again that failed, since the beginning or a given time, and prints how many."""
    since = read_since(arguments)
    async with _open_for_command() as database:
        print(f"{await FailedMails(database=database).send_again(since)} mails are sent again")


def _open_for_command() -> AbstractAsyncContextManager[Database]:
    settings = Settings()
    dsn = settings.direct_database("a command")
    return Database.open(dsn, pool=1, password_file=settings.database_password_file)


def _peers(settings: Settings) -> Peers:
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    return Peers(files, {"certificate-registry": settings.certificate_registry_endpoint})


if __name__ == "__main__":
    program.run(
        SERVICE,
        {"serve": serve, "worker": worker, **migrations.commands(PACKAGE)},
        with_arguments={"list-failed-mails": list_failed_mails, "send-failed-mails": send_failed_mails},
        mistakes=ProfileError,
    )

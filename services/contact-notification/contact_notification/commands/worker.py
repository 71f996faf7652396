"""The command worker: mails, and registrations that nobody settled."""

from datetime import timedelta

from contact_notification.adapters.agency_sync import AgencySync
from contact_notification.adapters.certificate_registry import CertificateRegistry
from contact_notification.adapters.smtp import MailConnections, MailServer
from contact_notification.domain.mail import check_templates, choose_sender, read_domain
from contact_notification.jobs import register_tasks
from contact_notification.metrics import ContactMetrics, MailMetrics
from contact_notification.operations.card_states import CardStates
from contact_notification.operations.expiry import ExpiredRecords
from contact_notification.operations.failed_mails import FailedMails
from contact_notification.operations.mails import MAIL_QUEUE, MailSending
from contact_notification.operations.owner_events import AGENCY_SYNC, OWNERS_QUEUE, OwnerEvents
from contact_notification.operations.settlement import EVENTS_QUEUE, Settlement
from contact_notification.operations.takeovers import ContactTakeovers
from contact_notification.settings import PACKAGE, SERVICE, Settings, WorkerSettings
from history.entries import Chain
from history.head_news import HEADS_QUEUE, HeadNews
from history.metrics import SealMetrics
from history.seal_keeper import keep_sealed
from instance_profile.load import load_for_service
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub

# Jobs of each queue that one worker runs at the same time.
CONCURRENCY = {EVENTS_QUEUE: 2, OWNERS_QUEUE: 2, MAIL_QUEUE: 8, HEADS_QUEUE: 1}


async def run() -> None:
    """Sends mails and settles expired registrations until the process is stopped."""
    settings = WorkerSettings.read()
    history_key, mailed_secret_key = settings.load_history_key(), settings.load_mailed_secret_key()
    dsn = settings.direct_database("a worker")
    profile = load_for_service(settings.profile, settings.profile_overlay)
    chain = Chain(profile.id, SERVICE)
    sender = choose_sender(profile, settings.mail_sender)
    check_templates(profile, sender)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, settings.endpoints())
    async with (
        Metrics.open(SERVICE, settings, component="worker") as metrics,
        Database.open(dsn, pool=settings.database_pool, password_file=settings.database_password_file) as database,
        MailConnections.open(describe_mail_server(settings)) as connections,
    ):
        agency_sync = AgencySync(peers.stub(AGENCY_SYNC, AgencySyncStub))
        mail_domain = read_domain(sender)
        mail_metrics, contact_metrics = MailMetrics(metrics), ContactMetrics(metrics)
        tasks = register_tasks(
            mail_sending=MailSending(
                database=database,
                profile=profile,
                connections=connections,
                sender=sender,
                mailed_secret_key=mailed_secret_key,
                give_up_after=timedelta(days=settings.mail_give_up_after_days),
                counts=mail_metrics,
                registry=SERVICE,
            ),
            owner_events=OwnerEvents(database=database, agency_sync=agency_sync),
            failed_mails=FailedMails(database=database),
            expired_records=ExpiredRecords(database=database, clock=read_time),
            settlement=Settlement(
                database=database,
                clock=read_time,
                chain=chain,
                certificate_registry=CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub)),
                card_states=CardStates(
                    database=database,
                    clock=read_time,
                    chain=chain,
                    mail_domain=mail_domain,
                    takeovers=ContactTakeovers(
                        database=database, clock=read_time, chain=chain, mail_domain=mail_domain
                    ),
                ),
            ),
        )
        heads = HeadNews(database=database, witness=AGENCY_SYNC, tell=agency_sync.record_history_head)
        heads.register(tasks)
        await work_until_stopped(
            tasks,
            package=PACKAGE,
            settings=settings,
            database=database,
            telemetry=telemetry,
            metrics=metrics,
            concurrency=CONCURRENCY,
            looks=(mail_metrics.look, contact_metrics.look, SealMetrics(metrics).look),
            beside=keep_sealed(
                database,
                chain,
                history_key,
                dsn=dsn,
                password_file=settings.database_password_file,
                after_seal=heads.enqueue,
            ),
        )
    await peers.close()
    telemetry.stop()


def describe_mail_server(settings: Settings) -> MailServer:
    """Returns the mail server of the settings."""
    return MailServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        ca=settings.smtp_ca,
        user=settings.smtp_user,
        password=settings.smtp_password.get_secret_value(),
    )

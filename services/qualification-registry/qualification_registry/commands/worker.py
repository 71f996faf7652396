"""The command worker: sends states of bidders and answers about cards, seals the history, and ends what has expired."""

from history.entries import Chain
from history.head_news import HEADS_QUEUE, HeadNews
from history.metrics import SealMetrics
from history.seal_keeper import keep_sealed
from instance_profile.load import load_for_service
from qualification_registry.adapters.agency_sync import AgencySync
from qualification_registry.adapters.certificate_registry import CertificateRegistry
from qualification_registry.adapters.contact_notification import ContactNotification
from qualification_registry.jobs import build_work
from qualification_registry.metrics import RosterMetrics
from qualification_registry.operations.bidder_events import (
    AGENCY_SYNC,
    BULK_QUEUES,
    CERTIFICATE_REGISTRY,
    QUEUES,
    STOP_QUEUES,
    BidderEvents,
)
from qualification_registry.operations.bidder_notices import NOTICES_QUEUE, BidderNotices
from qualification_registry.operations.card_approval_decision import ANSWERS_QUEUE, CardAnswers
from qualification_registry.operations.expiry import EXPIRY_QUEUE, Expiry
from qualification_registry.operations.suspension import BidderSuspensions
from qualification_registry.settings import PACKAGE, SERVICE, WorkerSettings
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub
from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationStub

# Concurrent jobs of each queue.
CONCURRENCY = {
    **dict.fromkeys(STOP_QUEUES.values(), 2),
    **dict.fromkeys(QUEUES.values(), 2),
    **dict.fromkeys(BULK_QUEUES.values(), 1),
    NOTICES_QUEUE: 2,
    ANSWERS_QUEUE: 2,
    EXPIRY_QUEUE: 1,
    HEADS_QUEUE: 1,
}


async def run() -> None:
    """Sends bidders, seals the history and ends what has expired, until the process is stopped."""
    settings = WorkerSettings.read()
    dsn = settings.direct_database("a worker")
    history_key = settings.load_history_key()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, settings.endpoints())
    contact_notification = ContactNotification(peers.stub("contact-notification", ContactNotificationStub))
    chain = Chain(profile.id, SERVICE)
    agency_sync = AgencySync(peers.stub(AGENCY_SYNC, AgencySyncStub))
    async with (
        Metrics.open(SERVICE, settings, component="worker") as metrics,
        Database.open(dsn, pool=settings.database_pool, password_file=settings.database_password_file) as database,
    ):
        events = BidderEvents(
            database=database,
            consumers={
                CERTIFICATE_REGISTRY: CertificateRegistry(peers.stub(CERTIFICATE_REGISTRY, CertificateRegistryStub)),
                AGENCY_SYNC: agency_sync,
            },
            clock=read_time,
        )
        work = build_work(
            bidder_events=events,
            bidder_notices=BidderNotices(database=database, sender=contact_notification, clock=read_time),
            suspensions=BidderSuspensions(
                database=database, profile=profile, chain=chain, events=events, clock=read_time
            ),
            card_answers=CardAnswers(database=database, sender=contact_notification, clock=read_time),
            expiry=Expiry(database=database, chain=chain, clock=read_time),
        )
        heads = HeadNews(database=database, witness=AGENCY_SYNC, tell=agency_sync.record_history_head)
        heads.register(work)
        await work_until_stopped(
            work,
            package=PACKAGE,
            settings=settings,
            database=database,
            telemetry=telemetry,
            metrics=metrics,
            concurrency=CONCURRENCY,
            looks=[RosterMetrics(metrics, profile).look, SealMetrics(metrics).look],
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

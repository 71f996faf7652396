"""The command worker: CRLs, stored cards, the seals of the history, and what other services have to be told."""

from certificate_registry.adapters.agency_sync import AgencySync
from certificate_registry.adapters.contact_notification import ContactNotification
from certificate_registry.adapters.officer_directory import OfficerDirectory
from certificate_registry.adapters.trust_store_cache import open_trust_stores
from certificate_registry.jobs import create_work
from certificate_registry.metrics import CardTrustMetrics, RevocationListMetrics
from certificate_registry.operations.card_trust import TRUST_QUEUE, CardTrust
from certificate_registry.operations.deliveries import (
    AGENCY_SYNC,
    BULK_QUEUES,
    CONTACT_NOTIFICATION,
    QUEUES,
    Consumer,
    Deliveries,
)
from certificate_registry.operations.expiry import EXPIRY_QUEUE, ExpiredRecords
from certificate_registry.operations.notices import NOTICES_QUEUE, Notices
from certificate_registry.operations.officer_deliveries import (
    CONSUMERS,
    OFFICER_QUEUES,
    STOP_QUEUES,
    OfficerDeliveries,
    adopt_epoch,
)
from certificate_registry.operations.officer_notices import OfficerNotices
from certificate_registry.operations.revocation import RevocationListFetch
from certificate_registry.operations.revocation_request import LISTS_QUEUE, enqueue_fetch
from certificate_registry.operations.suspension import CardSuspensions
from certificate_registry.settings import PACKAGE, SERVICE, WorkerSettings
from history.entries import Chain
from history.head_news import HEADS_QUEUE, HeadNews
from history.metrics import SealMetrics
from history.seal_keeper import keep_sealed
from instance_profile.load import load_for_service
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.database_connection import Connection
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationStub
from toroku.officer.v1.officer_directory_pb2_grpc import OfficerDirectoryStub

# Jobs of each queue that run concurrently.
CONCURRENCY = {
    **dict.fromkeys(QUEUES.values(), 4),
    **dict.fromkeys(BULK_QUEUES.values(), 1),
    **dict.fromkeys(OFFICER_QUEUES.values(), 1),
    **dict.fromkeys(STOP_QUEUES.values(), 2),
    NOTICES_QUEUE: 2,
    LISTS_QUEUE: 2,
    TRUST_QUEUE: 2,
    EXPIRY_QUEUE: 1,
    HEADS_QUEUE: 1,
}


async def run() -> None:
    """Fetches CRLs, judges cards, seals the history, and tells other services of both, until it is stopped."""
    settings = WorkerSettings.read()
    dsn = settings.direct_database("a worker")
    history_key = settings.load_history_key()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    chain = Chain(profile.id, SERVICE)
    trust_stores = open_trust_stores(profile)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, settings.endpoints())
    async with (
        Metrics.open(SERVICE, settings, component="worker") as metrics,
        Database.open(dsn, pool=settings.database_pool, password_file=settings.database_password_file) as database,
    ):
        contact_notification = ContactNotification(peers.stub("contact-notification", ContactNotificationStub))
        agency_sync = AgencySync(peers.stub("agency-sync", AgencySyncStub))
        consumers: dict[str, Consumer] = {CONTACT_NOTIFICATION: contact_notification, AGENCY_SYNC: agency_sync}
        card_trust = CardTrust(database=database, trust_stores=trust_stores, chain=chain, clock=read_time)

        deliveries = Deliveries(database=database, consumers=consumers)

        async def begin(connection: Connection) -> None:
            # No card can be validated while a CA has no CRL, so the first fetch does not wait for its schedule.
            await enqueue_fetch(connection)
            await card_trust.adopt_rules(connection)
            await adopt_epoch(connection)

        work = create_work(
            revocation_lists=RevocationListFetch(
                database=database, trust_stores=trust_stores, chain=chain, clock=read_time
            ),
            card_trust=card_trust,
            deliveries=deliveries,
            notices=Notices(database=database, sender=contact_notification),
            suspensions=CardSuspensions(
                database=database, profile=profile, chain=chain, deliveries=deliveries, clock=read_time
            ),
            officer_deliveries=OfficerDeliveries(
                database=database,
                consumers={name: OfficerDirectory(peers.stub(name, OfficerDirectoryStub)) for name in CONSUMERS},
            ),
            officer_notices=OfficerNotices(database=database, sender=contact_notification, clock=read_time),
            expired_records=ExpiredRecords(database=database, chain=chain, clock=read_time),
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
            first=begin,
            looks=[
                RevocationListMetrics(metrics, trust_stores).refresh,
                CardTrustMetrics(metrics, trust_stores).refresh,
                SealMetrics(metrics).look,
            ],
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

"""The command worker: propagates what contractors did, completes the agencies' feeds, and makes snapshots of them."""

from agency_sync.adapters.certificate_registry import CertificateRegistry
from agency_sync.adapters.contact_notification import ContactNotification
from agency_sync.convert import feed as convert_feed
from agency_sync.domain.feed import list_feed_rules
from agency_sync.domain.offers import list_rules_by_category
from agency_sync.domain.schedule import Schedule
from agency_sync.jobs import EXPIRY_QUEUE, register_tasks
from agency_sync.metrics import FeedMetrics, PropagationMetrics
from agency_sync.operations.batches import Batches
from agency_sync.operations.change_propagation import CHANGES_QUEUE, ChangeRun
from agency_sync.operations.feed_appending import FEED_QUEUE, FeedAppending
from agency_sync.operations.feed_expiry import FeedExpiry
from agency_sync.operations.propagate import PROPAGATIONS_QUEUE, PropagationRun
from agency_sync.operations.snapshot import SNAPSHOTS_QUEUE, SnapshotMaking
from agency_sync.settings import PACKAGE, SERVICE, WorkerSettings
from instance_profile.load import load_for_service
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_clock import find_time, read_time
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub
from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationStub

# Jobs of each queue that one worker runs at the same time.
CONCURRENCY = {PROPAGATIONS_QUEUE: 2, CHANGES_QUEUE: 1, FEED_QUEUE: 1, EXPIRY_QUEUE: 1, SNAPSHOTS_QUEUE: 1}


async def run() -> None:
    """Carries out the intentions until the process is stopped."""
    settings = WorkerSettings.read()
    key = settings.load_feed_key()
    dsn = settings.direct_database("a worker")
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    peers = Peers(
        CertificateFiles(settings.certificate, settings.private_key, settings.services_ca),
        {
            "certificate-registry": settings.certificate_registry_endpoint,
            "contact-notification": settings.contact_notification_endpoint,
        },
    )
    async with (
        Metrics.open(SERVICE, settings, component="worker") as metrics,
        Database.open(dsn, pool=settings.database_pool, password_file=settings.database_password_file) as database,
    ):
        of_registrations, of_changes = [
            Batches(
                database=database,
                clock=find_time,
                schedule=Schedule.of(profile),
                of_changes=are_changes,
                night_share=settings.night_share,
            )
            for are_changes in (False, True)
        ]
        propagation = PropagationRun(
            database=database,
            clock=read_time,
            batches=of_registrations,
            offering=list_rules_by_category(profile),
            certificate_registry=CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub)),
        )
        changes = ChangeRun(
            database=database,
            clock=read_time,
            batches=of_changes,
            contact_notification=ContactNotification(peers.stub("contact-notification", ContactNotificationStub)),
        )
        snapshots = SnapshotMaking(
            database=database,
            clock=read_time,
            instance=profile.id,
            key=key,
            serialize=convert_feed.write_delimited_change,
        )
        await work_until_stopped(
            register_tasks(
                propagation=propagation,
                changes=changes,
                feeds=FeedAppending(database=database, rules=list_feed_rules(profile)),
                snapshots=snapshots,
                expiry=FeedExpiry(database=database, clock=read_time),
            ),
            package=PACKAGE,
            settings=settings,
            database=database,
            telemetry=telemetry,
            metrics=metrics,
            concurrency=CONCURRENCY,
            looks=[PropagationMetrics(metrics).look, FeedMetrics(metrics).look],
        )
    await peers.close()
    telemetry.stop()

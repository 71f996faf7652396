"""certificate-registry: serve, serve-lookup, worker, migrate, migrate-after.

Reads top to bottom: settings, telemetry, database, operations, serve.
"""

from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry import convert
from certificate_registry.adapters.agency_sync import AgencySync
from certificate_registry.adapters.contact_notification import ContactNotification
from certificate_registry.adapters.judgement_pool import JudgementPool
from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.jobs import create_work
from certificate_registry.metrics import CardTrustMetrics, JudgementMetrics, RevocationListMetrics
from certificate_registry.operations.bidders import BidderRecords
from certificate_registry.operations.card_session import CardSessions
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
from certificate_registry.operations.outcomes import RequestOutcomes
from certificate_registry.operations.propagation import RegistrationPropagation
from certificate_registry.operations.registration import CardRegistration
from certificate_registry.operations.resolve_user import BatchedLookups, UserResolver
from certificate_registry.operations.revocation import LISTS_QUEUE, RevocationListFetch, enqueue_fetch
from certificate_registry.servicer.certificate_registry import CertificateRegistry
from certificate_registry.servicer.user_lookup import UserLookup
from certificate_registry.settings import LookupSettings, Settings
from instance_profile.load import ProfileError, load_for_service
from instance_profile.model import Profile
from servicekit import migrations, program, schema, server
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.metrics import Metrics
from servicekit.signed_statement import load_verifying_keys
from servicekit.telemetry import Telemetry
from servicekit.worker import work_until_stopped
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.certificate.v1 import (
    certificate_registry_pb2,
    certificate_registry_pb2_grpc,
    user_lookup_pb2,
    user_lookup_pb2_grpc,
)
from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationStub

SERVICE = "certificate-registry"
# What the processes of `serve-lookup` are called: in their certificate, their metrics, their log.
LOOKUP = "user-lookup"
PACKAGE = "certificate_registry"
# Jobs of each queue that run concurrently.
CONCURRENCY = {
    **dict.fromkeys(QUEUES.values(), 4),
    **dict.fromkeys(BULK_QUEUES.values(), 1),
    NOTICES_QUEUE: 2,
    LISTS_QUEUE: 2,
    TRUST_QUEUE: 2,
    EXPIRY_QUEUE: 1,
}


async def serve() -> None:
    """Answers calls until it is stopped."""
    settings = Settings()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    proof_keys = load_verifying_keys(settings.bidder_proof_public_keys.read_bytes())
    trust_stores = _open_trust_stores(profile)
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
        JudgementPool.open(convert.read_card_authorities(profile), settings.pool_bounds()) as judgements,
    ):
        JudgementMetrics(metrics, judgements)
        servicer = CertificateRegistry(
            card_sessions=CardSessions(
                database=database, trust_stores=trust_stores, judgements=judgements, profile=profile, clock=read_time
            ),
            registration=CardRegistration(
                database=database,
                trust_stores=trust_stores,
                instance=profile.id,
                proof_keys=proof_keys,
                read_statement=convert.read_bidder_statement,
                clock=read_time,
            ),
            outcomes=RequestOutcomes(database=database, clock=read_time),
            bidders=BidderRecords(database=database, clock=read_time),
            propagation=RegistrationPropagation(database=database, clock=read_time),
        )
        await server.serve(
            server.build_private_listeners(settings),
            instance=profile.id,
            services={
                certificate_registry_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]: partial(
                    certificate_registry_pb2_grpc.add_CertificateRegistryServicer_to_server, servicer
                ),
            },
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=schema.ready(database, PACKAGE),
        )
    telemetry.stop()


async def serve_lookup() -> None:
    """Answers `UserLookup` until it is stopped: in processes of its own, which nothing that strangers send holds up."""
    settings = LookupSettings()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(LOOKUP, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    dsn, password_file, pooled = settings.database, settings.database_password_file, settings.database_pooled
    async with (
        Metrics.open(LOOKUP, settings) as metrics,
        Database.open(dsn, pool=1, password_file=password_file, pooled=pooled, read_only=True) as database,
        metrics.refreshed(database),
        BatchedLookups.open(dsn, pool=settings.database_pool, password_file=password_file, pooled=pooled) as lookups,
    ):
        servicer = UserLookup(resolver=UserResolver(profile=profile, lookups=lookups))
        await server.serve(
            server.build_private_listeners(settings),
            instance=profile.id,
            services={
                user_lookup_pb2.DESCRIPTOR.services_by_name["UserLookup"]: partial(
                    user_lookup_pb2_grpc.add_UserLookupServicer_to_server, servicer
                ),
            },
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=schema.ready(database, PACKAGE),
        )
    telemetry.stop()


async def worker() -> None:
    """Fetches CRLs, judges stored cards, and tells other services of cards and acts until it is stopped."""
    settings = Settings()
    dsn = settings.direct_database("a worker")
    profile = load_for_service(settings.profile, settings.profile_overlay)
    trust_stores = _open_trust_stores(profile)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, settings.endpoints())
    async with (
        Metrics.open(SERVICE, settings, component="worker") as metrics,
        Database.open(dsn, pool=settings.database_pool, password_file=settings.database_password_file) as database,
    ):
        contact_notification = ContactNotification(peers.stub("contact-notification", ContactNotificationStub))
        consumers: dict[str, Consumer] = {
            CONTACT_NOTIFICATION: contact_notification,
            AGENCY_SYNC: AgencySync(peers.stub("agency-sync", AgencySyncStub)),
        }
        card_trust = CardTrust(database=database, trust_stores=trust_stores, clock=read_time)

        async def begin(connection: AsyncConnection) -> None:
            # No card can be validated while a CA has no CRL, so the first fetch does not wait for its schedule.
            await enqueue_fetch(connection)
            await card_trust.adopt_rules(connection)

        work = create_work(
            revocation_lists=RevocationListFetch(database=database, trust_stores=trust_stores, clock=read_time),
            card_trust=card_trust,
            deliveries=Deliveries(database=database, consumers=consumers),
            notices=Notices(database=database, sender=contact_notification, clock=read_time),
            expired_records=ExpiredRecords(database=database, clock=read_time),
        )
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
            ],
        )
    await peers.close()
    telemetry.stop()


def _open_trust_stores(profile: Profile) -> TrustStoreCache:
    try:
        return TrustStoreCache(convert.read_card_authorities(profile))
    except ValueError as error:
        # Loading the profile checks the same; whatever it does not find is a mistake of the profile all the same.
        raise ProfileError([str(error)]) from error


if __name__ == "__main__":
    program.run(
        SERVICE,
        {"serve": serve, "serve-lookup": serve_lookup, "worker": worker, **migrations.commands(PACKAGE)},
        names={"serve-lookup": LOOKUP},
        mistakes=ProfileError,
    )

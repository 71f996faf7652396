"""Starts a certificate registry for tests: its servicers on real listeners, with a CA and two peers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from certificate_registry.adapters.agency_sync import AgencySync
from certificate_registry.adapters.contact_notification import ContactNotification
from certificate_registry.adapters.judgement_pool import JudgementPool, PoolBounds
from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.adapters.valid_cards import ValidCards
from certificate_registry.commands.cards import CARDS, list_card_handlers, offer_cards
from certificate_registry.convert import registry as convert
from certificate_registry.convert.act_proof import serialize_act_statement
from certificate_registry.domain.act_proof import STATEMENT_PREFIX
from certificate_registry.jobs import create_work
from certificate_registry.operations.act_proof import ActProofs
from certificate_registry.operations.bidder_states import BidderStateRecord
from certificate_registry.operations.card_session import CardSessions
from certificate_registry.operations.card_trust import CardTrust
from certificate_registry.operations.card_validation import CardValidation
from certificate_registry.operations.deliveries import AGENCY_SYNC, CONTACT_NOTIFICATION, Consumer, Deliveries
from certificate_registry.operations.expiry import ExpiredRecords
from certificate_registry.operations.notices import Notices
from certificate_registry.operations.officer_deliveries import OfficerDeliveries
from certificate_registry.operations.officer_notices import OfficerNotices
from certificate_registry.operations.outcomes import RequestOutcomes
from certificate_registry.operations.propagation import RegistrationPropagation
from certificate_registry.operations.registration import CardRegistration
from certificate_registry.operations.renewal import CardRenewal
from certificate_registry.operations.resolve_user import BatchedLookups, UserResolver, list_good_during_review
from certificate_registry.operations.revocation import RevocationListFetch
from certificate_registry.operations.suspension import CardSuspensions
from certificate_registry.servicer.certificate_registry import CertificateRegistry
from certificate_registry.servicer.user_lookup import UserLookup
from certificate_registry.store.lookup import SESSION
from history.entries import Chain
from instance_profile.model import Profile
from officers.directory import StoredOfficers
from officers.servicer import Officers, offer_directory
from servicekit import database_clock, jobs
from servicekit.access import ListenerKind
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.signed_statement import SigningKey, load_verifying_keys
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.crl_server import crl_server
from simulators.instance_overlay import card_authority
from tests.support.example_profile import PREFECTURE, example_profile
from tests.support.history import make_key
from tests.support.in_process import Authority, Services, calling, serving
from tests.support.officers import office
from tests.support.peers.agency_sync import AgencySyncPeer
from tests.support.peers.contact_notification import ContactNotificationPeer
from tests.support.services.certificate_registry import USER_LOOKUP, RunningCertificateRegistry
from toroku.agencysync.v1 import agency_sync_pb2
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub, add_AgencySyncServicer_to_server
from toroku.certificate.v1 import certificate_registry_pb2
from toroku.certificate.v1.certificate_registry_pb2_grpc import (
    CertificateRegistryStub,
    add_CertificateRegistryServicer_to_server,
)
from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupStub, add_UserLookupServicer_to_server
from toroku.contact.v1 import contact_notification_pb2
from toroku.contact.v1.contact_notification_pb2_grpc import (
    ContactNotificationStub,
    add_ContactNotificationServicer_to_server,
)

if TYPE_CHECKING:
    from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryAsyncStub
    from toroku.certificate.v1.user_lookup_pb2_grpc import UserLookupAsyncStub

CERTIFICATE_REGISTRY = certificate_registry_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]
CONTACTS = contact_notification_pb2.DESCRIPTOR.services_by_name["ContactNotification"]
PROPAGATIONS = agency_sync_pb2.DESCRIPTOR.services_by_name["AgencySync"]
# A time-out longer than a busy machine needs.
POOL_BOUNDS = PoolBounds(processes=1, most=16, timeout=20)
# The callers on the internal listener; agencies have a listener of their own.
CALLERS = ("front-door", "contact-notification", "agency-sync", "qualification-registry")


@asynccontextmanager
async def running_certificate_registry(
    dsn: str,
    folder: Path,
    *,
    authority_changes: dict[str, Any] | None = None,
    further_authorities: Sequence[dict[str, Any]] = (),
    pooled: bool = False,
    pool_bounds: PoolBounds = POOL_BOUNDS,
) -> AsyncIterator[RunningCertificateRegistry]:
    """Runs the service on an empty database, with the CA's CRL fetched.

    `authority_changes` change its CA's entry in the profile, `further_authorities` are additional entries. `pooled`:
    the address is that of a transaction pooler. `pool_bounds` are those of the pool for strangers' certificates.
    """
    async with AsyncExitStack() as stack:
        ca = CertificateAuthority.create(key=new_ec_key())
        published: list[bytes] = []
        url = stack.enter_context(
            crl_server(lambda: published[-1] if published else ca.crl(clock[0] - timedelta(minutes=1)))
        )
        own = card_authority(ca, (url,)) | (authority_changes or {})
        profile = example_profile(card_authorities=[own, *further_authorities])
        clock = [datetime.now(UTC)]
        authority = Authority(folder, profile.id)
        # They implement only the RPC that this service calls.
        contact_notification = ContactNotificationPeer(profile=profile)  # type: ignore[abstract]  # see above
        agency_sync = AgencySyncPeer()  # type: ignore[abstract]  # see above
        proof_key = Ed25519PrivateKey.generate()
        act_proof_key = SigningKey(Ed25519PrivateKey.generate(), STATEMENT_PREFIX)
        pem = proof_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        database = await stack.enter_async_context(Database.open(dsn, pool=6, pooled=pooled))
        read = await stack.enter_async_context(Database.open(dsn, pool=2, pooled=pooled, session=SESSION))
        lookups = BatchedLookups(read, most_queries=2, good_during_review=list_good_during_review(profile))
        consumers = {
            "contact_notification": {
                CONTACTS: partial(add_ContactNotificationServicer_to_server, contact_notification)
            },
            "agency_sync": {PROPAGATIONS: partial(add_AgencySyncServicer_to_server, agency_sync)},
        }
        addresses = {
            name: await stack.enter_async_context(
                serving(authority, name.replace("_", "-"), served, instance=profile.id)
            )
            for name, served in consumers.items()
        }
        peers = await stack.enter_async_context(calling(authority.service("certificate-registry"), **addresses))
        authorities = convert.read_card_authorities(profile)
        trust_stores = TrustStoreCache(authorities)
        judgements = await stack.enter_async_context(JudgementPool.open(authorities, pool_bounds))

        async def read_time(connection: Connection) -> datetime:
            # What it costs is counted as in service.
            await database_clock.read_time(connection)
            return clock[0]

        def find_time(_: Connection) -> datetime:
            return clock[0]

        chain = Chain(profile.id, "certificate-registry")
        of_contacts = ContactNotification(peers.stub("contact-notification", ContactNotificationStub))
        peer_consumers: dict[str, Consumer] = {
            CONTACT_NOTIFICATION: of_contacts,
            AGENCY_SYNC: AgencySync(peers.stub("agency-sync", AgencySyncStub)),
        }
        deliveries = Deliveries(database=database, consumers=peer_consumers, patience=0.5)
        suspensions = CardSuspensions(
            database=database, profile=profile, chain=chain, deliveries=deliveries, clock=read_time
        )
        validation = CardValidation(trust_stores=trust_stores, valid_cards=ValidCards())
        servicer = CertificateRegistry(
            card_sessions=CardSessions(
                database=database,
                validation=validation,
                judgements=judgements,
                profile=profile,
                chain=chain,
                clock=find_time,
            ),
            registration=CardRegistration(
                database=database,
                validation=validation,
                chain=chain,
                proof_keys=load_verifying_keys(pem),
                read_statement=convert.read_bidder_statement,
                clock=find_time,
            ),
            renewal=CardRenewal(
                database=database,
                validation=validation,
                profile=profile,
                chain=chain,
                proof_keys=load_verifying_keys(pem),
                read_statement=convert.read_bidder_statement,
                clock=find_time,
            ),
            outcomes=RequestOutcomes(database=database, clock=find_time),
            bidder_states=BidderStateRecord(database=database),
            propagation=RegistrationPropagation(database=database, chain=chain, clock=read_time),
            act_proofs=ActProofs(
                database=database,
                validation=validation,
                instance=profile.id,
                key=act_proof_key,
                serialize_statement=serialize_act_statement,
                clock=find_time,
            ),
        )
        lookup = UserLookup(resolver=UserResolver(profile=profile, lookups=lookups))

        async def build_worker(profile: Profile) -> jobs.Work:
            trust_stores = TrustStoreCache(convert.read_card_authorities(profile))
            card_trust = CardTrust(database=database, trust_stores=trust_stores, chain=chain, clock=read_time)
            async with database.transaction() as connection:
                await card_trust.adopt_rules(connection)
            return create_work(
                revocation_lists=RevocationListFetch(
                    database=database, trust_stores=trust_stores, chain=chain, clock=read_time
                ),
                card_trust=card_trust,
                deliveries=deliveries,
                notices=Notices(database=database, sender=of_contacts),
                suspensions=suspensions,
                officer_deliveries=OfficerDeliveries(database=database, consumers={}),
                officer_notices=OfficerNotices(database=database, sender=of_contacts, clock=read_time),
                expired_records=ExpiredRecords(database=database, chain=chain, clock=read_time),
            )

        of_service = Officers(
            database=database,
            chain=chain,
            services=[CARDS],
            handlers=list_card_handlers(suspensions),
            callers=authority.callers,
            clock=read_time,
        )
        services: dict[str, Services] = {
            "certificate-registry": {
                CERTIFICATE_REGISTRY: partial(add_CertificateRegistryServicer_to_server, servicer),
                **of_service.offer(),
                # In service it owns the officers; tests record them here as elsewhere.
                **offer_directory(database),
                **offer_cards(suspensions, of_service, suspensions.clock),
            },
            "user-lookup": {USER_LOOKUP: partial(add_UserLookupServicer_to_server, lookup)},
        }
        stubs: dict[str, CertificateRegistryAsyncStub] = {}
        lookup_stubs: dict[str, UserLookupAsyncStub] = {}
        spans = InMemorySpanExporter()
        listeners: list[str] = []
        for listener in (ListenerKind.INTERNAL, ListenerKind.AGENCY):
            listening = {
                name.replace("-", "_"): await stack.enter_async_context(
                    serving(
                        authority,
                        name,
                        served,
                        instance=profile.id,
                        listener=listener,
                        spans=spans,
                        officers=StoredOfficers(database),
                    )
                )
                for name, served in services.items()
            }
            internal = listener is ListenerKind.INTERNAL
            listeners.append(listening["certificate_registry"])
            for name in CALLERS if internal else (PREFECTURE,):
                files = authority.service(name) if internal else authority.agency(name)
                caller = await stack.enter_async_context(calling(files, **listening))
                stubs[name] = caller.stub("certificate-registry", CertificateRegistryStub)
                lookup_stubs[name] = caller.stub("user-lookup", UserLookupStub)
        registry = RunningCertificateRegistry(
            dsn=dsn,
            database=database,
            profile=profile,
            ca=ca,
            list_url=url,
            published=published,
            proof_key=proof_key,
            act_proof_key=act_proof_key.public_key,
            contact_notification=contact_notification,
            agency_sync=agency_sync,
            work=await build_worker(profile),
            build_worker=build_worker,
            judgements=judgements,
            office=await stack.enter_async_context(
                office(authority, "certificate-registry", internal=listeners[0], agency=listeners[1])
            ),
            now=clock,
            chain=chain,
            history_key=make_key(),
            spans=spans,
            callers=stubs,
            lookups=lookup_stubs,
        )
        await registry.run_task("fetch_crls")
        await registry.judge_cards()
        yield registry

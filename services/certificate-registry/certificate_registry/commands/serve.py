"""The command serve: answers calls, but for lookups."""

from functools import partial

from certificate_registry.adapters.agency_sync import AgencySync
from certificate_registry.adapters.contact_notification import ContactNotification
from certificate_registry.adapters.judgement_pool import JudgementPool, PoolBounds
from certificate_registry.adapters.officer_directory import OfficerDirectory
from certificate_registry.adapters.trust_store_cache import open_trust_stores
from certificate_registry.adapters.valid_cards import ValidCards
from certificate_registry.commands.cards import CARDS, list_card_handlers, offer_cards
from certificate_registry.commands.officers import OFFICERS, create_role_grant, offer_officers
from certificate_registry.convert import registry as convert
from certificate_registry.convert.act_proof import serialize_act_statement
from certificate_registry.metrics import JudgementMetrics
from certificate_registry.operations.act_proof import ActProofs
from certificate_registry.operations.bidder_states import BidderStateRecord
from certificate_registry.operations.card_session import CardSessions
from certificate_registry.operations.card_validation import CardValidation
from certificate_registry.operations.deliveries import AGENCY_SYNC, CONTACT_NOTIFICATION, Deliveries
from certificate_registry.operations.incidents import IncidentRecord
from certificate_registry.operations.officer_deliveries import CONSUMERS
from certificate_registry.operations.outcomes import RequestOutcomes
from certificate_registry.operations.propagation import RegistrationPropagation
from certificate_registry.operations.registration import CardRegistration
from certificate_registry.operations.renewal import CardRenewal
from certificate_registry.operations.suspension import CardSuspensions
from certificate_registry.servicer.certificate_registry import CertificateRegistry
from certificate_registry.servicer.incidents import Incidents
from certificate_registry.settings import PACKAGE, SERVICE, ServerSettings, Settings
from history.entries import Chain
from history.servicer import offer_history
from instance_profile.load import load_for_service
from officers.directory import StoredOfficers
from officers.servicer import Officers
from servicekit import schema, server
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_clock import find_time, read_time
from servicekit.database_metrics import keep_refreshed
from servicekit.free_memory import keep_one_arena
from servicekit.metrics import Metrics
from servicekit.signed_statement import load_verifying_keys
from servicekit.telemetry import Telemetry
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.certificate.v1 import (
    certificate_registry_pb2,
    certificate_registry_pb2_grpc,
    incidents_pb2,
    incidents_pb2_grpc,
)
from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationStub
from toroku.officer.v1.officer_directory_pb2_grpc import OfficerDirectoryStub


async def run() -> None:
    """Answers calls until it is stopped."""
    keep_one_arena()
    settings = ServerSettings.read()
    mailed_secret_key = settings.load_mailed_secret_key()
    officer_proof_key = settings.load_officer_proof_key()
    act_proof_key = settings.load_act_proof_key()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    proof_keys = load_verifying_keys(settings.bidder_proof_public_keys.read_bytes())
    chain = Chain(profile.id, SERVICE)
    trust_stores = open_trust_stores(profile)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, settings.endpoints())
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        Database.of(settings) as database,
        keep_refreshed(metrics, database),
        JudgementPool.open(convert.read_card_authorities(profile), _bound_judgements(settings)) as judgements,
    ):
        JudgementMetrics(metrics, judgements)
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
                proof_keys=proof_keys,
                read_statement=convert.read_bidder_statement,
                clock=find_time,
            ),
            renewal=CardRenewal(
                database=database,
                validation=validation,
                profile=profile,
                chain=chain,
                proof_keys=proof_keys,
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
        deliveries = Deliveries(
            database=database,
            consumers={
                CONTACT_NOTIFICATION: ContactNotification(peers.stub("contact-notification", ContactNotificationStub)),
                AGENCY_SYNC: AgencySync(peers.stub("agency-sync", AgencySyncStub)),
            },
        )
        suspensions = CardSuspensions(
            database=database, profile=profile, chain=chain, deliveries=deliveries, clock=read_time
        )
        of_service = Officers(
            database=database,
            chain=chain,
            services=[CARDS, OFFICERS],
            handlers=[*list_card_handlers(suspensions), create_role_grant(chain)],
            callers=settings.callers,
            clock=read_time,
        )
        await server.serve(
            server.build_private_listeners(settings),
            instance=profile.id,
            services={
                certificate_registry_pb2.DESCRIPTOR.services_by_name["CertificateRegistry"]: partial(
                    certificate_registry_pb2_grpc.add_CertificateRegistryServicer_to_server, servicer
                ),
                incidents_pb2.DESCRIPTOR.services_by_name["Incidents"]: partial(
                    incidents_pb2_grpc.add_IncidentsServicer_to_server,
                    Incidents(IncidentRecord(database=database)),
                ),
                **offer_history(database),
                **of_service.offer(),
                **offer_cards(suspensions, of_service, read_time),
                **offer_officers(
                    database=database,
                    profile=profile,
                    chain=chain,
                    of_service=of_service,
                    officers_ca=settings.officer_clients_ca,
                    mailed_secret_key=mailed_secret_key,
                    proof_key=officer_proof_key,
                    consumers={name: OfficerDirectory(peers.stub(name, OfficerDirectoryStub)) for name in CONSUMERS},
                    clock=read_time,
                ),
            },
            officers=StoredOfficers(database),
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=schema.ready(database, PACKAGE),
        )
    await peers.close()
    telemetry.stop()


def _bound_judgements(settings: Settings) -> PoolBounds:
    return PoolBounds(
        processes=settings.judgement_processes,
        most=settings.concurrent_judgements,
        timeout=settings.judgement_timeout,
    )

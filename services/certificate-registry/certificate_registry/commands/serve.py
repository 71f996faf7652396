"""The command serve: answers calls, but for lookups."""

from functools import partial

from certificate_registry import convert
from certificate_registry.adapters.judgement_pool import JudgementPool, PoolBounds
from certificate_registry.adapters.trust_store_cache import open_trust_stores
from certificate_registry.adapters.valid_cards import ValidCards
from certificate_registry.metrics import JudgementMetrics
from certificate_registry.operations.bidders import BidderRecords
from certificate_registry.operations.card_session import CardSessions
from certificate_registry.operations.card_validation import CardValidation
from certificate_registry.operations.outcomes import RequestOutcomes
from certificate_registry.operations.propagation import RegistrationPropagation
from certificate_registry.operations.registration import CardRegistration
from certificate_registry.servicer.certificate_registry import CertificateRegistry
from certificate_registry.settings import PACKAGE, SERVICE, Settings
from instance_profile.load import load_for_service
from servicekit import schema, server
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.database_metrics import keep_refreshed
from servicekit.metrics import Metrics
from servicekit.signed_statement import load_verifying_keys
from servicekit.telemetry import Telemetry
from toroku.certificate.v1 import certificate_registry_pb2, certificate_registry_pb2_grpc


async def run() -> None:
    """Answers calls until it is stopped."""
    settings = Settings.read()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    proof_keys = load_verifying_keys(settings.bidder_proof_public_keys.read_bytes())
    trust_stores = open_trust_stores(profile)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
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
                database=database, validation=validation, judgements=judgements, profile=profile, clock=read_time
            ),
            registration=CardRegistration(
                database=database,
                validation=validation,
                instance=profile.id,
                proof_keys=proof_keys,
                read_statement=convert.read_bidder_statement,
                clock=read_time,
            ),
            outcomes=RequestOutcomes(database=database, clock=read_time),
            bidders=BidderRecords(database=database),
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


def _bound_judgements(settings: Settings) -> PoolBounds:
    return PoolBounds(
        processes=settings.judgement_processes,
        most=settings.concurrent_judgements,
        timeout=settings.judgement_timeout,
    )

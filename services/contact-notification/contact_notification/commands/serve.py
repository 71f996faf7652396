"""The command serve: answers calls."""

from functools import partial

from contact_notification.adapters.certificate_registry import CertificateRegistry
from contact_notification.domain.mail import check_templates, choose_sender, read_domain
from contact_notification.operations.card_states import CardStates
from contact_notification.operations.changes import ContactChanges
from contact_notification.operations.contacts import ContactReading
from contact_notification.operations.notices import Notices
from contact_notification.operations.propagation import ChangePropagation
from contact_notification.operations.settlement import Settlement
from contact_notification.operations.staging import Staging
from contact_notification.operations.takeovers import ContactTakeovers
from contact_notification.servicer import ContactNotification
from contact_notification.settings import PACKAGE, SERVICE, ServerSettings
from history.entries import Chain
from history.servicer import offer_history
from instance_profile.load import load_for_service
from officers.directory import StoredOfficers
from officers.servicer import offer_directory
from servicekit import schema, server
from servicekit.clients import Peers
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.database_metrics import keep_refreshed
from servicekit.metrics import Metrics
from servicekit.signed_statement import load_verifying_keys
from servicekit.telemetry import Telemetry
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub
from toroku.contact.v1 import contact_notification_pb2, contact_notification_pb2_grpc


async def run() -> None:
    """Answers calls until the process is stopped."""
    settings = ServerSettings.read()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    act_proof_keys = load_verifying_keys(settings.act_proof_public_keys.read_bytes())
    chain = Chain(profile.id, SERVICE)
    sender = choose_sender(profile, settings.mail_sender)
    check_templates(profile, sender)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, settings.endpoints())
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        Database.of(settings) as database,
        keep_refreshed(metrics, database),
    ):
        certificate_registry = CertificateRegistry(peers.stub("certificate-registry", CertificateRegistryStub))
        mail_domain = read_domain(sender)
        takeovers = ContactTakeovers(database=database, clock=read_time, chain=chain, mail_domain=mail_domain)
        card_states = CardStates(
            database=database, clock=read_time, chain=chain, mail_domain=mail_domain, takeovers=takeovers
        )
        servicer = ContactNotification(
            staging=Staging(
                database=database,
                clock=read_time,
                profile=profile,
                certificate_registry=certificate_registry,
                settlement=Settlement(
                    database=database,
                    clock=read_time,
                    chain=chain,
                    certificate_registry=certificate_registry,
                    card_states=card_states,
                ),
            ),
            contacts=ContactReading(database=database, profile=profile),
            changes=ContactChanges(
                database=database,
                clock=read_time,
                profile=profile,
                chain=chain,
                act_proof_keys=act_proof_keys,
                mail_domain=mail_domain,
            ),
            propagation=ChangePropagation(database=database, clock=read_time, chain=chain),
            card_states=card_states,
            notices=Notices(database=database, clock=read_time, mail_domain=mail_domain),
        )
        await server.serve(
            server.build_private_listeners(settings),
            instance=profile.id,
            services={
                contact_notification_pb2.DESCRIPTOR.services_by_name["ContactNotification"]: partial(
                    contact_notification_pb2_grpc.add_ContactNotificationServicer_to_server, servicer
                ),
                **offer_history(database),
                **offer_directory(database),
            },
            officers=StoredOfficers(database),
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=schema.ready(database, PACKAGE),
        )
    await peers.close()
    telemetry.stop()

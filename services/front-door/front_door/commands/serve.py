"""The command serve: answers calls."""

from functools import partial

from front_door.adapters.agency_sync import AgencySync
from front_door.adapters.card_renewals import CardRenewals
from front_door.adapters.certificate_registry import CertificateRegistry
from front_door.adapters.contact_notification import ContactNotification
from front_door.adapters.qualification_registry import QualificationRegistry
from front_door.convert.instance import InstanceDescription
from front_door.operations.advice import AdviceOperation
from front_door.operations.card_sessions import CardSessions
from front_door.operations.change import ChangeOperation
from front_door.operations.entry import EntryOperation
from front_door.operations.propagations import PropagationsOperation
from front_door.operations.registration import RegistrationOperation
from front_door.operations.renewal import RenewalOperation
from front_door.servicer.advice import AdviceServicer
from front_door.servicer.change import ChangeServicer
from front_door.servicer.entry import EntryServicer
from front_door.servicer.incidents import RefusedCalls
from front_door.servicer.input_limits import compute_sizes
from front_door.servicer.propagations import PropagationsServicer
from front_door.servicer.registration import RegistrationServicer
from front_door.servicer.renewal import RenewalServicer
from front_door.settings import SERVICE, Settings
from instance_profile.load import load_for_service
from servicekit import server
from servicekit.access import ListenerKind
from servicekit.clients import Peers
from servicekit.clock import now
from servicekit.credentials import CertificateFiles
from servicekit.incident_record import IncidentRecord
from servicekit.incidents import IncidentLog
from servicekit.metrics import Metrics
from servicekit.telemetry import Telemetry
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub
from toroku.certificate.v1.incidents_pb2_grpc import IncidentsStub
from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationStub
from toroku.frontdoor.v1 import (
    advice_pb2,
    advice_pb2_grpc,
    change_pb2,
    change_pb2_grpc,
    entry_pb2,
    entry_pb2_grpc,
    propagations_pb2,
    propagations_pb2_grpc,
    registration_pb2,
    registration_pb2_grpc,
    renewal_pb2,
    renewal_pb2_grpc,
)
from toroku.qualification.v1.card_approvals_pb2_grpc import CardApprovalsStub
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

ENTRY = entry_pb2.DESCRIPTOR.services_by_name["Entry"]

REGISTRATION = registration_pb2.DESCRIPTOR.services_by_name["Registration"]

CHANGE = change_pb2.DESCRIPTOR.services_by_name["Change"]

RENEWAL = renewal_pb2.DESCRIPTOR.services_by_name["Renewal"]

PROPAGATIONS = propagations_pb2.DESCRIPTOR.services_by_name["Propagations"]

ADVICE = advice_pb2.DESCRIPTOR.services_by_name["Advice"]


async def run() -> None:
    """Answers calls until it is told to stop."""
    settings = Settings.read()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)

    peers = Peers(files, settings.endpoints())
    cards = peers.stub("certificate-registry", CertificateRegistryStub)
    certificate_registry = CertificateRegistry(cards)
    qualification_registry = QualificationRegistry(
        peers.stub("qualification-registry", QualificationRegistryStub),
        peers.stub("qualification-registry", CardApprovalsStub),
    )
    contact_notification = ContactNotification(peers.stub("contact-notification", ContactNotificationStub))

    sessions = CardSessions(
        profile=profile, clock=now, certificate_registry=certificate_registry, log_ins=settings.log_in_buckets()
    )
    entry = EntryServicer(EntryOperation(profile=profile, clock=now, sessions=sessions), InstanceDescription(profile))
    registration = RegistrationServicer(
        RegistrationOperation(
            profile=profile,
            sessions=sessions,
            certificate_registry=certificate_registry,
            qualification_registry=qualification_registry,
            contact_notification=contact_notification,
        )
    )
    change = ChangeServicer(
        ChangeOperation(
            profile=profile,
            sessions=sessions,
            certificate_registry=certificate_registry,
            qualification_registry=qualification_registry,
            contact_notification=contact_notification,
        )
    )

    renewal = RenewalServicer(
        RenewalOperation(
            profile=profile,
            sessions=sessions,
            card_renewals=CardRenewals(cards),
            qualification_registry=qualification_registry,
        )
    )

    propagations = PropagationsServicer(
        PropagationsOperation(sessions=sessions, agency_sync=AgencySync(peers.stub("agency-sync", AgencySyncStub)))
    )

    advice = AdviceServicer(
        AdviceOperation(profile=profile, clock=now, sessions=sessions, qualification_registry=qualification_registry)
    )

    incidents = IncidentLog(IncidentRecord(peers.stub("certificate-registry", IncidentsStub)).send)
    public = server.Listener(
        ListenerKind.PUBLIC,
        settings.public_listen,
        settings.public_files(),
        settings.public_bounds(),
        settings.strangers_bounds(),
    )
    async with Metrics.open(SERVICE, settings) as metrics, incidents.running():
        metrics.watch_certificate("public", settings.public_files().certificate)
        await server.serve(
            [public, *server.build_private_listeners(settings)],
            instance=profile.id,
            services={
                ENTRY: partial(entry_pb2_grpc.add_EntryServicer_to_server, entry),
                REGISTRATION: partial(registration_pb2_grpc.add_RegistrationServicer_to_server, registration),
                CHANGE: partial(change_pb2_grpc.add_ChangeServicer_to_server, change),
                RENEWAL: partial(renewal_pb2_grpc.add_RenewalServicer_to_server, renewal),
                PROPAGATIONS: partial(propagations_pb2_grpc.add_PropagationsServicer_to_server, propagations),
                ADVICE: partial(advice_pb2_grpc.add_AdviceServicer_to_server, advice),
            },
            request_sizes=compute_sizes([ENTRY, REGISTRATION, CHANGE, RENEWAL, PROPAGATIONS, ADVICE]),
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=_ready,
            note_refusal=RefusedCalls(profile, incidents, now).note,
        )
    await peers.close()
    telemetry.stop()


async def _ready() -> bool:
    # Ready as soon as it serves: if a peer is down, taking every front door out of service would not help, and calls
    # that need the peer are refused with PEER_UNREACHABLE.
    return True

"""The command serve: answers calls."""

from functools import partial

from history.entries import Chain
from history.servicer import offer_history
from instance_profile.load import load_for_service
from officers.directory import StoredOfficers
from officers.servicer import Officers, offer_directory
from qualification_registry.adapters.agency_sync import AgencySync
from qualification_registry.adapters.certificate_registry import CertificateRegistry
from qualification_registry.adapters.password_hashing import PasswordHashing
from qualification_registry.domain.proof import STATEMENT_PREFIX
from qualification_registry.operations.act_facts import ACT_FACTS
from qualification_registry.operations.bidder_events import AGENCY_SYNC, CERTIFICATE_REGISTRY, BidderEvents
from qualification_registry.operations.bidder_list import BidderList
from qualification_registry.operations.bidder_names import BidderNames
from qualification_registry.operations.bidder_proof import BidderProofs
from qualification_registry.operations.bidder_renewal import BidderRenewal
from qualification_registry.operations.bidder_search import BidderSearch
from qualification_registry.operations.card_approval_decision import CardApprovalDecision
from qualification_registry.operations.card_approval_queue import CardApprovalQueue
from qualification_registry.operations.password_issue import PasswordIssue
from qualification_registry.operations.preview_list import PreviewList
from qualification_registry.operations.review_end import ReviewEnds
from qualification_registry.operations.roster_commit import RosterCommit
from qualification_registry.operations.roster_preview import RosterPreview
from qualification_registry.operations.roster_versions import RosterVersions
from qualification_registry.operations.succession import BidderSuccession
from qualification_registry.operations.suspension import BidderSuspensions
from qualification_registry.servicer.bidder_proposals import LinkHandler, ResumptionHandler
from qualification_registry.servicer.bidders import BiddersServicer
from qualification_registry.servicer.card_approvals import CardApprovalsServicer
from qualification_registry.servicer.qualification_registry import QualificationRegistryServicer
from qualification_registry.settings import PACKAGE, SERVICE, Settings
from servicekit import schema, server
from servicekit.clients import Peers
from servicekit.clock import now
from servicekit.credentials import CertificateFiles
from servicekit.database import Database
from servicekit.database_clock import find_time, read_time
from servicekit.database_metrics import keep_refreshed
from servicekit.exceptions import CommandFailed
from servicekit.free_memory import keep_one_arena
from servicekit.metrics import Metrics
from servicekit.signed_statement import SigningKey, load_verifying_keys
from servicekit.telemetry import Telemetry
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub
from toroku.qualification.v1 import (
    bidders_pb2,
    bidders_pb2_grpc,
    card_approvals_pb2,
    card_approvals_pb2_grpc,
    qualification_registry_pb2,
    qualification_registry_pb2_grpc,
)

BIDDERS = bidders_pb2.DESCRIPTOR.services_by_name["Bidders"]
CARD_APPROVALS = card_approvals_pb2.DESCRIPTOR.services_by_name["CardApprovals"]
REGISTRY = qualification_registry_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]


async def run() -> None:
    """Answers calls until the process is stopped."""
    keep_one_arena()
    settings = Settings.read()
    profile = load_for_service(settings.profile, settings.profile_overlay)
    proof_key = SigningKey.from_pem(settings.bidder_proof_key.read_bytes(), STATEMENT_PREFIX)
    verifying_keys = load_verifying_keys(settings.bidder_proof_public_keys.read_bytes())
    if proof_key.key_id not in verifying_keys:
        raise CommandFailed(
            f"{settings.bidder_proof_public_keys} does not contain the public key of {settings.bidder_proof_key}: "
            "add it here and at certificate-registry, or every bidder proof is refused"
        )
    chain = Chain(profile.id, SERVICE)
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    hashing = PasswordHashing()
    files = CertificateFiles(settings.certificate, settings.private_key, settings.services_ca)
    peers = Peers(files, settings.endpoints())
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        Database.of(settings) as database,
        keep_refreshed(metrics, database),
    ):
        proofs = BidderProofs(
            database=database, profile=profile, key=proof_key, verifying_keys=verifying_keys, clock=find_time
        )
        bidder_renewal = BidderRenewal(database=database, profile=profile, proofs=proofs, clock=find_time)
        bidder_search = BidderSearch(
            database=database, profile=profile, hashing=hashing, proofs=proofs, clock=find_time
        )
        events = BidderEvents(
            database=database,
            consumers={
                CERTIFICATE_REGISTRY: CertificateRegistry(peers.stub(CERTIFICATE_REGISTRY, CertificateRegistryStub)),
                AGENCY_SYNC: AgencySync(peers.stub(AGENCY_SYNC, AgencySyncStub)),
            },
            clock=read_time,
        )
        suspensions = BidderSuspensions(database=database, profile=profile, chain=chain, events=events, clock=read_time)
        officers = Officers(
            database=database,
            chain=chain,
            services=[REGISTRY, BIDDERS, CARD_APPROVALS],
            handlers=[
                ResumptionHandler(suspensions=suspensions, events=events),
                LinkHandler(succession=BidderSuccession(database=database, profile=profile, chain=chain)),
            ],
            facts=ACT_FACTS,
            callers=settings.callers,
            clock=read_time,
        )
        approvals = CardApprovalsServicer(
            queue=CardApprovalQueue(
                database=database,
                profile=profile,
                search=bidder_search,
                renewal=bidder_renewal,
                chain=chain,
                clock=read_time,
            ),
            decision=CardApprovalDecision(database=database, chain=chain, clock=read_time),
            acts=officers.methods,
        )
        servicer = QualificationRegistryServicer(
            acts=officers.methods,
            bidder_search=bidder_search,
            bidder_proofs=proofs,
            bidder_renewal=bidder_renewal,
            roster_preview=RosterPreview(database=database, profile=profile, chain=chain, clock=read_time),
            preview_list=PreviewList(database=database, profile=profile, clock=read_time),
            roster_commit=RosterCommit(database=database, profile=profile, chain=chain, clock=read_time),
            roster_versions=RosterVersions(database=database, profile=profile, clock=read_time),
            bidder_names=BidderNames(database=database, profile=profile, clock=now),
            bidder_list=BidderList(database=database, profile=profile, clock=now),
            password_issue=PasswordIssue(
                database=database, profile=profile, hashing=hashing, chain=chain, clock=read_time
            ),
        )
        await server.serve(
            server.build_private_listeners(settings),
            instance=profile.id,
            services={
                REGISTRY: partial(
                    qualification_registry_pb2_grpc.add_QualificationRegistryServicer_to_server, servicer
                ),
                BIDDERS: partial(
                    bidders_pb2_grpc.add_BiddersServicer_to_server,
                    BiddersServicer(
                        suspensions=suspensions,
                        review_ends=ReviewEnds(
                            database=database, profile=profile, chain=chain, events=events, clock=read_time
                        ),
                        officers=officers,
                    ),
                ),
                CARD_APPROVALS: partial(card_approvals_pb2_grpc.add_CardApprovalsServicer_to_server, approvals),
                **offer_history(database),
                **officers.offer(),
                **offer_directory(database),
            },
            officers=StoredOfficers(database),
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=schema.ready(database, PACKAGE),
        )
    await peers.close()
    hashing.close()
    telemetry.stop()

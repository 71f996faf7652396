"""The command serve: answers calls."""

from functools import partial

from instance_profile.load import load_for_service
from qualification_registry.adapters.password_hashing import PasswordHashing
from qualification_registry.domain.proof import STATEMENT_PREFIX
from qualification_registry.operations.bidder_list import BidderList
from qualification_registry.operations.bidder_names import BidderNames
from qualification_registry.operations.bidder_proof import BidderProofs
from qualification_registry.operations.bidder_search import BidderSearch
from qualification_registry.operations.password_issue import PasswordIssue
from qualification_registry.operations.preview_list import PreviewList
from qualification_registry.operations.qualified_agencies import QualifiedAgencyList
from qualification_registry.operations.roster_commit import RosterCommit
from qualification_registry.operations.roster_preview import RosterPreview
from qualification_registry.operations.roster_versions import RosterVersions
from qualification_registry.servicer import QualificationRegistryServicer
from qualification_registry.settings import PACKAGE, SERVICE, Settings
from servicekit import schema, server
from servicekit.clock import now
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.database_metrics import keep_refreshed
from servicekit.exceptions import CommandFailed
from servicekit.free_memory import keep_one_arena
from servicekit.metrics import Metrics
from servicekit.signed_statement import SigningKey, load_verifying_keys
from servicekit.telemetry import Telemetry
from toroku.qualification.v1 import qualification_registry_pb2, qualification_registry_pb2_grpc


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
    telemetry = Telemetry.start(SERVICE, settings.otlp_endpoint, settings.trace_sampling, instance=profile.id)
    hashing = PasswordHashing()
    async with (
        Metrics.open(SERVICE, settings) as metrics,
        Database.of(settings) as database,
        keep_refreshed(metrics, database),
    ):
        proofs = BidderProofs(
            database=database, profile=profile, key=proof_key, verifying_keys=verifying_keys, clock=read_time
        )
        servicer = QualificationRegistryServicer(
            bidder_search=BidderSearch(
                database=database, profile=profile, hashing=hashing, proofs=proofs, clock=read_time
            ),
            bidder_proofs=proofs,
            qualified_agencies=QualifiedAgencyList(database=database, profile=profile, clock=now),
            roster_preview=RosterPreview(database=database, profile=profile, clock=read_time),
            preview_list=PreviewList(database=database, profile=profile, clock=read_time),
            roster_commit=RosterCommit(database=database, profile=profile, clock=read_time),
            roster_versions=RosterVersions(database=database, profile=profile, clock=read_time),
            bidder_names=BidderNames(database=database, profile=profile, clock=now),
            bidder_list=BidderList(database=database, profile=profile, clock=now),
            password_issue=PasswordIssue(database=database, profile=profile, hashing=hashing, clock=read_time),
        )
        await server.serve(
            server.build_private_listeners(settings),
            instance=profile.id,
            services={
                qualification_registry_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]: partial(
                    qualification_registry_pb2_grpc.add_QualificationRegistryServicer_to_server, servicer
                )
            },
            settings=settings,
            telemetry=telemetry,
            metrics=metrics,
            ready=schema.ready(database, PACKAGE),
        )
    hashing.close()
    telemetry.stop()

"""What the command serve offers to officers, and to the portal for them."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from certificate_registry.adapters.code_hashing import CodeHashing
from certificate_registry.adapters.officer_authorities import OfficerAuthorities
from certificate_registry.convert.officers import read_expiry
from certificate_registry.operations.officer_acceptance import OfficerAcceptance
from certificate_registry.operations.officer_deliveries import OfficerConsumer, OfficerDeliveries
from certificate_registry.operations.officer_enrolment import OfficerEnrolment
from certificate_registry.operations.officer_invitations import OfficerInvitations
from certificate_registry.operations.officer_log_in import OfficerLogIn
from certificate_registry.operations.officer_roles import RoleGrant, RoleWithdrawal
from certificate_registry.operations.officer_withdrawal import OfficerWithdrawal
from certificate_registry.servicer.officers import Officers
from history.entries import Chain
from instance_profile.model import Profile
from officers.challenges import ActChallenges
from officers.methods import ActMethod
from officers.servicer import Officers as OfficersOfService
from officers.words import ActWords, load_words
from servicekit.access import build_access_table
from servicekit.authorities import AuthorityBundle
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.mailed_secrets import MailedSecretKey
from servicekit.signed_statement import SigningKey
from toroku.certificate.v1 import officers_pb2, officers_pb2_grpc

OFFICERS = officers_pb2.DESCRIPTOR.services_by_name["Officers"]


def create_role_grant(chain: Chain) -> RoleGrant:
    """Returns what two administrators decide."""
    return RoleGrant(chain=chain, method=_name("GrantRole"))


def offer_officers(
    *,
    database: Database,
    profile: Profile,
    chain: Chain,
    of_service: OfficersOfService,
    officers_ca: Path | None,
    mailed_secret_key: MailedSecretKey,
    proof_key: SigningKey,
    consumers: Mapping[str, OfficerConsumer],
    clock: DatabaseClock,
) -> Mapping[ServiceDescriptor, Callable[[grpc.aio.Server], None]]:
    """Returns the service Officers, with what adds it to a server.

    `officers_ca` is the file of the CAs of officers' certificates, without which there are none; `consumers` are told
    of a withdrawal at once.
    """
    codes = CodeHashing()
    authorities = OfficerAuthorities(None if officers_ca is None else AuthorityBundle(officers_ca))
    deliveries = OfficerDeliveries(database=database, consumers=consumers)
    accept = _name("AcceptInvitation")
    access = build_access_table([OFFICERS])
    servicer = Officers(
        acts=of_service.methods,
        proposals=of_service.proposals,
        invitations=OfficerInvitations(
            database=database, profile=profile, chain=chain, hashes=codes, sealing=mailed_secret_key, clock=clock
        ),
        acceptance=OfficerAcceptance(
            database=database,
            profile=profile,
            authorities=authorities,
            challenges=ActChallenges(
                profile.id, of_service.methods, ActWords({accept: officers_pb2.AcceptInvitationRequest}, load_words())
            ),
            method=ActMethod(accept, access[f"/{accept}"], officers_pb2.AcceptInvitationRequest),
            clock=clock,
        ),
        enrolment=OfficerEnrolment(database=database, chain=chain, codes=codes, read_expiry=read_expiry, clock=clock),
        role_withdrawal=RoleWithdrawal(database=database, chain=chain, deliveries=deliveries, clock=clock),
        withdrawal=OfficerWithdrawal(database=database, chain=chain, deliveries=deliveries, clock=clock),
        log_in=OfficerLogIn(
            database=database,
            chain=chain,
            authorities=authorities,
            operation=_name("LogIn"),
            proof_key=proof_key,
            clock=clock,
        ),
    )
    return {OFFICERS: partial(officers_pb2_grpc.add_OfficersServicer_to_server, servicer)}


def _name(method: str) -> str:
    return f"{OFFICERS.full_name}/{method}"

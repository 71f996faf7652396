"""Makes officers of a trial on one machine, where the keys of both administrators lie in its state folder.

It is the way of every officer, without people: invited, accepted with a certificate, confirmed by another
administrator, and given roles that one administrator proposes and the other one approves.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import grpc
from cryptography import x509
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from instance_profile.base import OPERATOR
from operator_command.client.connection import locate_authority, locate_key_files, open_channel_with, read_file
from operator_command.instance_certificates import ADMINISTRATORS
from operator_command.officer.acts.key import KeyFile, hash_certificate, read_key_file
from operator_command.officer.acts.purpose import OwnRequest, accept_purpose, name_method
from operator_command.speech import Speech, find_language
from operator_command.topology import Addresses, read_addresses
from refusals import Refusal
from refusals.status import from_rpc_error
from toroku.act.v1.signed_purpose_pb2 import SignatureAlgorithm, SignedPurpose
from toroku.agencysync.v1.agency_sync_pb2 import ListPropagationsRequest
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.certificate.v1 import officers_pb2
from toroku.certificate.v1.officers_pb2_grpc import OfficersStub
from toroku.history.v1.history_pb2 import ListEntriesRequest
from toroku.history.v1.history_pb2_grpc import HistoryStub
from toroku.officer.v1 import proposals_pb2
from toroku.officer.v1.officer_acts_pb2 import CreateActChallengeRequest
from toroku.officer.v1.officer_acts_pb2_grpc import OfficerActsStub
from toroku.qualification.v1.qualification_registry_pb2 import ListRosterVersionsRequest
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

# What the commands of this house need.
ROLES = ("approval", "binding", "password", "registration", "roster", "suspension")
OPERATOR_ROLES = ("approval", "binding", "history", "password", "registration", "roster", "suspension")
REASON = "試行環境の準備 (preparation of a trial)"
REGISTRY = "certificate-registry"
# The services that know an officer a little later, by a job.
LATER = ("qualification-registry", "agency-sync", "contact-notification")
SECONDS = 30.0
_POLL_SECONDS = 0.05
_MOST_PERSON_ID_CHARACTERS = 40
# What a service says of somebody whom it does not know yet, or not with the new roles.
_NOT_YET = frozenset({"CALLER_UNKNOWN", "CALLER_NOT_ALLOWED", "OFFICER_CERTIFICATE_WITHDRAWN"})
_OFFICERS = officers_pb2.DESCRIPTOR.services_by_name["Officers"].methods_by_name
_PROPOSALS = proposals_pb2.DESCRIPTOR.services_by_name["Proposals"].methods_by_name
Response = TypeVar("Response", bound=Message)


def name_person(officer: str) -> str:
    """Returns the id of a person whose files are named `agency/person`: ids are unique in the instance."""
    agency, _, person = officer.partition("/")
    return f"{person}.{agency}"[:_MOST_PERSON_ID_CHARACTERS]


def prepare_officer(state: Path, officer: str, *, services: Collection[str] = LATER, roles: Sequence[str] = ()) -> bool:
    """Makes the owner of a certificate in the state folder (`agency/person`) an officer with these roles.

    Without roles, it gets those of `list_roles`.

    Returns whether anything had to be done, after all `services` know it. Raises NO_INSTANCE, UNKNOWN_CALLER, and the
    registry's refusals.
    """
    addresses = read_addresses(state)
    with ExitStack() as stack:
        first, second, person = (
            stack.enter_context(_at_registry(state, addresses, name)) for name in (*ADMINISTRATORS, officer)
        )
        preparation = _Preparation(officer, roles or list_roles(officer.partition("/")[0]), first, second, person)
        is_changed = preparation.prepare()
    _wait_until_known(state, addresses, officer, services)
    return is_changed


def list_roles(agency: str) -> Sequence[str]:
    """Returns the roles of an officer of this agency, or of the operator."""
    return OPERATOR_ROLES if agency == OPERATOR else ROLES


@dataclass(frozen=True, slots=True)
class _AtRegistry:
    """Somebody with a key at certificate-registry, who signs what it does."""

    key: KeyFile
    instance: str
    channel: grpc.Channel

    @property
    def officers(self) -> OfficersStub:
        return OfficersStub(self.channel)

    def carry_out(self, method: MethodDescriptor, request: Message, response: type[Response]) -> Response:
        """Returns the answer of a method to a request, signed."""
        request_id = str(uuid4())
        question = CreateActChallengeRequest(
            method=name_method(method), request_id=request_id, request=request.SerializeToString()
        )
        encoded = _call(OfficerActsStub(self.channel).CreateActChallenge, question).purpose
        self.sign(method, request, request_id, encoded)
        call = self.channel.unary_unary(
            f"/{name_method(method)}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        answer: Response = _call(call, request)
        return answer

    def sign(self, method: MethodDescriptor, request: Any, request_id: str, encoded: bytes) -> None:
        """Sets the field `act` of a request, where the purpose is for exactly this one."""
        own = OwnRequest(
            instance=self.instance,
            certificate_sha256=hash_certificate(self.key),
            method=method,
            request=request,
            request_id=request_id,
        )
        accept_purpose(encoded, own)
        signed = self.key.sign(encoded)
        algorithm = SignatureAlgorithm.Value(f"SIGNATURE_ALGORITHM_{signed.algorithm.value}")
        request.act.CopyFrom(SignedPurpose(purpose=signed.purpose, algorithm=algorithm, signature=signed.signature))


@dataclass(frozen=True, slots=True)
class _Preparation:
    officer: str
    roles: Sequence[str]
    first: _AtRegistry
    second: _AtRegistry
    person: _AtRegistry

    @property
    def agency(self) -> str:
        return self.officer.partition("/")[0]

    def prepare(self) -> bool:
        """Does what is missing; returns whether anything was."""
        found = self._find()
        own = hash_certificate(self.person.key)
        is_known = found is not None and own in [held.certificate_sha256 for held in found.certificates]
        if not is_known:
            self._enrol(is_further=found is not None)
        missing = sorted({*self.roles} - {*(found.roles if found is not None else ())})
        if missing:
            self._grant(missing)
        return not is_known or bool(missing)

    def _find(self) -> officers_pb2.Officer | None:
        request = officers_pb2.GetOfficerRequest(agency=self.agency, person_id=name_person(self.officer))
        try:
            officer: officers_pb2.Officer = _call(self.first.officers.GetOfficer, request).officer
        except Refusal as refusal:
            if refusal.reason != "OFFICER_UNKNOWN":
                raise
            return None
        return officer

    def _enrol(self, *, is_further: bool) -> None:
        person_id = name_person(self.officer)
        self._cancel_standing(person_id)
        invitation = officers_pb2.InviteOfficerRequest(
            agency=self.agency, person_id=person_id, name=person_id, letter=True, further_certificate=is_further
        )
        code = self.first.carry_out(_OFFICERS["InviteOfficer"], invitation, officers_pb2.InviteOfficerResponse).code
        request_id = str(uuid4())
        challenge = officers_pb2.CreateAcceptChallengeRequest(
            agency=self.agency, person_id=person_id, request_id=request_id
        )
        encoded = _call(self.person.officers.CreateAcceptChallenge, challenge).purpose
        acceptance = officers_pb2.AcceptInvitationRequest(agency=self.agency, person_id=person_id)
        self.person.sign(_OFFICERS["AcceptInvitation"], acceptance, request_id, encoded)
        # What is signed has no code in it.
        acceptance.code = code
        _call(self.person.officers.AcceptInvitation, acceptance)
        confirmation = officers_pb2.ConfirmOfficerRequest(
            agency=self.agency, person_id=person_id, certificate_sha256=hash_certificate(self.person.key)
        )
        self.second.carry_out(_OFFICERS["ConfirmOfficer"], confirmation, officers_pb2.ConfirmOfficerResponse)

    def _cancel_standing(self, person_id: str) -> None:
        """Takes back what an interrupted preparation left."""
        request = officers_pb2.ListInvitationsRequest(agency=self.agency)
        for invitation in _call(self.first.officers.ListInvitations, request).invitations:
            if invitation.person_id == person_id:
                cancellation = officers_pb2.CancelInvitationRequest(
                    agency=self.agency, invitation_id=invitation.invitation_id, reason=REASON
                )
                self.first.carry_out(_OFFICERS["CancelInvitation"], cancellation, officers_pb2.CancelInvitationResponse)

    def _grant(self, roles: Sequence[str]) -> None:
        grant = officers_pb2.GrantRoleRequest(
            agency=self.agency, person_id=name_person(self.officer), roles=roles, reason=REASON
        )
        record = self.first.carry_out(_OFFICERS["GrantRole"], grant, officers_pb2.GrantRoleResponse).proposal
        approval = proposals_pb2.ApproveProposalRequest(
            proposal_id=record.proposal.proposal_id, proposal_sha256=record.proposal_sha256
        )
        self.second.carry_out(_PROPOSALS["ApproveProposal"], approval, proposals_pb2.ApproveProposalResponse)


@contextmanager
def _at_registry(state: Path, addresses: Addresses, name: str) -> Iterator[_AtRegistry]:
    key = _read_key(state, name)
    with _open(state, addresses, REGISTRY, key) as channel:
        yield _AtRegistry(key, _read_instance(key), channel)


def _read_key(state: Path, name: str) -> KeyFile:
    # It may ask for a password, though no key of a state folder has one.
    return read_key_file(*locate_key_files("officers", name, state), Speech(find_language()))


@contextmanager
def _open(state: Path, addresses: Addresses, service: str, key: KeyFile) -> Iterator[grpc.Channel]:
    credentials = key.make_credentials(read_file(locate_authority(state)))
    with open_channel_with(service, addresses.of(service, "agency"), credentials) as channel:
        yield channel


def _read_instance(key: KeyFile) -> str:
    """Returns the instance in the name of a certificate that was issued with the instance."""
    names = x509.load_der_x509_certificate(key.certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return urlsplit(names.value.get_values_for_type(x509.UniformResourceIdentifier)[0]).netloc


def _wait_until_known(state: Path, addresses: Addresses, officer: str, services: Collection[str]) -> None:
    """Waits until these services admit an officer to what it may read; raises what they say if they never do."""
    key, deadline = _read_key(state, officer), time.monotonic() + SECONDS
    for service, ask in _list_questions(officer.partition("/")[0]).items():
        if service not in services:
            continue
        with _open(state, addresses, service, key) as channel:
            while True:
                try:
                    ask(channel)
                except Refusal as refusal:
                    if refusal.reason in _NOT_YET and time.monotonic() < deadline:
                        time.sleep(_POLL_SECONDS)
                        continue
                    if refusal.reason in _NOT_YET:
                        raise
                break


def _list_questions(agency: str) -> dict[str, Callable[[grpc.Channel], object]]:
    """Returns by service a read that its officers may ask for, though it may be about nothing that there is."""
    versions = ListRosterVersionsRequest(roster="-")
    propagations = ListPropagationsRequest(agency=agency, registration_id=str(uuid4()))
    entries = ListEntriesRequest(bidder_id="-")
    questions: dict[str, Callable[[grpc.Channel], object]] = {
        "qualification-registry": lambda channel: _call(
            QualificationRegistryStub(channel).ListRosterVersions, versions
        ),
        "agency-sync": lambda channel: _call(AgencySyncStub(channel).ListPropagations, propagations),
    }
    if "history" in list_roles(agency):
        questions["contact-notification"] = lambda channel: _call(HistoryStub(channel).ListEntries, entries)
    return questions


def _call(method: Callable[..., Any], request: Message) -> Any:
    try:
        return method(request, timeout=SECONDS, wait_for_ready=True)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None

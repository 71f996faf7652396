"""protobuf and profile ↔ domain: the only place where they meet. `read_…` from a message, `…_message` to one."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from uuid import UUID

from google.protobuf.message import DecodeError

from certificate_registry.convert.serials import read_serial
from certificate_registry.domain.bidder_proof import BidderProof, BidderStatement, refuse_proof
from certificate_registry.domain.binding import BindingState, CardStanding, RegistrationState
from certificate_registry.domain.card import Card
from certificate_registry.domain.card_session import SessionScope, refuse_role, require_role
from certificate_registry.domain.card_state import AgencyRegistration, CardState, CertificateState
from certificate_registry.domain.checked_session import CheckedSession
from certificate_registry.domain.outcome import OutcomeReport
from certificate_registry.domain.propagation import PropagatedRegistration, PropagationResult
from certificate_registry.domain.proven import CompanyComparison, HolderComparison, Proven
from certificate_registry.domain.registration import (
    ActRequest,
    Origin,
    Registration,
    RegistrationRequest,
    RequestReference,
)
from certificate_registry.domain.verdict import Resolution, Verdict
from certificate_registry.pki.card_authorities import (
    CardAuthority,
    RevocationRule,
    UnknownStatus,
    load_pem_certificates,
)
from certificate_registry.pki.certificate import format_serial_decimal, format_serial_hexadecimal
from certificate_registry.pki.path_validation import RevocationStatus
from instance_profile.model import Profile
from refusals import Code, Refusal
from servicekit.messages import check_request_id, check_sha256, read_timestamp, write_timestamp
from signed_acts.purpose import Operation, Role, SignedPurpose
from signed_acts.signature import parse_signature_algorithm
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import card_pb2, card_state_pb2, certificate_registry_pb2, user_lookup_pb2
from toroku.event.v1 import version_pb2
from toroku.qualification.v1 import bidder_pb2

_ALGORITHM_PREFIX = "SIGNATURE_ALGORITHM_"
_GOOD = int(Verdict.GOOD)
# All answers of one query have the same instant.
_as_of = lru_cache(maxsize=16)(write_timestamp)
# All cards of a path have the same.
_revocation_as_of = lru_cache(maxsize=256)(write_timestamp)
_Outcome = certificate_registry_pb2.GetOutcomeResponse.Outcome

_OPERATIONS = {
    card_pb2.OPERATION_REGISTRATION: Operation.REGISTRATION,
    card_pb2.OPERATION_CHANGE: Operation.CHANGE,
    card_pb2.OPERATION_RENEWAL: Operation.RENEWAL,
    card_pb2.OPERATION_VIEW: Operation.VIEW,
}
_ROLES = {
    card_pb2.CARD_ROLE_UNSPECIFIED: Role.SOLE,
    card_pb2.CARD_ROLE_OLD: Role.OLD,
    card_pb2.CARD_ROLE_NEW: Role.NEW,
}
_WRITTEN_ROLES = {role: value for value, role in _ROLES.items()}
_STANDINGS = {
    CardStanding.NEW: card_pb2.CARD_STANDING_NEW,
    CardStanding.REGISTERED_ELSEWHERE: card_pb2.CARD_STANDING_REGISTERED_ELSEWHERE,
    CardStanding.REGISTERED_HERE: card_pb2.CARD_STANDING_REGISTERED_HERE,
}
_ORIGINS = {
    Origin.CONTRACTOR: card_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
    Origin.PROPAGATION: card_pb2.REGISTRATION_ORIGIN_PROPAGATION,
    Origin.RENEWAL: card_pb2.REGISTRATION_ORIGIN_RENEWAL,
}
_REVOCATIONS = {
    RevocationStatus.GOOD: card_pb2.REVOCATION_STATUS_GOOD,
    RevocationStatus.UNKNOWN: card_pb2.REVOCATION_STATUS_UNKNOWN,
}
_BINDING_STATES = {
    BindingState.LIVE: card_state_pb2.BINDING_STATE_LIVE,
    BindingState.RELEASED: card_state_pb2.BINDING_STATE_RELEASED,
    BindingState.CLOSED: card_state_pb2.BINDING_STATE_CLOSED,
}
_REGISTRATION_STATES = {
    RegistrationState.GOOD: card_state_pb2.REGISTRATION_STATE_GOOD,
    RegistrationState.SUSPENDED: card_state_pb2.REGISTRATION_STATE_SUSPENDED,
    RegistrationState.REPLACED: card_state_pb2.REGISTRATION_STATE_REPLACED,
    RegistrationState.ENDED: card_state_pb2.REGISTRATION_STATE_ENDED,
}
_CERTIFICATE_STATES = {
    CertificateState.TRUSTED: card_state_pb2.CertificateStanding.STATE_TRUSTED,
    CertificateState.REVOKED: card_state_pb2.CertificateStanding.STATE_REVOKED,
    CertificateState.NOT_TRUSTED: card_state_pb2.CertificateStanding.STATE_NOT_TRUSTED,
}
# UNSPECIFIED is none of them.
_COMPANIES = {
    bidder_pb2.COMPANY_COMPARISON_SAME: CompanyComparison.SAME,
    bidder_pb2.COMPANY_COMPARISON_UNREADABLE: CompanyComparison.UNREADABLE,
    bidder_pb2.COMPANY_COMPARISON_DIFFERENT: CompanyComparison.DIFFERENT,
}
_HOLDERS = {
    bidder_pb2.HOLDER_COMPARISON_NOT_COMPARED: HolderComparison.NOT_COMPARED,
    bidder_pb2.HOLDER_COMPARISON_CONTRACT_PARTY: HolderComparison.CONTRACT_PARTY,
    bidder_pb2.HOLDER_COMPARISON_REPRESENTATIVE: HolderComparison.REPRESENTATIVE,
    bidder_pb2.HOLDER_COMPARISON_UNREADABLE: HolderComparison.UNREADABLE,
    bidder_pb2.HOLDER_COMPARISON_DIFFERENT: HolderComparison.DIFFERENT,
}
_WRITTEN_COMPANIES = {comparison: value for value, comparison in _COMPANIES.items()}
_WRITTEN_HOLDERS = {comparison: value for value, comparison in _HOLDERS.items()}
_RESULTS = {
    PropagationResult.DONE: certificate_registry_pb2.PropagatedRegistration.RESULT_DONE,
    PropagationResult.CARD_NOT_GOOD: certificate_registry_pb2.PropagatedRegistration.RESULT_CARD_NOT_GOOD,
    PropagationResult.REGISTRATION_UNKNOWN: certificate_registry_pb2.PropagatedRegistration.RESULT_REGISTRATION_UNKNOWN,
    PropagationResult.BIDDER_SUSPENDED: certificate_registry_pb2.PropagatedRegistration.RESULT_BIDDER_SUSPENDED,
}


def read_card_authorities(profile: Profile) -> Sequence[CardAuthority]:
    """Returns the CAs of a profile, whose certificates were checked when it was loaded."""
    return [
        CardAuthority(
            id=authority.id,
            key_sha256=frozenset(authority.key_sha256),
            certificates=load_pem_certificates(authority.certificates),
            company_name=authority.company_name,
            company_address=authority.company_address,
            holder_name=authority.holder_name,
            holder_address=authority.holder_address,
            revocation=RevocationRule(
                unknown=UnknownStatus(authority.revocation.unknown.value),
                most_age=None
                if authority.revocation.most_age_hours is None
                else timedelta(hours=authority.revocation.most_age_hours),
                grace=timedelta(hours=authority.revocation.grace_hours),
                refresh=timedelta(minutes=authority.revocation.refresh_minutes),
                crl_urls=authority.revocation.crl_urls,
                access=authority.revocation.access,
            ),
            required_policies=frozenset(authority.required_policies),
            accepted_extended_key_usages=frozenset(authority.accepted_extended_key_usages),
        )
        for authority in profile.card_authorities
    ]


def read_scope(
    request: certificate_registry_pb2.CreateChallengeRequest | certificate_registry_pb2.OpenCardSessionRequest,
) -> SessionScope:
    """Returns the scope of a session to be opened; raises OPERATION_UNKNOWN, CARD_ROLE_INVALID."""
    operation = _read_operation(request.operation)
    role = _ROLES.get(request.role)
    if role is None:
        raise refuse_role()
    require_role(operation, role)
    return SessionScope(operation, request.agency, request.category, role)


def read_checked_scope(request: certificate_registry_pb2.CheckCardSessionRequest) -> SessionScope:
    """Returns the scope of a session that is there, whose role the session has; raises OPERATION_UNKNOWN."""
    return SessionScope(_read_operation(request.operation), request.agency, request.category)


def _read_operation(value: "card_pb2.Operation.ValueType") -> Operation:
    operation = _OPERATIONS.get(value)
    if operation is None:
        raise Refusal("OPERATION_UNKNOWN", Code.INVALID_ARGUMENT, {"operation": str(value)})
    return operation


def read_signed_purpose(message: signed_purpose_pb2.SignedPurpose) -> SignedPurpose:
    """Returns a signed purpose; raises SIGNATURE_ALGORITHM_NOT_ACCEPTED."""
    value = signed_purpose_pb2.SignatureAlgorithm.DESCRIPTOR.values_by_number.get(message.algorithm)
    name = value.name.removeprefix(_ALGORITHM_PREFIX) if value is not None else str(message.algorithm)
    return SignedPurpose(message.purpose, parse_signature_algorithm(name), message.signature)


def read_bidder_proof(message: bidder_pb2.BidderProof) -> BidderProof:
    """Returns a proof as received, not verified."""
    return BidderProof(message.statement, message.key_id, message.signature)


def read_bidder_statement(proof: BidderProof) -> BidderStatement:
    """Returns the statement of a proof whose signature was verified; raises BIDDER_PROOF_INVALID.

    A statement that does not say what was proven is malformed: other agencies judge by it.
    """
    try:
        statement = bidder_pb2.BidderStatement.FromString(proof.statement)
        return BidderStatement(
            instance=statement.instance,
            bidder_id=statement.bidder_id,
            agency=statement.agency,
            category=statement.category,
            certificate_sha256=statement.certificate_sha256,
            issued_at=read_timestamp(statement.issued_at),
            expires_at=read_timestamp(statement.expires_at),
            proven=Proven(
                statement.proven.password, _COMPANIES[statement.proven.company], _HOLDERS[statement.proven.holder]
            ),
            card_approval=statement.card_approval,
            for_renewal=statement.for_renewal,
        )
    except (DecodeError, ValueError, OverflowError, KeyError) as error:
        raise refuse_proof() from error


def read_checked_request(request: certificate_registry_pb2.CheckRegistrableRequest) -> RequestReference | None:
    """Returns the request that is checked, None where there is none yet.

    Raises REQUEST_ID_INVALID, REQUEST_SHA256_INVALID.
    """
    if not request.request_id and not request.request_sha256:
        return None
    request_id = check_request_id(request.request_id)
    return RequestReference(request_id, check_sha256(request.request_sha256, "REQUEST_SHA256_INVALID"))


def read_act_request(
    request: certificate_registry_pb2.CreateActChallengeRequest | certificate_registry_pb2.CreateChangeChallengeRequest,
) -> ActRequest:
    """Returns the content of an act; raises REQUEST_ID_INVALID, REQUEST_SHA256_INVALID."""
    request_id = check_request_id(request.request_id)
    request_sha256 = check_sha256(request.request_sha256, "REQUEST_SHA256_INVALID")
    return ActRequest(request_id, request_sha256, tuple(request.lines))


def read_registration_request(request: certificate_registry_pb2.RegisterRequest) -> RegistrationRequest:
    """Returns a registration request.

    Raises REQUEST_ID_INVALID, SIGNATURE_ALGORITHM_NOT_ACCEPTED, PREDECESSOR_UNKNOWN.
    """
    return RegistrationRequest(
        token=request.session_token,
        scope=SessionScope(Operation.REGISTRATION, request.agency, request.category),
        proof=read_bidder_proof(request.proof),
        request_id=check_request_id(request.request_id),
        act=read_signed_purpose(request.act),
        predecessor_serial=read_serial(request.predecessor_serial),
    )


def read_registration_ids(values: Iterable[str]) -> Sequence[str]:
    """Returns ids of registrations in their one form; raises REGISTRATION_ID_INVALID."""
    try:
        return [_read_registration_id(value) for value in values]
    except ValueError:
        raise Refusal("REGISTRATION_ID_INVALID", Code.INVALID_ARGUMENT) from None


# A night's message names the same registrations for each agency.
@lru_cache(maxsize=8192)
def _read_registration_id(value: str) -> str:
    return str(UUID(value))


def write_card(card: Card) -> card_pb2.Card:
    """Returns the values displayed for a card (CRD-04); a value that its certificate lacks is not set."""
    values = card.values
    return card_pb2.Card(
        certificate_sha256=card.certificate_sha256,
        serial_decimal=format_serial_decimal(card.serial),
        serial_hexadecimal=format_serial_hexadecimal(card.serial),
        issuer=card.issuer,
        company_name=values.company_name,
        company_address=values.company_address,
        holder_name=values.holder_name,
        holder_address=values.holder_address,
        not_before=write_timestamp(card.not_before),
        not_after=write_timestamp(card.not_after),
        authority=card.authority,
        revocation=card_pb2.RevocationCheck(
            status=_REVOCATIONS[card.revocation_status],
            crl_this_update=write_timestamp(card.crl_this_update) if card.crl_this_update else None,
        ),
    )


def write_standing(standing: CardStanding | None) -> "card_pb2.CardStanding.ValueType":
    """Returns the standing of a card."""
    return card_pb2.CARD_STANDING_UNSPECIFIED if standing is None else _STANDINGS[standing]


def write_checked_session(checked: CheckedSession) -> certificate_registry_pb2.CheckCardSessionResponse:
    """Returns a valid session; its card's state only where it is told."""
    session, card = checked.authenticated.session, checked.authenticated.card
    return certificate_registry_pb2.CheckCardSessionResponse(
        card=write_card(card),
        expires_at=write_timestamp(session.expires_at),
        opened_at=write_timestamp(session.opened_at),
        card_state=None if checked.state is None else write_card_state(checked.state),
        role=_WRITTEN_ROLES[session.scope.role],
        bidder_suspended=checked.is_bidder_suspended,
    )


def write_registration(registration: Registration) -> card_pb2.Registration:
    """Returns a registration."""
    return card_pb2.Registration(
        registration_id=str(registration.registration_id),
        agency=registration.agency,
        category=registration.category,
        certificate_sha256=registration.certificate_sha256,
        bidder_id=registration.bidder_id,
        registered_at=write_timestamp(registration.registered_at),
        origin=_ORIGINS[registration.origin],
    )


def write_card_state(state: CardState) -> card_state_pb2.CardState:
    """Returns the state of a card."""
    return card_state_pb2.CardState(
        certificate_sha256=state.certificate_sha256,
        category=state.category,
        version=version_pb2.Version(epoch=state.version.epoch, number=state.version.number),
        bidder_id=state.bidder_id,
        binding=_BINDING_STATES[state.binding],
        binding_reason=state.binding_reason or "",
        proven=bidder_pb2.Proven(
            password=state.proven.password,
            company=_WRITTEN_COMPANIES[state.proven.company],
            holder=_WRITTEN_HOLDERS[state.proven.holder],
        ),
        suspended=state.is_suspended,
        registrations=[_write_agency_registration(registration) for registration in state.registrations],
        certificate=card_state_pb2.CertificateStanding(
            state=_CERTIFICATE_STATES[state.certificate.state],
            not_before=write_timestamp(state.certificate.not_before),
            not_after=write_timestamp(state.certificate.not_after),
        ),
    )


def _write_agency_registration(registration: AgencyRegistration) -> card_state_pb2.AgencyRegistration:
    request = registration.request
    return card_state_pb2.AgencyRegistration(
        registration_id=str(registration.registration_id),
        agency=registration.agency,
        state=_REGISTRATION_STATES[registration.state],
        reason=registration.reason or "",
        origin=_ORIGINS[registration.origin],
        registered_at=write_timestamp(registration.registered_at),
        request_id=str(request.request_id) if request is not None else "",
        request_sha256=request.request_sha256 if request is not None else b"",
        replaced_by=registration.replaced_by or b"",
        predecessor=registration.predecessor or b"",
        stays_here=registration.stays_here,
    )


def write_outcome(report: OutcomeReport) -> certificate_registry_pb2.GetOutcomeResponse:
    """Returns the outcome of a request."""
    if report.abandoned:
        return certificate_registry_pb2.GetOutcomeResponse(outcome=_Outcome.OUTCOME_ABANDONED)
    if report.registered is None:
        return certificate_registry_pb2.GetOutcomeResponse(outcome=_Outcome.OUTCOME_NONE)
    return certificate_registry_pb2.GetOutcomeResponse(
        outcome=_Outcome.OUTCOME_REGISTERED,
        registration=write_registration(report.registered.committed.registration),
        card_state=write_card_state(report.registered.card_state),
        card=write_card(report.registered.committed.card),
        history_digest=report.registered.committed.history_digest,
        history_receipt=report.registered.history_receipt,
    )


def write_resolution(resolution: Resolution) -> user_lookup_pb2.ResolveUserResponse:
    """Returns the answer to a lookup; bidder and predecessor are set only if the verdict is GOOD."""
    verdict, bidder_id, as_of, revocation_as_of, replaced_by, predecessor = resolution
    return user_lookup_pb2.ResolveUserResponse(
        verdict=verdict,  # type: ignore[arg-type]  # the domain's numbers are those of the interface
        bidder_id=bidder_id if verdict == _GOOD and bidder_id else "",
        as_of=_as_of(as_of),
        revocation_as_of=None if revocation_as_of is None else _revocation_as_of(revocation_as_of),
        # A registration has it only while another card took its place.
        replaced_by=replaced_by or b"",
        predecessor=predecessor if verdict == _GOOD and predecessor else b"",
    )


def write_propagated(propagated: PropagatedRegistration) -> certificate_registry_pb2.PropagatedRegistration:
    """Returns the result for one registration at one further agency."""
    return certificate_registry_pb2.PropagatedRegistration(
        source_registration_id=propagated.source_registration_id,
        agency=propagated.agency,
        result=_RESULTS[propagated.result],
        registration_id=propagated.registration_id or "",
    )

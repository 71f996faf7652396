"""ICカード更新: protobuf ↔ domain."""

from certificate_registry.convert.registry import (
    read_bidder_proof,
    read_signed_purpose,
    write_card,
    write_registration,
)
from certificate_registry.domain.card_session import SessionScope
from certificate_registry.domain.renewal import (
    SUCCESSOR_KEY_BYTES,
    CommittedRenewal,
    RenewalActRequest,
    RenewalRequest,
    RenewalSessions,
)
from refusals import Code, Refusal
from servicekit.messages import check_request_id, check_sha256
from signed_acts.purpose import Operation, Role
from toroku.certificate.v1 import certificate_registry_pb2


def read_succession_scope(request: certificate_registry_pb2.CreateSuccessionChallengeRequest) -> SessionScope:
    """Returns the scope of the old card's session."""
    return SessionScope(Operation.RENEWAL, request.agency, request.category, Role.OLD)


def read_renewal_act_request(
    request: certificate_registry_pb2.CreateSuccessionChallengeRequest
    | certificate_registry_pb2.CreateRenewalChallengeRequest,
) -> RenewalActRequest:
    """Returns the content of an act; raises REQUEST_ID_INVALID, REQUEST_SHA256_INVALID, SUCCESSOR_KEY_INVALID."""
    return RenewalActRequest(
        request_id=check_request_id(request.request_id),
        request_sha256=check_sha256(request.request_sha256, "REQUEST_SHA256_INVALID"),
        successor_key_sha256=check_sha256(request.successor_key_sha256, "SUCCESSOR_KEY_INVALID"),
        lines=tuple(request.lines),
    )


def read_renewal_sessions(
    request: certificate_registry_pb2.CreateRenewalChallengeRequest | certificate_registry_pb2.RenewRequest,
) -> RenewalSessions:
    """Returns the sessions of both cards."""
    return RenewalSessions(request.old_session_token, request.new_session_token, request.agency, request.category)


def read_renewal_request(request: certificate_registry_pb2.RenewRequest) -> RenewalRequest:
    """Returns a request to renew.

    Raises REQUEST_ID_INVALID, SIGNATURE_ALGORITHM_NOT_ACCEPTED, SUCCESSOR_KEY_INVALID.
    """
    if len(request.successor_key) != SUCCESSOR_KEY_BYTES:
        raise Refusal("SUCCESSOR_KEY_INVALID", Code.INVALID_ARGUMENT)
    return RenewalRequest(
        sessions=read_renewal_sessions(request),
        proof=read_bidder_proof(request.proof),
        request_id=check_request_id(request.request_id),
        old_act=read_signed_purpose(request.old_act),
        new_act=read_signed_purpose(request.new_act),
        successor_key=request.successor_key,
        successor_signature=request.successor_signature,
        propagate=request.propagate,
    )


def write_renewal(committed: CommittedRenewal) -> certificate_registry_pb2.RenewedCard:
    """Returns what was renewed."""
    return certificate_registry_pb2.RenewedCard(
        registration=write_registration(committed.registration),
        old_card=write_card(committed.old_card),
        new_card=write_card(committed.new_card),
        propagate=committed.propagate,
        history_digest=committed.history_digest,
        history_receipt=committed.history_receipt,
    )

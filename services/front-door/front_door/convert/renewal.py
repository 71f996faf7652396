"""The forms of a renewal and its result."""

from front_door.convert.card_session import read_card, read_signed_purpose, write_card
from front_door.domain.card_session import SessionReference
from front_door.domain.renewal import (
    CommittedRenewal,
    RenewalDraft,
    RenewalForm,
    RenewalReference,
    SignedRenewal,
    SuccessionForm,
)
from signed_acts.request import hash_canonical
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2
from toroku.frontdoor.v1 import renewal_pb2


def read_renewal_reference(
    request: (renewal_pb2.PrepareRenewalRequest | renewal_pb2.RenewRequest | renewal_pb2.AskForRenewalApprovalRequest),
) -> RenewalReference:
    """Returns the sessions of both cards that a request refers to."""
    return RenewalReference(
        old=SessionReference(request.old_session_token, request.agency, request.category),
        new=SessionReference(request.new_session_token, request.agency, request.category),
    )


def read_old_session(request: renewal_pb2.PrepareSuccessionRequest) -> SessionReference:
    """Returns the old card's session."""
    return SessionReference(request.old_session_token, request.agency, request.category)


def read_new_session(request: renewal_pb2.GetRenewalResultRequest) -> SessionReference:
    """Returns the new card's session."""
    return SessionReference(request.new_session_token, request.agency, request.category)


def read_renewal_draft(request: renewal_pb2.PrepareRenewalRequest) -> RenewalDraft:
    """Returns what a contractor wants."""
    return RenewalDraft(request.request_id, request.successor_key, request.propagate, request.validate_only)


def read_signed_renewal(request: renewal_pb2.RenewRequest) -> SignedRenewal:
    """Returns a form with its signatures, unverified."""
    form = request.form
    return SignedRenewal(
        form=RenewalForm(
            request_id=form.request_id,
            instance=form.instance,
            agency=form.agency,
            category=form.category,
            bidder_id=form.bidder_id,
            certificate_sha256=form.certificate_sha256,
            old_certificate_sha256=form.old_certificate_sha256,
            successor_key=form.successor_key,
            propagate=form.propagate,
        ),
        old_act=read_signed_purpose(request.old_act),
        new_act=read_signed_purpose(request.new_act),
        successor_signature=request.successor_signature,
    )


def write_succession_form(form: SuccessionForm) -> renewal_pb2.SuccessionForm:
    """Returns a form as the message whose canonical hash the old card signs."""
    return renewal_pb2.SuccessionForm(
        request_id=form.request_id,
        instance=form.instance,
        agency=form.agency,
        category=form.category,
        bidder_id=form.bidder_id,
        certificate_sha256=form.certificate_sha256,
        successor_key_sha256=form.successor_key_sha256,
    )


def write_renewal_form(form: RenewalForm) -> renewal_pb2.RenewalForm:
    """Returns a form as the message whose canonical hash the new card signs."""
    return renewal_pb2.RenewalForm(
        request_id=form.request_id,
        instance=form.instance,
        agency=form.agency,
        category=form.category,
        bidder_id=form.bidder_id,
        certificate_sha256=form.certificate_sha256,
        old_certificate_sha256=form.old_certificate_sha256,
        successor_key=form.successor_key,
        propagate=form.propagate,
    )


def hash_succession(form: SuccessionForm) -> bytes:
    """Returns the SHA-256 (32 bytes) of a form's canonical form."""
    return hash_canonical(write_succession_form(form))


def hash_renewal(form: RenewalForm) -> bytes:
    """Returns the SHA-256 (32 bytes) of a form's canonical form."""
    return hash_canonical(write_renewal_form(form))


def read_committed_renewal(message: certificate_registry_pb2.RenewedCard) -> CommittedRenewal:
    """Returns a renewal that was made."""
    registration = message.registration
    return CommittedRenewal(
        agency=registration.agency,
        category=registration.category,
        bidder_id=registration.bidder_id,
        old_card=read_card(message.old_card),
        new_card=read_card(message.new_card),
        propagate=message.propagate,
        encoded_registration=registration.SerializeToString(),
        history_digest=message.history_digest,
        history_receipt=message.history_receipt,
    )


def write_renewal_result(request_id: str, renewal: CommittedRenewal) -> renewal_pb2.RenewalResult:
    """Returns what was renewed by a request."""
    return renewal_pb2.RenewalResult(
        request_id=request_id,
        registration=card_pb2.Registration.FromString(renewal.encoded_registration),
        old_card=write_card(renewal.old_card),
        new_card=write_card(renewal.new_card),
        propagate=renewal.propagate,
        history_digest=renewal.history_digest,
        history_receipt=renewal.history_receipt,
    )

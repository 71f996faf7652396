"""Forms, registrations and receipts."""

from front_door.convert.bidder import read_bidder_proof, write_company
from front_door.convert.card_session import read_card, write_card
from front_door.convert.contact import read_contact_form, write_contact
from front_door.domain.registration import CommittedRegistration, Receipt, RegistrationDraft, RegistrationForm
from signed_acts.request import hash_canonical
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2
from toroku.frontdoor.v1 import front_door_pb2, registration_pb2

_Outcome = certificate_registry_pb2.GetOutcomeResponse.Outcome


def read_registration_draft(request: registration_pb2.PrepareRegistrationRequest) -> RegistrationDraft:
    """Returns what a contractor hands in; a representative contact without any value is none."""
    representative = read_contact_form(request.representative_contact)
    return RegistrationDraft(
        proof=read_bidder_proof(request.proof),
        request_id=request.request_id,
        card_contact=read_contact_form(request.card_contact),
        representative_contact=None if representative.is_empty else representative,
        person_in_charge=request.person_in_charge,
        predecessor_serial=request.predecessor_serial,
        validate_only=request.validate_only,
    )


def write_registration_form(form: RegistrationForm) -> front_door_pb2.RegistrationForm:
    """Returns a form as the message whose canonical hash the card signs."""
    return front_door_pb2.RegistrationForm(
        request_id=form.request_id,
        instance=form.instance,
        agency=form.agency,
        category=form.category,
        bidder_id=form.bidder_id,
        certificate_sha256=form.certificate_sha256,
        card_contact=write_contact(form.card_contact) if form.card_contact else None,
        representative_contact=write_contact(form.representative_contact) if form.representative_contact else None,
        person_in_charge=form.person_in_charge,
        predecessor_serial=form.predecessor_serial,
    )


def hash_request(form: RegistrationForm) -> bytes:
    """Returns the SHA-256 (32 bytes) of a form's canonical form."""
    return hash_canonical(write_registration_form(form))


def read_committed_registration(
    response: certificate_registry_pb2.RegisterResponse | certificate_registry_pb2.GetOutcomeResponse,
    history_receipt: str = "",
) -> CommittedRegistration:
    """Returns a registration that exists."""
    registration = response.registration
    return CommittedRegistration(
        agency=registration.agency,
        category=registration.category,
        card=read_card(response.card),
        encoded=registration.SerializeToString(),
        history_digest=response.history_digest,
        history_receipt=history_receipt,
    )


def read_outcome(response: certificate_registry_pb2.GetOutcomeResponse) -> CommittedRegistration | None:
    """Returns the registration that a request became; None where it became none."""
    if response.outcome != _Outcome.OUTCOME_REGISTERED:
        return None
    return read_committed_registration(response, response.history_receipt)


def write_receipt(receipt: Receipt) -> front_door_pb2.Receipt:
    """Returns 利用者登録の控え (REG-06)."""
    contacts = receipt.contacts
    representative = contacts.representative_contact
    return front_door_pb2.Receipt(
        request_id=receipt.request_id,
        registration=card_pb2.Registration.FromString(receipt.registration.encoded),
        company=write_company(contacts.company),
        card=write_card(receipt.registration.card),
        card_contact=write_contact(contacts.card_contact),
        representative_contact=write_contact(representative) if representative is not None else None,
        person_in_charge=contacts.person_in_charge,
        history_digest=receipt.registration.history_digest,
        history_receipt=receipt.registration.history_receipt,
    )

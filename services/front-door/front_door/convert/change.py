"""What is registered, forms of a change, and their receipts."""

from hashlib import sha256

from front_door.convert.bidder import read_company, write_company
from front_door.convert.card_session import write_card
from front_door.convert.card_state import write_registration
from front_door.convert.contact import read_contact, read_contact_form, write_contact, write_contact_form
from front_door.convert.contact import write_contact_version as write_version
from front_door.domain.change import (
    ActProof,
    ChangeDraft,
    ChangeForm,
    ChangeReceipt,
    CommittedChange,
    ContactChange,
    PreparedChange,
    Registered,
)
from front_door.domain.contact import Contact
from servicekit.messages import read_timestamp, write_timestamp
from signed_acts.request import write_canonical
from toroku.certificate.v1 import act_proof_pb2
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.frontdoor.v1 import change_pb2


def write_registered(registered: Registered) -> change_pb2.GetRegisteredResponse:
    """Returns what is registered."""
    contacts = registered.contacts
    return change_pb2.GetRegisteredResponse(
        company=write_company(registered.company),
        card=write_card(registered.card.card),
        card_contact=write_version(contacts.card_contact) if contacts.card_contact else None,
        representative_contact=(
            write_version(contacts.representative_contact) if contacts.representative_contact else None
        ),
        other_agencies=registered.card.other_agencies,
        registration=write_registration(registered.card.registration),
        agencies_with_earlier_contacts=registered.agencies_with_earlier_contacts,
    )


def read_change_draft(request: change_pb2.PrepareChangeRequest) -> ChangeDraft:
    """Returns what a contractor hands in. A contact that is set and empty is one that was emptied."""
    change = request.change
    return ChangeDraft(
        request_id=request.request_id,
        change=ContactChange(
            card_contact=read_contact_form(change.card_contact) if change.HasField("card_contact") else None,
            representative_contact=(
                read_contact_form(change.representative_contact) if change.HasField("representative_contact") else None
            ),
            card_contact_version=change.card_contact_version,
            representative_contact_version=change.representative_contact_version,
        ),
        propagate=request.propagate,
        validate_only=request.validate_only,
    )


def write_contact_change(change: ContactChange) -> contact_pb2.ContactChange:
    """Returns new contacts as typed as a message."""
    return contact_pb2.ContactChange(
        card_contact=write_contact_form(change.card_contact) if change.card_contact else None,
        representative_contact=(
            write_contact_form(change.representative_contact) if change.representative_contact else None
        ),
        card_contact_version=change.card_contact_version,
        representative_contact_version=change.representative_contact_version,
    )


def read_change_form(message: change_pb2.ChangeForm) -> ChangeForm:
    """Returns a form as received."""
    return ChangeForm(
        request_id=message.request_id,
        instance=message.instance,
        agency=message.agency,
        category=message.category,
        bidder_id=message.bidder_id,
        certificate_sha256=message.certificate_sha256,
        card_contact=read_contact(message.card_contact) if message.HasField("card_contact") else None,
        representative_contact=(
            read_contact(message.representative_contact) if message.HasField("representative_contact") else None
        ),
        card_contact_version=message.card_contact_version,
        representative_contact_version=message.representative_contact_version,
        propagate=message.propagate,
    )


def write_change_form(form: ChangeForm) -> change_pb2.ChangeForm:
    """Returns a form as the message whose canonical hash the card signs."""
    return change_pb2.ChangeForm(
        request_id=form.request_id,
        instance=form.instance,
        agency=form.agency,
        category=form.category,
        bidder_id=form.bidder_id,
        certificate_sha256=form.certificate_sha256,
        card_contact=_write_optional(form.card_contact),
        representative_contact=_write_optional(form.representative_contact),
        card_contact_version=form.card_contact_version,
        representative_contact_version=form.representative_contact_version,
        propagate=form.propagate,
    )


def write_canonical_form(form: ChangeForm) -> bytes:
    """Returns a form as it is hashed, and as contact-notification reads it."""
    return write_canonical(write_change_form(form))


def hash_change(form: ChangeForm) -> bytes:
    """Returns the SHA-256 (32 bytes) of a form's canonical form."""
    return sha256(write_canonical_form(form)).digest()


def write_prepared_change(prepared: PreparedChange) -> change_pb2.PrepareChangeResponse:
    """Returns a form that would be carried out, with the act to be signed where there is one."""
    act = prepared.act
    return change_pb2.PrepareChangeResponse(
        purpose=act.purpose if act is not None else b"",
        expires_at=write_timestamp(act.expires_at) if act is not None else None,
        form=write_change_form(prepared.form),
        changed_fields=prepared.changed_fields,
        company=write_company(prepared.company),
        card=write_card(prepared.card),
    )


def read_act_proof(message: act_proof_pb2.ActProof) -> ActProof:
    """Returns a proof as received, unverified."""
    return ActProof(message.SerializeToString())


def write_act_proof(proof: ActProof) -> act_proof_pb2.ActProof:
    """Returns a proof as it was received."""
    return act_proof_pb2.ActProof.FromString(proof.encoded)


def read_committed_change(message: contact_notification_pb2.CommittedChange) -> CommittedChange:
    """Returns a change that was made."""
    representative = message.representative_contact if message.HasField("representative_contact") else None
    return CommittedChange(
        change_id=message.change_id,
        agency=message.agency,
        category=message.category,
        request_sha256=message.request_sha256,
        company=read_company(message.company),
        card_contact=read_contact(message.card_contact),
        representative_contact=read_contact(representative) if representative is not None else None,
        changed_fields=tuple(message.changed_fields),
        counts_from=read_timestamp(message.counts_from),
        propagate=message.propagate,
        history_digest=message.history_digest,
        history_receipt=message.history_receipt,
    )


def write_change_receipt(receipt: ChangeReceipt) -> change_pb2.ChangeReceipt:
    """Returns 利用者変更の控え."""
    change = receipt.change
    return change_pb2.ChangeReceipt(
        request_id=receipt.request_id,
        agency=change.agency,
        category=change.category,
        company=write_company(change.company),
        card=write_card(receipt.card),
        card_contact=write_contact(change.card_contact),
        representative_contact=_write_optional(change.representative_contact),
        changed_fields=change.changed_fields,
        counts_from=write_timestamp(change.counts_from),
        propagate=change.propagate,
        history_digest=change.history_digest,
        history_receipt=change.history_receipt,
        change_id=change.change_id,
    )


def _write_optional(contact: Contact | None) -> contact_pb2.Contact | None:
    return write_contact(contact) if contact is not None else None

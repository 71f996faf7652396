"""What is registered, a change of it, its proof, and the committed change."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message import DecodeError

from contact_notification.convert.contacts import read_contact, read_form, write_company, write_contact
from contact_notification.convert.texts import read_certificate_sha256
from contact_notification.domain.act_proof import ActProof, ActStatement, SignedPurpose, refuse_proof
from contact_notification.domain.change import (
    ChangeForm,
    CommittedChange,
    ContactChange,
    Purpose,
    Registered,
    RegisteredVersion,
    TypedContact,
)
from contact_notification.domain.contact import ContactForm
from refusals import Code, Refusal
from servicekit.messages import check_request_id, read_timestamp, write_timestamp
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import act_proof_pb2
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.frontdoor.v1 import change_pb2

_ALGORITHM_PREFIX = "SIGNATURE_ALGORITHM_"
MOST_FORM_BYTES = 16 * 1024


def read_change(request: contact_notification_pb2.CheckChangeRequest) -> ContactChange:
    """Returns a change as it is typed; raises CERTIFICATE_SHA256_INVALID."""
    change = request.change
    typed: dict[Purpose, TypedContact] = {}
    if change.HasField("card_contact"):
        typed[Purpose.CARD] = TypedContact(read_form(change.card_contact), change.card_contact_version)
    if change.HasField("representative_contact"):
        form = read_form(change.representative_contact)
        typed[Purpose.REPRESENTATIVE] = TypedContact(form, change.representative_contact_version)
    return ContactChange(
        certificate_sha256=read_certificate_sha256(request.certificate_sha256),
        agency=request.agency,
        category=request.category,
        bidder_id=request.bidder_id,
        typed=typed,
    )


def read_act_proof(message: act_proof_pb2.ActProof) -> ActProof:
    """Returns a proof as received, not verified."""
    return ActProof(message.statement, message.key_id, message.signature)


def read_act_statement(proof: ActProof) -> ActStatement:
    """Returns the statement of a proof, which is still to be verified; raises ACT_PROOF_INVALID."""
    try:
        statement = act_proof_pb2.ActStatement.FromString(proof.statement)
        return ActStatement(
            instance=statement.instance,
            operation=statement.operation,
            agency=statement.agency,
            category=statement.category,
            bidder_id=statement.bidder_id,
            certificate_sha256=read_certificate_sha256(statement.certificate_sha256),
            request_id=check_request_id(statement.request_id),
            request_sha256=statement.request_sha256,
            purpose_sha256=statement.purpose_sha256,
            serial_decimal=statement.serial_decimal,
            holder_name=statement.holder_name,
            issued_at=read_timestamp(statement.issued_at),
            expires_at=read_timestamp(statement.expires_at),
        )
    except (DecodeError, Refusal, ValueError, OverflowError) as error:
        raise refuse_proof() from error


def read_signed_purpose(message: signed_purpose_pb2.SignedPurpose) -> SignedPurpose:
    """Returns the act that was proven; certificate-registry has verified its signature."""
    value = signed_purpose_pb2.SignatureAlgorithm.DESCRIPTOR.values_by_number.get(message.algorithm)
    name = value.name.removeprefix(_ALGORITHM_PREFIX) if value is not None else str(message.algorithm)
    return SignedPurpose(message.purpose, name, message.signature)


def read_change_form(serialized: bytes) -> ChangeForm:
    """Returns the form that a card signed the hash of; raises REQUEST_SHA256_INVALID where it is none."""
    invalid = Refusal("REQUEST_SHA256_INVALID", Code.INVALID_ARGUMENT)
    if len(serialized) > MOST_FORM_BYTES:
        raise invalid
    try:
        form = Parse(serialized, change_pb2.ChangeForm())
        request_id = check_request_id(form.request_id)
        certificate_sha256 = read_certificate_sha256(form.certificate_sha256)
    except (ParseError, Refusal, ValueError, RecursionError) as error:
        raise invalid from error
    typed: dict[Purpose, TypedContact] = {}
    if form.HasField("card_contact"):
        typed[Purpose.CARD] = _read_signed(form.card_contact, form.card_contact_version)
    if form.HasField("representative_contact"):
        version = form.representative_contact_version
        typed[Purpose.REPRESENTATIVE] = _read_signed(form.representative_contact, version)
    return ChangeForm(
        sha256=sha256(serialized).digest(),
        instance=form.instance,
        request_id=request_id,
        change=ContactChange(
            certificate_sha256=certificate_sha256,
            agency=form.agency,
            category=form.category,
            bidder_id=form.bidder_id,
            typed=typed,
        ),
        propagate=form.propagate,
    )


def write_registered_response(registered: Registered) -> contact_notification_pb2.GetRegisteredContactsResponse:
    """Returns the response with what is registered."""
    return contact_notification_pb2.GetRegisteredContactsResponse(
        card_contact=_write_version(registered, Purpose.CARD),
        representative_contact=_write_version(registered, Purpose.REPRESENTATIVE),
        agencies_with_earlier_contacts=sorted({agency for version in registered.values() for agency in version.pins}),
    )


def write_check_response(
    changed_fields: Sequence[str], registered: Registered
) -> contact_notification_pb2.CheckChangeResponse:
    """Returns the response with the fields that a change changes, and what is registered before."""
    return contact_notification_pb2.CheckChangeResponse(
        changed_fields=changed_fields,
        card_contact=_write_version(registered, Purpose.CARD),
        representative_contact=_write_version(registered, Purpose.REPRESENTATIVE),
    )


def write_committed_change(change: CommittedChange, history_receipt: str) -> contact_notification_pb2.CommittedChange:
    """Returns the message of a committed change with its receipt."""
    return contact_notification_pb2.CommittedChange(
        agency=change.agency,
        category=change.category,
        bidder_id=change.bidder_id,
        request_sha256=change.request_sha256,
        company=write_company(change.company),
        card_contact=write_contact(change.card_contact) if change.card_contact is not None else None,
        representative_contact=(
            write_contact(change.representative_contact) if change.representative_contact is not None else None
        ),
        changed_fields=change.changed_fields,
        counts_from=write_timestamp(change.counts_from),
        propagate=change.propagate,
        history_digest=change.history_digest,
        history_receipt=history_receipt,
        change_id=str(change.change_id),
    )


def _read_signed(contact: contact_pb2.Contact, version: int) -> TypedContact:
    """Returns a contact as it was signed; that its mail address was typed twice alike was checked before."""
    return TypedContact(ContactForm(read_contact(contact), contact.mail_address), version)


def _write_version(
    registered: Mapping[Purpose, RegisteredVersion], purpose: Purpose
) -> contact_pb2.ContactVersion | None:
    version = registered.get(purpose)
    if version is None:
        return None
    return contact_pb2.ContactVersion(
        contact=write_contact(version.contact),
        version=version.version,
        counts_from=write_timestamp(version.counts_from),
        brought_by=version.brought_by,
    )

"""protobuf ↔ domain: the only place where both meet."""

from datetime import UTC
from uuid import UUID

from google.protobuf.message import Message

from contact_notification.domain import (
    EMPTY_FORM,
    Company,
    Contact,
    ContactForm,
    Grade,
    Registration,
    RegistrationEvent,
    StagingRequest,
    Version,
)
from refusals import Code, Refusal
from servicekit.messages import check_request_id
from toroku.certificate.v1 import resources_pb2 as certificate_pb2
from toroku.contact.v1 import resources_pb2, service_pb2
from toroku.qualification.v1 import resources_pb2 as qualification_pb2

_OPTIONAL = (
    "postal_code",
    "address",
    "representative_name",
    "representative_title",
    "telephone",
    "fax",
    "department",
    "corporate_number",
)


def staging_request(request: service_pb2.StageContactsRequest) -> StagingRequest:
    """The request to stage; a card contact that is not set counts as one whose fields are all empty.

    Raises REQUEST_ID_INVALID, CERTIFICATE_SHA256_INVALID, REQUEST_SHA256_INVALID.
    """
    if len(request.request_sha256) != 32 and not (request.validate_only and not request.request_sha256):
        raise Refusal("REQUEST_SHA256_INVALID", Code.INVALID_ARGUMENT)
    return StagingRequest(
        certificate_sha256=certificate_sha256(request.certificate_sha256),
        request_id=check_request_id(request.request_id),
        request_sha256=request.request_sha256,
        agency=request.agency,
        category=request.category,
        company=company(request.company),
        card_contact=_form(request.card_contact) if request.HasField("card_contact") else EMPTY_FORM,
        representative_contact=(
            _form(request.representative_contact) if request.HasField("representative_contact") else None
        ),
    )


def certificate_sha256(value: bytes) -> bytes:
    """The hash that names a card, 32 bytes; else CERTIFICATE_SHA256_INVALID."""
    if len(value) != 32:
        raise Refusal("CERTIFICATE_SHA256_INVALID", Code.INVALID_ARGUMENT)
    return value


def registration_event(event: certificate_pb2.RegistrationEvent) -> RegistrationEvent:
    """The event of a committed registration."""
    registration = event.registration
    by_propagation = registration.origin == certificate_pb2.REGISTRATION_ORIGIN_PROPAGATION
    return RegistrationEvent(
        registration=Registration(
            registration_id=UUID(registration.registration_id),
            agency=registration.agency,
            category=registration.category,
            certificate_sha256=certificate_sha256(registration.certificate_sha256),
            bidder_id=registration.bidder_id,
            registered_at=registration.registered_at.ToDatetime(UTC),
            by_propagation=by_propagation,
            version=Version(registration.version.epoch, registration.version.number),
        ),
        request_id=None if by_propagation else check_request_id(event.request_id),
        request_sha256=event.request_sha256,
        card_serial=event.card.serial_decimal,
    )


def company(profile: qualification_pb2.CompanyProfile) -> Company:
    """企業情報; a field that is not set becomes None, one that is set to nothing stays empty."""
    return Company(
        bidder_id=profile.bidder_id,
        name=profile.name,
        **{field: _optional(profile, field) for field in _OPTIONAL},
        grades=tuple(Grade(grade.kind, grade.grade) for grade in profile.grades),
    )


def company_profile(found: Company) -> qualification_pb2.CompanyProfile:
    """The way back of `company`."""
    profile = qualification_pb2.CompanyProfile(bidder_id=found.bidder_id, name=found.name)
    for field in _OPTIONAL:
        value = getattr(found, field)
        if value is not None:
            setattr(profile, field, value)
    for grade in found.grades:
        profile.grades.add(kind=grade.kind, grade=grade.grade)
    return profile


def contact_message(found: Contact) -> resources_pb2.Contact:
    """A contact for the wire."""
    return resources_pb2.Contact(
        department=found.department,
        postal_code=found.postal_code,
        address=found.address,
        person_name=found.person_name,
        telephone=found.telephone,
        fax=found.fax,
        mail_address=found.mail_address,
    )


def _form(form: resources_pb2.ContactForm) -> ContactForm:
    contact = form.contact
    return ContactForm(
        Contact(
            department=contact.department,
            postal_code=contact.postal_code,
            address=contact.address,
            person_name=contact.person_name,
            telephone=contact.telephone,
            fax=contact.fax,
            mail_address=contact.mail_address,
        ),
        form.mail_address_again,
    )


def _optional(message: Message, field: str) -> str | None:
    value: str | None = getattr(message, field) if message.HasField(field) else None
    return value

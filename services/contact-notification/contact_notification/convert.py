"""protobuf ↔ domain: the only place where both meet."""

from uuid import UUID

from google.protobuf.message import Message

from contact_notification.domain.contact import EMPTY_FORM, Contact, ContactForm, ContactQuery
from contact_notification.domain.registration import Outcome, OutcomeState, Registration, RegistrationEvent
from contact_notification.domain.staging import Company, Grade, StagedContacts, StagingRequest
from refusals import Code, Refusal
from servicekit.messages import check_request_id, check_sha256, read_timestamp
from servicekit.versions import Version
from toroku.certificate.v1 import card_pb2, certificate_registry_pb2
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.qualification.v1 import bidder_pb2

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


_OUTCOMES = {
    certificate_registry_pb2.GetOutcomeResponse.OUTCOME_NONE: OutcomeState.NONE,
    certificate_registry_pb2.GetOutcomeResponse.OUTCOME_REGISTERED: OutcomeState.REGISTERED,
    certificate_registry_pb2.GetOutcomeResponse.OUTCOME_ABANDONED: OutcomeState.ABANDONED,
}


def read_staging_request(request: contact_notification_pb2.StageContactsRequest) -> StagingRequest:
    """Returns the request to stage contacts; a card contact that is not set becomes one with empty fields.

    Raises REQUEST_ID_INVALID, CERTIFICATE_SHA256_INVALID, REQUEST_SHA256_INVALID.
    """
    if request.request_sha256 or not request.validate_only:
        check_sha256(request.request_sha256, "REQUEST_SHA256_INVALID")
    return StagingRequest(
        certificate_sha256=read_certificate_sha256(request.certificate_sha256),
        request_id=check_request_id(request.request_id),
        request_sha256=request.request_sha256,
        agency=request.agency,
        category=request.category,
        company=read_company(request.company),
        card_contact=_read_form(request.card_contact) if request.HasField("card_contact") else EMPTY_FORM,
        representative_contact=(
            _read_form(request.representative_contact) if request.HasField("representative_contact") else None
        ),
    )


def read_certificate_sha256(value: bytes) -> bytes:
    """Returns the hash that identifies a card, 32 bytes; raises CERTIFICATE_SHA256_INVALID."""
    return check_sha256(value, "CERTIFICATE_SHA256_INVALID")


def read_contact_query(request: contact_notification_pb2.GetContactRequest) -> ContactQuery:
    """Returns an agency's query; raises CONTACT_PURPOSE_INVALID, CERTIFICATE_SHA256_INVALID."""
    match request.purpose:
        case contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE:
            certificate_sha256 = None
        case contact_pb2.CONTACT_PURPOSE_CARD:
            certificate_sha256 = read_certificate_sha256(request.certificate_sha256)
        case _:
            raise Refusal("CONTACT_PURPOSE_INVALID", Code.INVALID_ARGUMENT)
    return ContactQuery(request.agency, request.category, request.bidder_id, certificate_sha256)


def read_registration_event(event: card_pb2.RegistrationEvent) -> RegistrationEvent:
    """Returns the event of a committed registration; raises REQUEST_ID_INVALID, CERTIFICATE_SHA256_INVALID."""
    registration = event.registration
    by_propagation = registration.origin == card_pb2.REGISTRATION_ORIGIN_PROPAGATION
    return RegistrationEvent(
        registration=Registration(
            registration_id=UUID(registration.registration_id),
            agency=registration.agency,
            category=registration.category,
            certificate_sha256=read_certificate_sha256(registration.certificate_sha256),
            bidder_id=registration.bidder_id,
            registered_at=read_timestamp(registration.registered_at),
            by_propagation=by_propagation,
            version=Version(registration.version.epoch, registration.version.number),
        ),
        request_id=None if by_propagation else check_request_id(event.request_id),
        request_sha256=event.request_sha256,
        card_serial=event.card.serial_decimal,
    )


def write_outcome_request(
    certificate_sha256: bytes, request_id: UUID, *, abandon: bool
) -> certificate_registry_pb2.GetOutcomeRequest:
    """Returns the request for the outcome of a card's request."""
    return certificate_registry_pb2.GetOutcomeRequest(
        certificate_sha256=certificate_sha256, request_id=str(request_id), abandon=abandon
    )


def read_outcome(response: certificate_registry_pb2.GetOutcomeResponse) -> Outcome:
    """Returns the outcome of a request; one that this version does not know becomes UNSPECIFIED."""
    return Outcome(
        _OUTCOMES.get(response.outcome, OutcomeState.UNSPECIFIED),
        read_registration_event(response.registration) if response.HasField("registration") else None,
    )


def read_company(profile: bidder_pb2.CompanyProfile) -> Company:
    """Returns 企業情報; a field that is not set becomes None, one that is set to nothing stays empty."""
    return Company(
        bidder_id=profile.bidder_id,
        name=profile.name,
        **{field: _read_optional(profile, field) for field in _OPTIONAL},
        grades=tuple(Grade(grade.kind, grade.grade) for grade in profile.grades),
    )


def read_company_profile(company: Company) -> bidder_pb2.CompanyProfile:
    """Returns the message of 企業情報; a field that is None is not set."""
    profile = bidder_pb2.CompanyProfile(bidder_id=company.bidder_id, name=company.name)
    for field in _OPTIONAL:
        value = getattr(company, field)
        if value is not None:
            setattr(profile, field, value)
    for grade in company.grades:
        profile.grades.add(kind=grade.kind, grade=grade.grade)
    return profile


def write_staged_contacts_response(staged: StagedContacts) -> contact_notification_pb2.GetStagedContactsResponse:
    """Returns the response with staged contacts."""
    return contact_notification_pb2.GetStagedContactsResponse(
        company=read_company_profile(staged.company),
        card_contact=write_contact(staged.card_contact),
        representative_contact=(
            write_contact(staged.representative_contact) if staged.representative_contact is not None else None
        ),
    )


def write_contact(contact: Contact) -> contact_pb2.Contact:
    """Returns the message of a contact."""
    return contact_pb2.Contact(
        department=contact.department,
        postal_code=contact.postal_code,
        address=contact.address,
        person_name=contact.person_name,
        telephone=contact.telephone,
        fax=contact.fax,
        mail_address=contact.mail_address,
    )


def _read_form(form: contact_pb2.ContactForm) -> ContactForm:
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


def _read_optional(message: Message, field: str) -> str | None:
    value: str | None = getattr(message, field) if message.HasField(field) else None
    return value

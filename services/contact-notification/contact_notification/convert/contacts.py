"""Contacts, companies, and what is staged of them."""

from google.protobuf.message import Message

from contact_notification.convert.texts import find_instant, read_certificate_sha256
from contact_notification.domain.contact import EMPTY_FORM, Contact, ContactForm, ContactQuery, CountingContact
from contact_notification.domain.staging import Company, Grade, StagedContacts, StagingRequest
from refusals import Code, Refusal
from servicekit.messages import check_request_id, check_sha256, write_timestamp
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.qualification.v1 import bidder_pb2

_OPTIONAL = (
    "postal_code",
    "address",
    "representative_name",
    "contract_party_name",
    "representative_title",
    "telephone",
    "fax",
    "department",
    "branch",
    "region",
    "permit_number",
    "corporate_number",
)


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
        card_contact=read_form(request.card_contact) if request.HasField("card_contact") else EMPTY_FORM,
        representative_contact=(
            read_form(request.representative_contact) if request.HasField("representative_contact") else None
        ),
        person_in_charge=request.person_in_charge,
    )


def read_contact_query(request: contact_notification_pb2.GetContactRequest) -> ContactQuery:
    """Returns an agency's query; raises CONTACT_PURPOSE_INVALID, CERTIFICATE_SHA256_INVALID, CONTACT_NOT_FOUND."""
    match request.purpose:
        case contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE:
            certificate_sha256 = None
        case contact_pb2.CONTACT_PURPOSE_CARD:
            certificate_sha256 = read_certificate_sha256(request.certificate_sha256)
        case _:
            raise Refusal("CONTACT_PURPOSE_INVALID", Code.INVALID_ARGUMENT)
    as_of = find_instant(request, "as_of")
    if as_of is None and request.HasField("as_of"):
        # Beyond all instants that a contact can count from.
        raise Refusal("CONTACT_NOT_FOUND", Code.NOT_FOUND)
    return ContactQuery(request.agency, request.category, request.bidder_id, certificate_sha256, as_of)


def write_staged_contacts_response(staged: StagedContacts) -> contact_notification_pb2.GetStagedContactsResponse:
    """Returns the response with staged contacts."""
    return contact_notification_pb2.GetStagedContactsResponse(
        company=write_company(staged.company),
        card_contact=write_contact(staged.card_contact),
        representative_contact=(
            write_contact(staged.representative_contact) if staged.representative_contact is not None else None
        ),
        person_in_charge=staged.person_in_charge,
    )


def read_company(profile: bidder_pb2.CompanyProfile) -> Company:
    """Returns 企業情報; a field that is not set becomes None, one that is set to nothing stays empty."""
    return Company(
        bidder_id=profile.bidder_id,
        name=profile.name,
        **{field: _read_optional(profile, field) for field in _OPTIONAL},
        grades=tuple(Grade(grade.kind, grade.grade) for grade in profile.grades),
    )


def write_company(company: Company) -> bidder_pb2.CompanyProfile:
    """Returns the message of 企業情報; a field that is None is not set."""
    profile = bidder_pb2.CompanyProfile(bidder_id=company.bidder_id, name=company.name)
    for field in _OPTIONAL:
        value = getattr(company, field)
        if value is not None:
            setattr(profile, field, value)
    for grade in company.grades:
        profile.grades.add(kind=grade.kind, grade=grade.grade)
    return profile


def write_counting_contact(contact: CountingContact) -> contact_notification_pb2.GetContactResponse:
    """Returns the response with the contact that counts at an agency."""
    return contact_notification_pb2.GetContactResponse(
        contact=write_contact(contact.contact),
        version=contact.version,
        counts_from=write_timestamp(contact.counts_from),
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


def read_form(form: contact_pb2.ContactForm) -> ContactForm:
    """Returns a contact as it was typed."""
    return ContactForm(read_contact(form.contact), form.mail_address_again)


def read_contact(contact: contact_pb2.Contact) -> Contact:
    """Returns a contact, character for character."""
    return Contact(
        department=contact.department,
        postal_code=contact.postal_code,
        address=contact.address,
        person_name=contact.person_name,
        telephone=contact.telephone,
        fax=contact.fax,
        mail_address=contact.mail_address,
    )


def _read_optional(message: Message, field: str) -> str | None:
    value: str | None = getattr(message, field) if message.HasField(field) else None
    return value

"""protobuf ↔ domain: the only place where both meet."""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from google.protobuf.message import Message

from contact_notification.domain.card_state import (
    CardState,
    Outcome,
    OutcomeState,
    Registration,
    RegistrationState,
)
from contact_notification.domain.contact import EMPTY_FORM, Contact, ContactForm, ContactQuery
from contact_notification.domain.notice import (
    BidderOwner,
    CardOwner,
    MailAddress,
    Notice,
    NoticeKind,
    Recipient,
    RegistrationFacts,
    refuse_notice,
)
from contact_notification.domain.staging import Company, Grade, StagedContacts, StagingRequest
from refusals import Code, Refusal
from servicekit.messages import SHA256_BYTES, check_request_id, check_sha256, find_uuid, read_timestamp
from servicekit.versions import Version
from toroku.certificate.v1 import card_pb2, card_state_pb2, certificate_registry_pb2
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.qualification.v1 import bidder_pb2

log = logging.getLogger(__name__)

_OPTIONAL = (
    "postal_code",
    "address",
    "representative_name",
    "representative_title",
    "telephone",
    "fax",
    "department",
    "branch",
    "region",
    "permit_number",
    "corporate_number",
)

# The most that one call may hold.
MOST_CARD_STATES = 500
MOST_RECIPIENTS = 1_000
MOST_NOTICES = 10

_REGISTRATION_STATES = {
    card_state_pb2.REGISTRATION_STATE_GOOD: RegistrationState.GOOD,
    card_state_pb2.REGISTRATION_STATE_SUSPENDED: RegistrationState.SUSPENDED,
    card_state_pb2.REGISTRATION_STATE_REPLACED: RegistrationState.REPLACED,
    card_state_pb2.REGISTRATION_STATE_ENDED: RegistrationState.ENDED,
}

_NOTICE_KINDS = {
    contact_pb2.NOTICE_KIND_REGISTRATION: NoticeKind.REGISTRATION,
    contact_pb2.NOTICE_KIND_REGISTRATION_NOTICE: NoticeKind.REGISTRATION_NOTICE,
}

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
        person_in_charge=request.person_in_charge,
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


def read_card_states(
    request: contact_notification_pb2.RecordCardStatesRequest,
) -> tuple[Sequence[CardState], Sequence[Refusal]]:
    """Returns the states of cards, and a refusal (CARD_STATE_INVALID) for each that can't be read.

    Raises INPUT_TOO_MANY.
    """
    if len(request.card_states) > MOST_CARD_STATES:
        raise Refusal("INPUT_TOO_MANY", Code.INVALID_ARGUMENT, {"most": str(MOST_CARD_STATES)})
    states: list[CardState] = []
    unreadable: list[Refusal] = []
    for message in request.card_states:
        try:
            states.append(read_card_state(message))
        except Refusal as refusal:
            unreadable.append(refusal)
    return states, unreadable


def read_card_state(message: card_state_pb2.CardState) -> CardState:
    """Returns the state of a card; raises CARD_STATE_INVALID.

    A list may hold tens of thousands of registrations: of those that propagation made, only agency and state are read.
    """
    card = message.certificate_sha256
    if len(card) != SHA256_BYTES:
        raise _refuse_card_state(card, "certificate_sha256")
    for part in ("category", "bidder_id"):
        if not _is_text(getattr(message, part)):
            raise _refuse_card_state(card, part)
    if not message.HasField("version"):
        raise _refuse_card_state(card, "version")
    if message.binding == card_state_pb2.BINDING_STATE_UNSPECIFIED:
        raise _refuse_card_state(card, "binding")
    states: dict[str, RegistrationState] = {}
    for registration in message.registrations:
        if not _is_text(registration.agency):
            raise _refuse_card_state(card, "registrations.agency")
        states[registration.agency] = _REGISTRATION_STATES.get(registration.state, RegistrationState.UNSPECIFIED)
    return CardState(
        certificate_sha256=card,
        category=message.category,
        version=Version(message.version.epoch, message.version.number),
        bidder_id=message.bidder_id,
        is_live=message.binding == card_state_pb2.BINDING_STATE_LIVE,
        states=states,
        registrations=tuple(
            _read_registration(message, registration)
            for registration in message.registrations
            if registration.origin == card_pb2.REGISTRATION_ORIGIN_CONTRACTOR
        ),
    )


def read_notices(request: contact_notification_pb2.SendNoticesRequest) -> Sequence[Notice]:
    """Returns notices, each of which has an id of its own; raises NOTICE_INVALID."""
    notices = [_read_notice(message) for message in request.notices]
    if not 1 <= len({notice.notice_id for notice in notices}) == len(notices) <= MOST_NOTICES:
        raise refuse_notice("notices")
    return notices


def _read_notice(message: contact_pb2.Notice) -> Notice:
    kind = _NOTICE_KINDS.get(message.kind)
    if kind is None:
        raise refuse_notice("kind")
    if not 1 <= len(message.recipients) <= MOST_RECIPIENTS:
        raise refuse_notice("recipients")
    if not message.HasField("registration"):
        raise refuse_notice("registration")
    notice_id = find_uuid(message.notice_id)
    if notice_id is None:
        raise refuse_notice("notice_id")
    return Notice(
        notice_id=notice_id,
        kind=kind,
        facts=_read_facts(message.registration),
        recipients=tuple(_read_recipient(recipient) for recipient in message.recipients),
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
    state = None
    if response.HasField("card_state"):
        try:
            state = read_card_state(response.card_state)
        except Refusal as refusal:
            log.error("the state in an outcome can't be read; report it to the developers: %s", refusal)
    return Outcome(_OUTCOMES.get(response.outcome, OutcomeState.UNSPECIFIED), state)


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


def _read_registration(state: card_state_pb2.CardState, message: card_state_pb2.AgencyRegistration) -> Registration:
    registration_id, request_id = find_uuid(message.registration_id), find_uuid(message.request_id)
    registered_at = _find_instant(message, "registered_at")
    if registration_id is None:
        raise _refuse_card_state(state.certificate_sha256, "registrations.registration_id")
    if request_id is None:
        raise _refuse_card_state(state.certificate_sha256, "registrations.request_id")
    if registered_at is None:
        raise _refuse_card_state(state.certificate_sha256, "registrations.registered_at")
    return Registration(
        registration_id=registration_id,
        agency=message.agency,
        category=state.category,
        certificate_sha256=state.certificate_sha256,
        bidder_id=state.bidder_id,
        registered_at=registered_at,
        request_id=request_id,
        request_sha256=message.request_sha256,
    )


def _read_facts(message: contact_pb2.RegistrationFacts) -> RegistrationFacts:
    registration_id, request_id = find_uuid(message.registration_id), find_uuid(message.request_id)
    registered_at = _find_instant(message, "registered_at")
    if registration_id is None:
        raise refuse_notice("registration.registration_id")
    if request_id is None:
        raise refuse_notice("registration.request_id")
    if len(message.certificate_sha256) != SHA256_BYTES:
        raise refuse_notice("registration.certificate_sha256")
    if not (message.serial_decimal.isascii() and message.serial_decimal.isdigit()):
        raise refuse_notice("registration.serial_decimal")
    for part in ("agency", "category", "bidder_id"):
        if not _is_text(getattr(message, part)):
            raise refuse_notice(f"registration.{part}")
    if registered_at is None:
        raise refuse_notice("registration.registered_at")
    if message.holder_name and not _is_text(message.holder_name):
        raise refuse_notice("registration.holder_name")
    return RegistrationFacts(
        registration_id=registration_id,
        request_id=request_id,
        certificate_sha256=message.certificate_sha256,
        card_serial=message.serial_decimal,
        agency=message.agency,
        category=message.category,
        bidder_id=message.bidder_id,
        registered_at=registered_at,
        holder_name=message.holder_name,
    )


def _read_recipient(message: contact_pb2.NoticeRecipient) -> Recipient:
    if message.WhichOneof("recipient") == "mail_address" and _is_text(message.mail_address):
        return MailAddress(message.mail_address)
    owner = message.owner
    request_id = find_uuid(owner.request_id)
    if _is_text(owner.category) and (request_id is not None or not owner.request_id):
        match owner.purpose:
            case contact_pb2.CONTACT_PURPOSE_CARD if len(owner.certificate_sha256) == SHA256_BYTES:
                return CardOwner(owner.certificate_sha256, owner.category, request_id)
            case contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE if _is_text(owner.bidder_id):
                return BidderOwner(owner.bidder_id, owner.category, request_id)
    raise refuse_notice("recipients")


def _find_instant(message: Message, field: str) -> datetime | None:
    """Returns the instant of a field; None where it is not set or out of range."""
    try:
        return read_timestamp(getattr(message, field)) if message.HasField(field) else None
    except (ValueError, OverflowError):
        return None


def _is_text(text: str) -> bool:
    """Returns whether a text is there and may be stored: PostgreSQL refuses a NUL, and with it the whole list."""
    return text != "" and "\x00" not in text


def _refuse_card_state(certificate_sha256: bytes, part: str) -> Refusal:
    metadata = {"certificate_sha256": certificate_sha256[:SHA256_BYTES].hex(), "part": part}
    return Refusal("CARD_STATE_INVALID", Code.INVALID_ARGUMENT, metadata)


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

"""What contacts are, when a representative contact is asked, and who gets which mail. No gRPC, no SQL, no clock."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from instance_profile.hours import readable_en, readable_ja
from instance_profile.model import RepresentativeContact
from refusals import Code, Refusal, Violation

# A card session lasts an hour at most, so what was staged longer ago can't be committed in the session that staged it.
SESSION_MAXIMUM = timedelta(minutes=60)
# For a commit that is on its way when the session ends, and for clocks that differ.
GRACE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact, character for character as a person typed it (REG-02)."""

    department: str
    postal_code: str
    address: str
    person_name: str
    telephone: str
    fax: str
    mail_address: str


@dataclass(frozen=True, slots=True)
class ContactForm:
    """A contact with the second typing of its mail address; that one is checked and not kept."""

    contact: Contact
    mail_address_again: str


EMPTY_FORM = ContactForm(Contact("", "", "", "", "", "", ""), "")


@dataclass(frozen=True, slots=True)
class Grade:
    """One kind of work or goods and the bidder's grade in it."""

    kind: str
    grade: str


@dataclass(frozen=True, slots=True)
class Company:
    """企業情報 at the moment of the registration; None where the roster has nothing."""

    bidder_id: str
    name: str
    postal_code: str | None
    address: str | None
    representative_name: str | None
    representative_title: str | None
    telephone: str | None
    fax: str | None
    department: str | None
    corporate_number: str | None
    grades: tuple[Grade, ...]


@dataclass(frozen=True, slots=True)
class StagingRequest:
    """The contacts of a registration that is being prepared. Both hashes are SHA-256, 32 bytes."""

    certificate_sha256: bytes
    request_id: UUID
    request_sha256: bytes
    agency: str
    category: str
    company: Company
    card_contact: ContactForm
    representative_contact: ContactForm | None


class StagedState(StrEnum):
    """How far a staged registration has come. What is abandoned is deleted; a tombstone of it stays."""

    PENDING = "pending"
    ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Staged:
    """What is kept of a registration's contacts, under the card and its request id."""

    certificate_sha256: bytes
    request_id: UUID
    request_sha256: bytes
    agency: str
    category: str
    company: Company
    card_contact_id: UUID
    # The one given here; once active also the one that stood already.
    representative_contact_id: UUID | None
    state: StagedState
    staged_at: datetime

    @property
    def expires_at(self) -> datetime:
        """From when it counts as given up, if it is not committed by then."""
        return expires_at(self.staged_at)


def expires_at(staged_at: datetime) -> datetime:
    """From when something staged at this instant counts as given up, if it is not committed by then."""
    return staged_at + SESSION_MAXIMUM + GRACE


@dataclass(frozen=True, slots=True)
class Reservation:
    """Who holds the place of a bidder's representative contact: a card and its request id."""

    certificate_sha256: bytes
    request_id: UUID
    state: StagedState
    staged_at: datetime

    def is_of(self, request: StagingRequest) -> bool:
        """Whether it is this very request that holds it."""
        return (self.certificate_sha256, self.request_id) == (request.certificate_sha256, request.request_id)

    def may_be_given_up(self, certificate_sha256: bytes, now: datetime) -> bool:
        """Whether its registration may be abandoned for another one's sake: by the same card, or when it is too old."""
        return self.certificate_sha256 == certificate_sha256 or expires_at(self.staged_at) <= now


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """The version of a registration: compared by epoch, then by number."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration as its event tells it."""

    registration_id: UUID
    agency: str
    category: str
    certificate_sha256: bytes
    bidder_id: str
    registered_at: datetime
    by_propagation: bool
    version: Version


@dataclass(frozen=True, slots=True)
class RegistrationEvent:
    """A committed registration, and the act of the card behind it.

    `request_id` is None and `request_sha256` empty where it was made by propagation: nothing was staged for it.
    """

    registration: Registration
    request_id: UUID | None
    request_sha256: bytes
    card_serial: str


def check_representative_contact(rule: RepresentativeContact, *, given: bool, stands: bool) -> Sequence[Violation]:
    """Whether the representative contact may, must or must not be given now (REG-03): what is wrong with the field
    `representative_contact`. Raises REPRESENTATIVE_CONTACT_GIVEN_ALREADY."""
    if given and stands and rule is not RepresentativeContact.ALWAYS:
        raise given_already()
    if given and rule is RepresentativeContact.SHOWN:
        return [Violation("representative_contact", "REPRESENTATIVE_CONTACT_NOT_ASKED")]
    asked = rule is RepresentativeContact.ALWAYS or (rule is RepresentativeContact.FIRST_REGISTRATION and not stands)
    return [Violation("representative_contact", "REPRESENTATIVE_CONTACT_REQUIRED")] if asked and not given else []


def reserves_representative_contact(rule: RepresentativeContact, *, given: bool) -> bool:
    """Whether the place of the representative contact is held until the registration is committed or given up.

    Where it is asked always, the newest registration counts and nobody has to wait.
    """
    return given and rule is RepresentativeContact.FIRST_REGISTRATION


def given_already() -> Refusal:
    """The representative contact stands, and only 変更 can change it."""
    return Refusal("REPRESENTATIVE_CONTACT_GIVEN_ALREADY", Code.FAILED_PRECONDITION)


def reserved_until(retry_at: datetime) -> Refusal:
    """Another card is just registering with the bidder's first representative contact."""
    metadata = {
        "retry_at": retry_at.isoformat(timespec="seconds"),
        "retry_at_ja": readable_ja(retry_at),
        "retry_at_en": readable_en(retry_at),
    }
    return Refusal("REPRESENTATIVE_CONTACT_RESERVED", Code.FAILED_PRECONDITION, metadata)


def check_same_act(staged: Staged | None, event: RegistrationEvent) -> Staged:
    """The staged contacts of a committed registration.

    Raises CONTACTS_NOT_STAGED where there are none, CONTACTS_DIFFER_FROM_ACT where the card signed something else.
    Neither may ever pass: the registration stands without contacts and mail, so the producer has to go on trying and
    people have to see it.
    """
    metadata = {"registration_id": str(event.registration.registration_id)}
    if staged is None:
        raise Refusal("CONTACTS_NOT_STAGED", Code.NOT_FOUND, metadata)
    registration = event.registration
    signed = (event.request_sha256, registration.agency, registration.category, registration.bidder_id)
    if signed != (staged.request_sha256, staged.agency, staged.category, staged.company.bidder_id):
        raise Refusal("CONTACTS_DIFFER_FROM_ACT", Code.FAILED_PRECONDITION, metadata)
    return staged


class MailKind(StrEnum):
    """Which of the profile's mails it is."""

    # 利用者登録のお知らせ, to the card contact.
    REGISTRATION = "registration"
    # The same news to those who should notice if it was not they.
    REGISTRATION_NOTICE = "registration_notice"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of the outbox with all that its text needs. `message_id` is the header's value, with its brackets."""

    mail_id: UUID
    message_id: str
    kind: MailKind
    written_at: datetime
    recipient: Contact
    # The contact of the card that was registered; in a registration mail the recipient itself.
    card_contact: Contact
    company: Company
    agency: str
    category: str
    registered_at: datetime
    card_serial: str


def recipients(card_contact_id: UUID, others: Sequence[UUID], addresses: Mapping[UUID, str]) -> Mapping[UUID, MailKind]:
    """Who gets which mail about a registration (REG-07), by contact id.

    `addresses` has the mail address of every contact named. One mailbox gets one mail: the contacts may well be the
    same person (REG-10). Domains are compared without regard to case, what stands before the @ as it is.
    """
    chosen = {card_contact_id: MailKind.REGISTRATION}
    reached = {_mailbox(addresses[card_contact_id])}
    for contact_id in others:
        mailbox = _mailbox(addresses[contact_id])
        if mailbox not in reached:
            reached.add(mailbox)
            chosen[contact_id] = MailKind.REGISTRATION_NOTICE
    return chosen


def _mailbox(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return local + at + domain.lower()

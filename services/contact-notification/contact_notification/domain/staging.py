"""Contacts staged for a registration, how long, and who reserves the bidder's representative contact."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from contact_notification.domain.contact import Contact, ContactForm
from instance_profile.company_name import write_full_name
from instance_profile.hours import format_instant_en, format_instant_ja
from refusals import Code, Refusal

# A card session lasts an hour at most, so older contacts can't be committed in the session that staged them.
SESSION_MAXIMUM = timedelta(minutes=60)
# For a commit that is on its way when the session ends, and for clocks that differ.
GRACE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Grade:
    """One kind of work or goods and the bidder's grade in it."""

    kind: str
    grade: str


@dataclass(frozen=True, slots=True)
class Company:
    """企業情報 at the moment of the registration, every field of it; None where the roster has nothing."""

    bidder_id: str
    name: str
    postal_code: str | None
    address: str | None
    representative_name: str | None
    contract_party_name: str | None
    representative_title: str | None
    telephone: str | None
    fax: str | None
    department: str | None
    branch: str | None
    region: str | None
    permit_number: str | None
    corporate_number: str | None
    grades: tuple[Grade, ...]

    @property
    def full_name(self) -> str:
        """The name with the branch (支店名等) to which bidding is delegated."""
        return write_full_name(self.name, self.branch)


@dataclass(frozen=True, slots=True)
class StagingRequest:
    """The contacts of a registration that is being prepared.

    Both hashes are SHA-256, 32 bytes; `request_sha256` may be empty in a request that is only checked.
    """

    certificate_sha256: bytes
    request_id: UUID
    request_sha256: bytes
    agency: str
    category: str
    company: Company
    card_contact: ContactForm
    representative_contact: ContactForm | None
    # 担当者, as typed; empty where nobody is named.
    person_in_charge: str


class StagedState(StrEnum):
    """How far a staged registration has come. An abandoned one is deleted and leaves a tombstone."""

    PENDING = "pending"
    # Its contacts count from its registration on, until those of a newer one count.
    ACTIVE = "active"
    # It was committed, and the state of its card does not name it: it gave way before its state arrived. Its contacts
    # are for its receipt and its mails, and count for nobody, unless a state names it after all.
    COMMITTED = "committed"
    # The card signed other contacts. These count for nobody and are shown to nobody by mail.
    NOT_SIGNED = "not_signed"


class MissingContacts(StrEnum):
    """Why a committed registration has no contacts, and never will have any."""

    # Nothing was staged under its request id; a backup of this service was restored, for example.
    NOT_STAGED = "not_staged"
    # What was staged there belongs to another act than the one that the card signed.
    NOT_SIGNED = "not_signed"


@dataclass(frozen=True, slots=True)
class StagedRegistration:
    """A registration's contacts, by id, under the card and its request id."""

    certificate_sha256: bytes
    request_id: UUID
    request_sha256: bytes
    agency: str
    category: str
    company: Company
    card_contact_id: UUID
    # The one given with this registration; once the registration is active, otherwise the bidder's active one.
    representative_contact_id: UUID | None
    person_in_charge: str
    state: StagedState
    staged_at: datetime

    @property
    def request(self) -> tuple[bytes, UUID]:
        """The card's certificate by its SHA-256, and the request id."""
        return self.certificate_sha256, self.request_id

    @property
    def expires_at(self) -> datetime:
        """From when it may be abandoned, if it is not committed by then."""
        return compute_expiry(self.staged_at)


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """What is known of a request to stage contacts, and of its bidder in the category."""

    is_abandoned: bool
    staged: StagedRegistration | None
    # The bidder's active one.
    representative_contact: Contact | None


@dataclass(frozen=True, slots=True)
class StagedContacts:
    """The contacts of a staged registration, as the confirmation and the receipt show them."""

    company: Company
    card_contact: Contact
    # The one staged here, or else the bidder's active one.
    representative_contact: Contact | None
    person_in_charge: str


def compute_expiry(staged_at: datetime) -> datetime:
    """Returns from when contacts staged at this instant may be abandoned, if they are not committed by then."""
    return staged_at + SESSION_MAXIMUM + GRACE


@dataclass(frozen=True, slots=True)
class Reservation:
    """The registration that reserves a bidder's representative contact: a card and its request id."""

    certificate_sha256: bytes
    request_id: UUID
    state: StagedState
    staged_at: datetime

    @property
    def expires_at(self) -> datetime:
        """From when its registration may be abandoned, if it is not committed by then."""
        return compute_expiry(self.staged_at)

    def belongs_to(self, request: StagingRequest) -> bool:
        """Returns whether this very request made it."""
        return (self.certificate_sha256, self.request_id) == (request.certificate_sha256, request.request_id)

    def may_be_abandoned(self, certificate_sha256: bytes, now: datetime) -> bool:
        """Returns whether a registration of this card may replace it: of the same card always, else once it expires."""
        return self.certificate_sha256 == certificate_sha256 or self.expires_at <= now


def refuse_reserved(retry_at: datetime) -> Refusal:
    """Returns the refusal where another card is registering with the bidder's first representative contact."""
    metadata = {
        "retry_at": retry_at.isoformat(timespec="seconds"),
        "retry_at_ja": format_instant_ja(retry_at),
        "retry_at_en": format_instant_en(retry_at),
    }
    return Refusal("REPRESENTATIVE_CONTACT_RESERVED", Code.FAILED_PRECONDITION, metadata)

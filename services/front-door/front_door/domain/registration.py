"""The form of a registration, its commit and its receipt (REG-04 to REG-06, REG-09)."""

from dataclasses import dataclass, field

from front_door.domain.bidder import BidderProof, BidderStatement, CompanyProfile, FoundBidder
from front_door.domain.card_session import ActChallenge, Card
from front_door.domain.contact import Contact, ContactForm, StagedContacts


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A bidder that this card may be registered for, and its representative contact in the category, if any."""

    bidder: FoundBidder
    representative_contact_required: bool
    representative_contact: Contact | None


@dataclass(frozen=True, slots=True)
class RegistrationDraft:
    """What a contractor hands in to be checked and signed."""

    proof: BidderProof
    request_id: str
    card_contact: ContactForm
    # None where nothing was typed.
    representative_contact: ContactForm | None
    # 担当者, as typed; empty where nobody is named.
    person_in_charge: str
    # The serial number of the card that this one comes after; empty where none is named.
    predecessor_serial: str
    validate_only: bool


@dataclass(frozen=True, slots=True)
class RegistrationForm:
    """Everything that a registration is made from: what the card signs the hash of (REG-09)."""

    request_id: str
    instance: str
    agency: str
    category: str
    bidder_id: str
    certificate_sha256: bytes
    card_contact: Contact | None = None
    representative_contact: Contact | None = None
    person_in_charge: str = ""
    predecessor_serial: str = ""


@dataclass(frozen=True, slots=True)
class PreparedRegistration:
    """A form that would be registered, and what a person is shown before signing; `act` is None in a dry run."""

    form: RegistrationForm
    company: CompanyProfile
    card: Card
    representative_contact: Contact | None
    act: ActChallenge | None


@dataclass(frozen=True, slots=True)
class CommittedRegistration:
    """A registration that exists; `encoded` has all of it.

    `history_digest` is that of its entry in the history; `history_receipt` proves that the entry is there, and is empty
    until it is sealed.
    """

    agency: str
    category: str
    card: Card
    encoded: bytes = field(repr=False)
    history_digest: bytes
    history_receipt: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """利用者登録の控え (REG-06)."""

    request_id: str
    registration: CommittedRegistration
    contacts: StagedContacts


def fill_form(
    draft: RegistrationDraft, statement: BidderStatement, *, instance: str, agency: str, category: str
) -> RegistrationForm:
    """Returns the form of a draft, with the bidder and the card that its proof states."""
    representative = draft.representative_contact
    return RegistrationForm(
        request_id=draft.request_id,
        instance=instance,
        agency=agency,
        category=category,
        bidder_id=statement.bidder_id,
        certificate_sha256=statement.certificate_sha256,
        card_contact=draft.card_contact.contact,
        representative_contact=representative.contact if representative else None,
        person_in_charge=draft.person_in_charge,
        predecessor_serial=draft.predecessor_serial,
    )

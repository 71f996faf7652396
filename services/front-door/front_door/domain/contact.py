"""Contacts, and when the representative contact is required (REG-03). contact-notification checks their fields."""

from dataclasses import dataclass, field
from datetime import datetime

from front_door.domain.bidder import CompanyProfile
from instance_profile.model import RepresentativeContact


@dataclass(frozen=True, slots=True)
class Contact:
    """One contact (連絡先), character for character as typed."""

    department: str = ""
    postal_code: str = ""
    address: str = ""
    person_name: str = ""
    telephone: str = ""
    fax: str = ""
    mail_address: str = ""


@dataclass(frozen=True, slots=True)
class ContactForm:
    """A contact as a person typed it, with the second typing of the mail address."""

    contact: Contact = field(default_factory=Contact)
    mail_address_again: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was typed: an empty form counts as none."""
        return self == ContactForm()


@dataclass(frozen=True, slots=True)
class ContactVersion:
    """A contact of a card or a bidder in one of its versions, counted from 1.

    `brought_by` is the card whose act brought it: SHA-256 of the certificate in DER, 32 bytes.
    """

    contact: Contact
    version: int
    counts_from: datetime
    brought_by: bytes


@dataclass(frozen=True, slots=True)
class RegisteredContacts:
    """The newest contacts of a card and its bidder in a category; None where there is none.

    `agencies_with_earlier` are codes of the agencies at which an earlier version of one of the two counts.
    """

    card_contact: ContactVersion | None
    representative_contact: ContactVersion | None
    agencies_with_earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StagedContacts:
    """What was staged for a registration: company, contacts, and the bidder's representative contact if it has one.

    `person_in_charge` (担当者) is empty where nobody was named.
    """

    company: CompanyProfile
    card_contact: Contact
    representative_contact: Contact | None
    person_in_charge: str


def requires_representative_contact(rule: RepresentativeContact, *, exists: bool) -> bool:
    """Returns whether the form has to contain the representative contact; `exists`: the bidder has one (REG-03)."""
    if rule is RepresentativeContact.FIRST_REGISTRATION:
        return not exists
    return rule is RepresentativeContact.ALWAYS

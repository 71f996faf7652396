"""A contact, its form, and when the representative contact is to be given (REG-03)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from instance_profile.model import RepresentativeContact
from refusals import Code, Refusal, Violation


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
    """A contact with its mail address typed a second time, which is checked and not stored."""

    contact: Contact
    mail_address_again: str


EMPTY_FORM = ContactForm(Contact("", "", "", "", "", "", ""), "")


@dataclass(frozen=True, slots=True)
class ContactQuery:
    """An agency's query for the contact of a bidder registered there (REG-10).

    For the contact of a card, `certificate_sha256` (32 bytes); None for the representative contact. `as_of` is None for
    now.
    """

    agency: str
    category: str
    bidder_id: str
    certificate_sha256: bytes | None
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class CountingContact:
    """The contact that counts at an agency, in which of its owner's versions, and from when this version counts."""

    contact: Contact
    version: int
    counts_from: datetime


def check_representative_contact(rule: RepresentativeContact, *, given: bool, is_active: bool) -> Sequence[Violation]:
    """Returns the violations of the field `representative_contact`: missing, or not asked (REG-03).

    `given`: the request contains one; `is_active`: the bidder has one in the category already.
    Raises REPRESENTATIVE_CONTACT_GIVEN_ALREADY.
    """
    if given and is_active and rule is not RepresentativeContact.ALWAYS:
        raise refuse_given_already()
    if given and rule is RepresentativeContact.SHOWN:
        return [Violation("representative_contact", "REPRESENTATIVE_CONTACT_NOT_ASKED")]
    is_asked = rule is RepresentativeContact.ALWAYS or (
        rule is RepresentativeContact.FIRST_REGISTRATION and not is_active
    )
    if is_asked and not given:
        return [Violation("representative_contact", "REPRESENTATIVE_CONTACT_REQUIRED")]
    return []


def reserves_representative_contact(rule: RepresentativeContact, *, given: bool) -> bool:
    """Returns whether the registration reserves the bidder's representative contact until it is committed or abandoned.

    Where every registration gives one, the newest registration's is active, and no other has to wait.
    """
    return given and rule is RepresentativeContact.FIRST_REGISTRATION


def refuse_given_already() -> Refusal:
    """Returns the refusal of a representative contact where one is active, which only 変更 can change."""
    return Refusal("REPRESENTATIVE_CONTACT_GIVEN_ALREADY", Code.FAILED_PRECONDITION)

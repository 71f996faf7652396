"""Contacts between the fields of a form and the messages of the front door."""

from collections.abc import Mapping

from toroku.contact.v1.contact_pb2 import Contact, ContactForm

CARD, REPRESENTATIVE = "card_contact", "representative_contact"
FIELDS = ("department", "postal_code", "address", "person_name", "telephone", "fax", "mail_address")
AGAIN = "mail_address_again"


def read_contact_form(typed: Mapping[str, str], section: str) -> ContactForm:
    """Returns the contact that was typed into a section of a form."""
    contact = Contact(**{field: typed.get(f"{section}.{field}", "") for field in FIELDS})
    return ContactForm(contact=contact, mail_address_again=typed.get(f"{section}.{AGAIN}", ""))


def write_contact_fields(contact: Contact, section: str) -> dict[str, str]:
    """Returns a contact as the fields of a section."""
    return {f"{section}.{field}": getattr(contact, field) for field in FIELDS}

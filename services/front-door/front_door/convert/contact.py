"""Contacts and contact forms."""

from front_door.convert.bidder import read_company
from front_door.domain.contact import Contact, ContactForm, ContactVersion, RegisteredContacts, StagedContacts
from servicekit.messages import read_timestamp, write_timestamp
from toroku.contact.v1 import contact_notification_pb2, contact_pb2


def read_contact(message: contact_pb2.Contact) -> Contact:
    """Returns a contact, character for character."""
    return Contact(
        department=message.department,
        postal_code=message.postal_code,
        address=message.address,
        person_name=message.person_name,
        telephone=message.telephone,
        fax=message.fax,
        mail_address=message.mail_address,
    )


def write_contact(contact: Contact) -> contact_pb2.Contact:
    """Returns a contact as a message."""
    return contact_pb2.Contact(
        department=contact.department,
        postal_code=contact.postal_code,
        address=contact.address,
        person_name=contact.person_name,
        telephone=contact.telephone,
        fax=contact.fax,
        mail_address=contact.mail_address,
    )


def read_contact_form(message: contact_pb2.ContactForm) -> ContactForm:
    """Returns a contact as typed; a form or contact that is not set has empty fields."""
    return ContactForm(read_contact(message.contact), message.mail_address_again)


def write_contact_form(form: ContactForm) -> contact_pb2.ContactForm:
    """Returns a contact as typed as a message."""
    return contact_pb2.ContactForm(contact=write_contact(form.contact), mail_address_again=form.mail_address_again)


def read_contact_version(message: contact_pb2.ContactVersion) -> ContactVersion:
    """Returns a contact in one of its versions."""
    return ContactVersion(
        contact=read_contact(message.contact),
        version=message.version,
        counts_from=read_timestamp(message.counts_from),
        brought_by=message.brought_by,
    )


def write_contact_version(version: ContactVersion) -> contact_pb2.ContactVersion:
    """Returns a contact in one of its versions as a message."""
    return contact_pb2.ContactVersion(
        contact=write_contact(version.contact),
        version=version.version,
        counts_from=write_timestamp(version.counts_from),
        brought_by=version.brought_by,
    )


def read_registered_contacts(
    response: contact_notification_pb2.GetRegisteredContactsResponse,
) -> RegisteredContacts:
    """Returns the newest contacts of a card and its bidder."""
    return RegisteredContacts(
        card_contact=read_contact_version(response.card_contact) if response.HasField("card_contact") else None,
        representative_contact=(
            read_contact_version(response.representative_contact)
            if response.HasField("representative_contact")
            else None
        ),
        agencies_with_earlier=tuple(response.agencies_with_earlier_contacts),
    )


def read_staged_contacts(response: contact_notification_pb2.GetStagedContactsResponse) -> StagedContacts:
    """Returns what was staged for a registration."""
    representative = response.representative_contact if response.HasField("representative_contact") else None
    return StagedContacts(
        company=read_company(response.company),
        card_contact=read_contact(response.card_contact),
        representative_contact=read_contact(representative) if representative is not None else None,
        person_in_charge=response.person_in_charge,
    )

"""What a person calls the fields of a request, so that a refusal names them by section and label, never by path."""

from collections.abc import Mapping, Sequence

from card_agent.console import words
from card_agent.console.place import Place
from card_agent.console.words import Words, to_words
from toroku.frontdoor.v1 import front_door_pb2

CARD_CONTACT = "card_contact"
REPRESENTATIVE_CONTACT = "representative_contact"
REPEATED_MAIL_ADDRESS = "mail_address_again"
PERSON_IN_CHARGE = "person_in_charge"
PREDECESSOR_SERIAL = "predecessor_serial"

_USUAL_HEADINGS = {CARD_CONTACT: words.CARD_CONTACT, REPRESENTATIVE_CONTACT: words.REPRESENTATIVE_CONTACT}
# Fields that nobody types, by the first part of their path in the requests of the front door.
_SENT_FIELDS: Mapping[str, Words] = {
    "agency": words.CHOOSE_AGENCY,
    "category": words.CHOOSE_CATEGORY,
    "operation": words.OPERATION,
    "session_token": words.SESSION,
    "old_session_token": words.SESSION,
    "new_session_token": words.SESSION,
    "certificate": words.CERTIFICATE,
    "other_certificates": words.OTHER_CERTIFICATES,
    "log_in": words.SIGNED_LOG_IN,
    "act": words.SIGNED_ACT,
    "old_act": words.SIGNED_RENEWAL,
    "new_act": words.SIGNED_RENEWAL,
    "role": words.ROLE,
    "successor_key": words.SUCCESSOR_KEY,
    "successor_signature": words.SUCCESSOR_KEY,
    "form": words.RENEWAL_FORM,
    "proof": words.BIDDER_PROOF,
    "request_id": words.REQUEST_ID,
    "resume_request_id": words.REQUEST_ID,
    PERSON_IN_CHARGE: words.PERSON_IN_CHARGE,
    PREDECESSOR_SERIAL: words.PREDECESSOR_SERIAL,
    "mail_address": words.ANSWER_ADDRESS,
}


def name_field(path: str, place: Place) -> Words:
    """Returns the words for the field of a violation: the labels of the place, behind the heading of their section."""
    section, _, field = path.partition(".")
    category = place.category or front_door_pb2.Category()
    if section in _USUAL_HEADINGS:
        heading = name_section(section, category)
        label = _name_contact_field(field, category.contact_fields)
        return Words(f"{heading.ja}　{label.ja}", f"{heading.en}, {label.en}") if label else heading
    for search_field in category.search_fields:
        if search_field.field == section:
            return to_words(search_field.label)
    if section == "bidder_id":
        return place.bidder_id_label
    return words.SEARCH_FIELDS.get(section) or _SENT_FIELDS.get(section) or words.UNNAMED_FIELD


def name_section(section: str, category: front_door_pb2.Category) -> Words:
    """Returns the heading of a section with a contact."""
    for rule in category.contact_sections:
        if rule.section == section:
            return to_words(rule.heading)
    return _USUAL_HEADINGS[section]


def ask_whether_same(section: str, other: str, category: front_door_pb2.Category) -> Words:
    """Returns the question whether one section's contact is the other's too."""
    heading, other_heading = name_section(section, category), name_section(other, category)
    return Words(
        words.SAME_CONTACT.ja.format(section=heading.ja, other=other_heading.ja),
        words.SAME_CONTACT.en.format(section=heading.en, other=other_heading.en),
    )


def announce_mail(category: front_door_pb2.Category) -> Words:
    """Returns the sentence that says where the mail about a registration goes."""
    heading = name_section(CARD_CONTACT, category)
    return Words(words.MAIL_FOLLOWS.ja.format(section=heading.ja), words.MAIL_FOLLOWS.en.format(section=heading.en))


def name_repeated_mail_address(label: Words) -> Words:
    """Returns the label of the mail address's second input; `label` is that of the first."""
    return Words(label.ja + words.MAIL_ADDRESS_AGAIN.ja, f"{label.en} {words.MAIL_ADDRESS_AGAIN.en}")


def _name_contact_field(field: str, contact_fields: Sequence[front_door_pb2.ContactField]) -> Words | None:
    if field == REPEATED_MAIL_ADDRESS:
        label = _name_contact_field("mail_address", contact_fields)
        return name_repeated_mail_address(label) if label else None
    for contact_field in contact_fields:
        if contact_field.field == field:
            return to_words(contact_field.label)
    return words.CONTACT_FIELDS.get(field)

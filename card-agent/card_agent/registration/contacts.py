"""The contacts of a registration: asks for them and shows them."""

from collections.abc import Collection
from dataclasses import dataclass, field

from card_agent.console import words
from card_agent.console.field_names import (
    CARD_CONTACT,
    REPEATED_MAIL_ADDRESS,
    REPRESENTATIVE_CONTACT,
    name_repeated_mail_address,
    name_section,
)
from card_agent.console.person import Person, Question, Row
from card_agent.console.words import to_words
from toroku.contact.v1 import contact_pb2
from toroku.frontdoor.v1 import front_door_pb2

# The sections of a form, in the order of a profile that has none of its own.
_SECTIONS = (REPRESENTATIVE_CONTACT, CARD_CONTACT)


@dataclass(slots=True)
class TypedContacts:
    """The typed values by path (`card_contact.telephone`); violations and form files use the same paths."""

    category: front_door_pb2.Category
    needs_representative: bool
    values: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def sections(self) -> list[str]:
        """The contacts to ask for, in the order of the screen."""
        in_profile = [rule.section for rule in self.category.contact_sections if rule.section in _SECTIONS]
        in_order = dict.fromkeys([*in_profile, *_SECTIONS])
        return [section for section in in_order if section == CARD_CONTACT or self.needs_representative]

    def ask(self, person: Person, only: Collection[str] | None = None) -> bool:
        """Asks for all fields, or for those with the given paths; previous values are offered.

        Returns whether there was a question. If one of a pair of mail addresses is asked for, so is the other, because
        either may be the wrong one.
        """
        has_asked = False
        for section in self.sections:
            paths = set(only or ())
            pair = {f"{section}.mail_address", f"{section}.{REPEATED_MAIL_ADDRESS}"}
            if paths & pair:
                paths |= pair
            questions = [question for question in self._questions(section) if only is None or question.path in paths]
            if questions:
                person.show(name_section(section, self.category), [])
                _show_note(person, section, self.category)
            for question in questions:
                self.values[question.path] = person.ask(question)
                has_asked = True
        return has_asked

    def form(self, section: str) -> contact_pb2.ContactForm:
        """Returns the section as the front door receives it, with the repeated mail address."""
        return contact_pb2.ContactForm(
            contact=self.contact(section), mail_address_again=self.values.get(f"{section}.{REPEATED_MAIL_ADDRESS}", "")
        )

    def contact(self, section: str) -> contact_pb2.Contact:
        """Returns the section as it is stored."""
        names = [field.field for field in self.category.contact_fields]
        return contact_pb2.Contact(**{name: self.values.get(f"{section}.{name}", "") for name in names})

    def show(self, person: Person) -> None:
        """Shows all typed values."""
        for section in self.sections:
            show_contact(person, section, self.contact(section), self.category)

    def _questions(self, section: str) -> list[Question]:
        questions = []
        for contact_field in self.category.contact_fields:
            path = f"{section}.{contact_field.field}"
            label, hint = to_words(contact_field.label), to_words(contact_field.hint)
            questions.append(Question(path, label, hint, contact_field.required, previous=self.values.get(path, "")))
            if contact_field.field == "mail_address" and self.category.mail_address_typed_twice:
                path, label = f"{section}.{REPEATED_MAIL_ADDRESS}", name_repeated_mail_address(label)
                questions.append(Question(path, label, hint, contact_field.required))
        return questions


def show_contact(person: Person, section: str, contact: contact_pb2.Contact, category: front_door_pb2.Category) -> None:
    """Shows the contact of a section under its heading."""
    person.show(name_section(section, category), list_contact_rows(contact, category))


def list_contact_rows(contact: contact_pb2.Contact, category: front_door_pb2.Category) -> list[Row]:
    """Returns the rows of a contact, with the labels of its category."""
    return [
        (to_words(contact_field.label), getattr(contact, contact_field.field) or words.NOT_GIVEN)
        for contact_field in category.contact_fields
    ]


def _show_note(person: Person, section: str, category: front_door_pb2.Category) -> None:
    for rule in category.contact_sections:
        if rule.section == section and rule.HasField("note"):
            person.show_message(to_words(rule.note))

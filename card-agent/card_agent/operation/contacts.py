"""The contacts of a form: asks for them and shows them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from card_agent.console import words
from card_agent.console.field_names import (
    CARD_CONTACT,
    REPEATED_MAIL_ADDRESS,
    REPRESENTATIVE_CONTACT,
    name_field,
    name_repeated_mail_address,
    name_section,
)
from card_agent.console.person import Option, Person, Question, Row
from card_agent.console.place import Place
from card_agent.console.words import Words, to_words
from toroku.contact.v1 import contact_pb2
from toroku.frontdoor.v1 import front_door_pb2

# The sections of a form, in the order of a profile that has none of its own.
_SECTIONS = (REPRESENTATIVE_CONTACT, CARD_CONTACT)
_MAIL_ADDRESS = "mail_address"


@dataclass(slots=True)
class ContactForms:
    """The contacts of some sections, typed by path (`card_contact.telephone`); violations and form files use the same.

    `values` may have values already: they are offered as previous ones, or not asked for any more. `registered` has
    those that are registered, which need not be typed twice.
    """

    category: front_door_pb2.Category
    sections: Sequence[str]
    values: dict[str, str] = field(default_factory=dict, repr=False)
    registered: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def paths(self) -> set[str]:
        """The paths of all fields."""
        return {path for section in self.sections for path in self.list_paths(section)}

    def ask(self, person: Person, only: Collection[str]) -> None:
        """Asks for the fields with the given paths; previous values are offered.

        If one of a pair of mail addresses is asked for, so is the other, because either may be the wrong one.
        """
        paths = set(only)
        for section in self.sections:
            pair = {f"{section}.{_MAIL_ADDRESS}", f"{section}.{REPEATED_MAIL_ADDRESS}"}
            if paths & pair:
                paths |= pair
        for section in self.sections:
            questions = [question for question in self._list_questions(section) if question.path in paths]
            if questions:
                is_whole = len(questions) == len(self._list_questions(section))
                person.introduce(name_section(section, self.category), *(self._list_notes(section) if is_whole else []))
            for question in questions:
                self.values[question.path] = self._ask_one(person, section, question)

    def list_options(self) -> list[Option]:
        """Returns the fields to choose from, with what was typed."""
        paths = [path for section in self.sections for path in self.list_paths(section)]
        place = Place(category=self.category)
        return [Option(path, name_field(path, place), self.values.get(path, "")) for path in paths]

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

    def list_paths(self, section: str) -> list[str]:
        """Returns the paths of the fields of a section."""
        return [question.path for question in self._list_questions(section)]

    def _ask_one(self, person: Person, section: str, question: Question) -> str:
        mail_address = f"{section}.{_MAIL_ADDRESS}"
        if question.path == f"{section}.{REPEATED_MAIL_ADDRESS}":
            typed = self.values.get(mail_address, "")
            # An address that is registered already can't be mistyped.
            if typed and typed == self.registered.get(mail_address):
                return typed
        answer = person.ask(question)
        registered = self.registered.get(question.path, "")
        # What is kept with the Enter key is kept with the white space around it.
        return registered if answer == registered.strip() else answer

    def _list_questions(self, section: str) -> list[Question]:
        questions = []
        for contact_field in self.category.contact_fields:
            path = f"{section}.{contact_field.field}"
            label, hint = to_words(contact_field.label), to_words(contact_field.hint)
            previous = self.values.get(path, self.registered.get(path, ""))
            questions.append(Question(path, label, hint, contact_field.required, previous=previous))
            if contact_field.field == _MAIL_ADDRESS and self.category.mail_address_typed_twice:
                path, label = f"{section}.{REPEATED_MAIL_ADDRESS}", name_repeated_mail_address(label)
                questions.append(Question(path, label, hint, contact_field.required))
        return questions

    def _list_notes(self, section: str) -> list[Words]:
        rules = [rule for rule in self.category.contact_sections if rule.section == section]
        return [to_words(rule.note) for rule in rules if rule.HasField("note")]


def order_sections(category: front_door_pb2.Category) -> list[str]:
    """Returns the sections with contacts, in the order of the category's screens."""
    in_profile = [rule.section for rule in category.contact_sections if rule.section in _SECTIONS]
    return list(dict.fromkeys([*in_profile, *_SECTIONS]))


def list_values(section: str, contact: contact_pb2.Contact, category: front_door_pb2.Category) -> dict[str, str]:
    """Returns the values of a contact by the paths of their fields."""
    names = [contact_field.field for contact_field in category.contact_fields]
    return {f"{section}.{name}": getattr(contact, name) for name in names}


def show_contact(person: Person, section: str, contact: contact_pb2.Contact, category: front_door_pb2.Category) -> None:
    """Shows the contact of a section under its heading."""
    person.show(name_section(section, category), list_contact_rows(contact, category))


def list_contact_rows(contact: contact_pb2.Contact, category: front_door_pb2.Category) -> list[Row]:
    """Returns the rows of a contact, with the labels of its category."""
    return [
        (to_words(contact_field.label), getattr(contact, contact_field.field) or words.NOT_GIVEN)
        for contact_field in category.contact_fields
    ]

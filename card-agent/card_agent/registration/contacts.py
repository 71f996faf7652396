"""The contacts of a registration: asks for them and shows them."""

from collections.abc import Collection
from dataclasses import dataclass, field

from card_agent.console import words
from card_agent.console.field_names import (
    CARD_CONTACT,
    REPEATED_MAIL_ADDRESS,
    REPRESENTATIVE_CONTACT,
    ask_whether_same,
    name_field,
    name_repeated_mail_address,
    name_section,
)
from card_agent.console.person import Option, Person, Question, Row
from card_agent.console.place import Place
from card_agent.console.words import Words, to_words
from toroku.contact.v1 import contact_pb2
from toroku.frontdoor.v1 import front_door_pb2, registration_pb2

PERSON_IN_CHARGE = "person_in_charge"
# The sections of a form, in the order of a profile that has none of its own.
_SECTIONS = (REPRESENTATIVE_CONTACT, CARD_CONTACT)


@dataclass(slots=True)
class TypedContacts:
    """The typed values by path (`card_contact.telephone`); violations and form files use the same paths.

    `values` may have values already: they are offered as previous ones, or not asked for any more.
    """

    category: front_door_pb2.Category
    bidder: registration_pb2.FindBidderResponse
    values: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def sections(self) -> list[str]:
        """The contacts to ask for, in the order of the screen."""
        in_profile = [rule.section for rule in self.category.contact_sections if rule.section in _SECTIONS]
        in_order = dict.fromkeys([*in_profile, *_SECTIONS])
        wanted = self.bidder.representative_contact_wanted
        return [section for section in in_order if section == CARD_CONTACT or wanted]

    @property
    def person_in_charge(self) -> str:
        """担当者 (C8), empty if nobody was named."""
        return self.values.get(PERSON_IN_CHARGE, "")

    @property
    def paths(self) -> set[str]:
        """The paths of all fields of the form."""
        return {path for section in self.sections for path in self._list_paths(section)} | {PERSON_IN_CHARGE}

    def ask(self, person: Person, only: Collection[str]) -> None:
        """Asks for the fields with the given paths; previous values are offered.

        If one of a pair of mail addresses is asked for, so is the other, because either may be the wrong one.
        """
        paths = set(only)
        for section in self.sections:
            pair = {f"{section}.mail_address", f"{section}.{REPEATED_MAIL_ADDRESS}"}
            if paths & pair:
                paths |= pair
        for section in self.sections:
            questions = [question for question in self._list_questions(section) if question.path in paths]
            if questions:
                is_whole = len(questions) == len(self._list_questions(section))
                notes = _list_notes(section, self.category) if is_whole else []
                person.introduce(name_section(section, self.category), *notes)
            for question in questions:
                self.values[question.path] = person.ask(question)
        if PERSON_IN_CHARGE in paths:
            self._ask_person_in_charge(person)

    def ask_missing(self, person: Person) -> None:
        """Asks for all fields without a value; a section without any may take over the other contact's."""
        for section in self.sections:
            missing = [path for path in self._list_paths(section) if path not in self.values]
            if len(missing) < len(self._list_paths(section)) or not self._take_over(section, person):
                self.ask(person, missing)
        if PERSON_IN_CHARGE not in self.values:
            self._ask_person_in_charge(person)

    def list_options(self) -> list[Option]:
        """Returns the fields to choose from, with what was typed."""
        paths = [path for section in self.sections for path in self._list_paths(section)]
        place = Place(category=self.category)
        return [Option(path, name_field(path, place), self.values.get(path, "")) for path in [*paths, PERSON_IN_CHARGE]]

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

    def _take_over(self, section: str, person: Person) -> bool:
        """Fills a section with the other contact, if that was typed or known before and the person wants it."""
        other = CARD_CONTACT if section == REPRESENTATIVE_CONTACT else REPRESENTATIVE_CONTACT
        values = self._list_known_values(other)
        if not values or not person.take_over(ask_whether_same(section, other, self.category), section):
            return False
        for path in self._list_paths(section):
            self.values[path] = values[path.partition(".")[2]]
        return True

    def _list_known_values(self, section: str) -> dict[str, str]:
        """Returns a section's values by field, as typed or as registered before; none if it is not asked yet."""
        known = self.bidder.representative_contact
        if section == REPRESENTATIVE_CONTACT and section not in self.sections:
            if not self.bidder.HasField("representative_contact"):
                return {}
            names = [path.partition(".")[2] for path in self._list_paths(section)]
            return {name: getattr(known, "mail_address" if name == REPEATED_MAIL_ADDRESS else name) for name in names}
        paths = self._list_paths(section)
        if any(path not in self.values for path in paths):
            return {}
        return {path.partition(".")[2]: self.values[path] for path in paths}

    def _list_paths(self, section: str) -> list[str]:
        return [question.path for question in self._list_questions(section)]

    def _ask_person_in_charge(self, person: Person) -> None:
        label, hint = words.PERSON_IN_CHARGE, words.PERSON_IN_CHARGE_HINT
        question = Question(PERSON_IN_CHARGE, label, hint, required=False, previous=self.person_in_charge)
        self.values[PERSON_IN_CHARGE] = person.ask(question)

    def _list_questions(self, section: str) -> list[Question]:
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


def _list_notes(section: str, category: front_door_pb2.Category) -> list[Words]:
    return [
        to_words(rule.note) for rule in category.contact_sections if rule.section == section and rule.HasField("note")
    ]

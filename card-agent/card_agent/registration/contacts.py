"""The contacts of a registration: asks for them and shows them."""

from collections.abc import Collection
from dataclasses import dataclass, field

from card_agent.console import words
from card_agent.console.person import Person, Question, Row
from card_agent.console.words import Words
from toroku.contact.v1 import contact_pb2
from toroku.frontdoor.v1 import front_door_pb2

CARD_CONTACT = "card_contact"
REPRESENTATIVE_CONTACT = "representative_contact"
_TITLES = {CARD_CONTACT: words.CARD_CONTACT, REPRESENTATIVE_CONTACT: words.REPRESENTATIVE_CONTACT}
_REPEATED_MAIL_ADDRESS = "mail_address_again"


@dataclass(slots=True)
class TypedContacts:
    """The typed values by path (`card_contact.telephone`); violations and form files use the same paths."""

    category: front_door_pb2.Category
    needs_representative: bool
    values: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def sections(self) -> list[str]:
        """The contacts to ask for, in the order of the screen."""
        return [REPRESENTATIVE_CONTACT, CARD_CONTACT] if self.needs_representative else [CARD_CONTACT]

    def ask(self, person: Person, only: Collection[str] | None = None) -> bool:
        """Asks for all fields, or for those with the given paths; previous values are offered.

        Returns whether there was a question. If one of a pair of mail addresses is asked for, so is the other, because
        either may be the wrong one.
        """
        has_asked = False
        for section in self.sections:
            paths = set(only or ())
            pair = {f"{section}.mail_address", f"{section}.{_REPEATED_MAIL_ADDRESS}"}
            if paths & pair:
                paths |= pair
            questions = [question for question in self._questions(section) if only is None or question.path in paths]
            if questions:
                person.show(_TITLES[section], [])
            for question in questions:
                self.values[question.path] = person.ask(question)
                has_asked = True
        return has_asked

    def form(self, section: str) -> contact_pb2.ContactForm:
        """Returns the section as the front door receives it, with the repeated mail address."""
        return contact_pb2.ContactForm(
            contact=self.contact(section), mail_address_again=self.values.get(f"{section}.{_REPEATED_MAIL_ADDRESS}", "")
        )

    def contact(self, section: str) -> contact_pb2.Contact:
        """Returns the section as it is stored."""
        names = [field.field for field in self.category.contact_fields]
        return contact_pb2.Contact(**{name: self.values.get(f"{section}.{name}", "") for name in names})

    def show(self, person: Person) -> None:
        """Shows all typed values."""
        for section in self.sections:
            person.show(_TITLES[section], list_contact_rows(self.contact(section), self.category))

    def _questions(self, section: str) -> list[Question]:
        questions = []
        for contact_field in self.category.contact_fields:
            path = f"{section}.{contact_field.field}"
            label, hint = to_words(contact_field.label), to_words(contact_field.hint)
            questions.append(Question(path, label, hint, contact_field.required, previous=self.values.get(path, "")))
            if contact_field.field == "mail_address" and self.category.mail_address_typed_twice:
                repeated_label = Words(
                    label.ja + words.MAIL_ADDRESS_AGAIN.ja, f"{label.en} {words.MAIL_ADDRESS_AGAIN.en}"
                )
                questions.append(
                    Question(f"{section}.{_REPEATED_MAIL_ADDRESS}", repeated_label, hint, contact_field.required)
                )
        return questions


def list_contact_rows(contact: contact_pb2.Contact, category: front_door_pb2.Category) -> list[Row]:
    """Returns the rows of a contact, with the labels of its category."""
    return [
        (to_words(contact_field.label), getattr(contact, contact_field.field) or str(words.NOT_GIVEN))
        for contact_field in category.contact_fields
    ]


def to_words(text: front_door_pb2.Text) -> Words:
    """Converts a text of the front door."""
    return Words(text.ja, text.en)

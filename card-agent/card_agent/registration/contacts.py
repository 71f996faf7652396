"""The contacts of a registration: asking for them, showing them, and the hash of the request that they are part of."""

from collections.abc import Collection
from dataclasses import dataclass, field
from hashlib import sha256

import rfc8785
from google.protobuf.json_format import MessageToDict

from card_agent.console import words
from card_agent.console.person import Person, Question, Row
from card_agent.console.words import Words
from toroku.contact.v1 import resources_pb2 as contact_pb2
from toroku.frontdoor.v1 import resources_pb2

CARD_CONTACT = "card_contact"
REPRESENTATIVE_CONTACT = "representative_contact"
_TITLES = {CARD_CONTACT: words.CARD_CONTACT, REPRESENTATIVE_CONTACT: words.REPRESENTATIVE_CONTACT}
_AGAIN = "mail_address_again"


@dataclass(slots=True)
class TypedContacts:
    """What was typed, by path (`card_contact.telephone`), as in violations and in a form file."""

    category: resources_pb2.Category
    representative_wanted: bool
    typed: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def sections(self) -> list[str]:
        """The contacts that are asked for, in the order of the screen."""
        return [REPRESENTATIVE_CONTACT, CARD_CONTACT] if self.representative_wanted else [CARD_CONTACT]

    def ask(self, person: Person, only: Collection[str] | None = None) -> bool:
        """Asks for all fields, or for those of the given paths; what was typed before is offered again.

        Says whether there was anything to ask. Of two mail addresses that differ either may be the wrong one.
        """
        asked = False
        for section in self.sections:
            wanted = set(only or ())
            pair = {f"{section}.mail_address", f"{section}.{_AGAIN}"}
            if wanted & pair:
                wanted |= pair
            questions = [question for question in self._questions(section) if only is None or question.path in wanted]
            if questions:
                person.show(_TITLES[section], [])
            for question in questions:
                self.typed[question.path] = person.ask(question)
                asked = True
        return asked

    def form(self, section: str) -> contact_pb2.ContactForm:
        """The section as it is sent."""
        return contact_pb2.ContactForm(
            contact=self.contact(section), mail_address_again=self.typed.get(f"{section}.{_AGAIN}", "")
        )

    def contact(self, section: str) -> contact_pb2.Contact:
        """The section as it is kept."""
        values = {asked.field: self.typed.get(f"{section}.{asked.field}", "") for asked in self.category.contact_fields}
        return contact_pb2.Contact(**values)

    def show(self, person: Person) -> None:
        """Shows all that was typed."""
        for section in self.sections:
            person.show(_TITLES[section], contact_rows(self.contact(section), self.category))

    def _questions(self, section: str) -> list[Question]:
        questions = []
        for asked in self.category.contact_fields:
            path = f"{section}.{asked.field}"
            label, hint = _words(asked.label), _words(asked.hint)
            questions.append(Question(path, label, hint, asked.required, typed=self.typed.get(path, "")))
            if asked.field == "mail_address" and self.category.mail_address_typed_twice:
                again = Words(label.ja + words.MAIL_ADDRESS_AGAIN.ja, f"{label.en} {words.MAIL_ADDRESS_AGAIN.en}")
                questions.append(Question(f"{section}.{_AGAIN}", again, hint, asked.required))
        return questions


def contact_rows(contact: contact_pb2.Contact, category: resources_pb2.Category) -> list[Row]:
    """A contact with the labels of its category."""
    return [
        (_words(asked.label), getattr(contact, asked.field) or str(words.NOT_GIVEN))
        for asked in category.contact_fields
    ]


def request_sha256(form: resources_pb2.RegistrationForm) -> bytes:
    """The hash that an act carries: SHA-256 of the form's JSON in the form of RFC 8785 (see the message)."""
    return sha256(rfc8785.dumps(MessageToDict(form, preserving_proto_field_name=True))).digest()


def _words(text: resources_pb2.Text) -> Words:
    return Words(text.ja, text.en)

"""What is typed at a registration: the contacts, who works on it, and the card that this one comes after."""

from collections.abc import Collection
from dataclasses import dataclass, field

from card_agent.console import words
from card_agent.console.field_names import (
    CARD_CONTACT,
    PERSON_IN_CHARGE,
    PREDECESSOR_SERIAL,
    REPEATED_MAIL_ADDRESS,
    REPRESENTATIVE_CONTACT,
    ask_whether_same,
)
from card_agent.console.person import Option, Person, Question
from card_agent.operation.contacts import ContactForms, order_sections
from toroku.contact.v1 import contact_pb2
from toroku.frontdoor.v1 import front_door_pb2

# What may be left out, with label and hint.
_FURTHER = {
    PERSON_IN_CHARGE: (words.PERSON_IN_CHARGE, words.PERSON_IN_CHARGE_HINT),
    PREDECESSOR_SERIAL: (words.PREDECESSOR_SERIAL, words.PREDECESSOR_SERIAL_HINT),
}


@dataclass(slots=True)
class TypedContacts:
    """The typed values by path; `values` may have values already, which are not asked for any more."""

    category: front_door_pb2.Category
    # Whether the form has the representative contact, and the one that is registered already.
    wants_representative: bool
    representative: contact_pb2.Contact | None = None
    values: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def forms(self) -> ContactForms:
        """The contacts to ask for, in the order of the screen."""
        sections = [
            section for section in order_sections(self.category) if section == CARD_CONTACT or self.wants_representative
        ]
        return ContactForms(self.category, sections, self.values)

    @property
    def person_in_charge(self) -> str:
        """担当者 (C8), empty if nobody was named."""
        return self.values.get(PERSON_IN_CHARGE, "")

    @property
    def predecessor_serial(self) -> str:
        """The serial number of the card that this one comes after, as typed; empty if none was named."""
        return self.values.get(PREDECESSOR_SERIAL, "")

    @property
    def paths(self) -> set[str]:
        """The paths of all fields of the form."""
        return self.forms.paths | set(_FURTHER)

    def ask(self, person: Person, only: Collection[str]) -> None:
        """Asks for the fields with the given paths; previous values are offered."""
        self.forms.ask(person, only)
        for path in _FURTHER:
            if path in only:
                self._ask_further(person, path)

    def ask_missing(self, person: Person) -> None:
        """Asks for all fields without a value; a section without any may take over the other contact's."""
        forms = self.forms
        for section in forms.sections:
            paths = forms.list_paths(section)
            missing = [path for path in paths if path not in self.values]
            if len(missing) < len(paths) or not self._take_over(forms, section, person):
                forms.ask(person, missing)
        for path in _FURTHER:
            if path not in self.values:
                self._ask_further(person, path)

    def list_options(self) -> list[Option]:
        """Returns the fields to choose from, with what was typed."""
        further = [Option(path, label, self.values.get(path, "")) for path, (label, _) in _FURTHER.items()]
        return [*self.forms.list_options(), *further]

    def _ask_further(self, person: Person, path: str) -> None:
        label, hint = _FURTHER[path]
        question = Question(path, label, hint, required=False, previous=self.values.get(path, ""))
        self.values[path] = person.ask(question)

    def _take_over(self, forms: ContactForms, section: str, person: Person) -> bool:
        """Fills a section with the other contact, if that was typed or known before and the person wants it."""
        other = CARD_CONTACT if section == REPRESENTATIVE_CONTACT else REPRESENTATIVE_CONTACT
        values = self._list_known_values(forms, other)
        if not values or not person.take_over(ask_whether_same(section, other, self.category), section):
            return False
        for path in forms.list_paths(section):
            self.values[path] = values[path.partition(".")[2]]
        return True

    def _list_known_values(self, forms: ContactForms, section: str) -> dict[str, str]:
        """Returns a section's values by field, as typed or as registered before; none if it is not asked yet."""
        paths = forms.list_paths(section)
        names = [path.partition(".")[2] for path in paths]
        if section == REPRESENTATIVE_CONTACT and section not in forms.sections:
            known = self.representative
            if known is None:
                return {}
            return {name: getattr(known, "mail_address" if name == REPEATED_MAIL_ADDRESS else name) for name in names}
        if any(path not in self.values for path in paths):
            return {}
        return {name: self.values[path] for name, path in zip(names, paths, strict=True)}

"""A contractor at a terminal, who uses a command of `card-agent` and reads what appears.

with desk.register() as contractor:
    contractor.choose_place("埼玉県")
    with contractor.reading("wrong-pin"):
        contractor.answer(words.ASK_PIN, "000000")
contractor.transcripts["wrong-pin"]
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from card_agent.console import words
from card_agent.console.words import Words
from instance_profile.base import Text
from instance_profile.model import Profile
from refusals.language import Language
from tests.support.terminal_dialogue import TerminalDialogue, terminal_dialogue

PIN = "246810"
CONTACT = {
    "department": "工事課",
    "postal_code": "330-9301",
    "address": "埼玉県さいたま市浦和区高砂３－１５－１",
    "person_name": "土木 一郎",
    "telephone": "048-000-0000",
    "fax": "048-000-0001",
    "mail_address": "koji@contractor.example",
}


@dataclass(slots=True)
class ContractorAtTerminal:
    """The person in front of one dialogue; what is read in parts is kept in `transcripts`, by name."""

    dialogue: TerminalDialogue
    language: Language
    profile: Profile
    transcripts: dict[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def reading(self, name: str, until: Words | None = None) -> Iterator[None]:
        """Keeps what appears from the question asked now to the one asked after the block, which is left out.

        Before the first question it is all from the start; after the end of the program, all to the end; with `until`,
        all to that heading.
        """
        first = max(0, len(self._lines) - 1)
        yield
        lines = self._lines[first:] if self.dialogue.process.poll() is not None else self._lines[first:-1]
        if until is not None:
            lines = lines[: lines.index(f"■ {until.say(self.language)}")]
        self.transcripts[name] = "\n".join(lines).strip("\n") + "\n"

    def wait_for(self, question: Words) -> None:
        """Reads until a question is asked, if it is not on the screen already."""
        self.dialogue.wait_for_prompt(question.say(self.language))

    def answer(self, question: Words, text: str) -> None:
        """Waits for a question, and types the answer."""
        self.wait_for(question)
        self.dialogue.type(text)

    def choose_place(self, agency: str) -> None:
        """Chooses the agency with a code, by its name, and the first of its categories, which may be the only one."""
        chosen = self.profile.agency(agency)
        self.answer(words.CHOOSE_AGENCY, self._words(chosen.name).say(self.language))
        if len(chosen.categories) > 1:
            self.answer(words.CHOOSE_CATEGORY, "1")

    def search(self, name: str, bidder_id: str, password: str) -> None:
        """Answers the questions of the search."""
        answers = {"name": name, "bidder_id": bidder_id, "password": password}
        for search_field in self.profile.categories[0].search_fields:
            self.answer(self._words(search_field.label), answers[search_field.field])

    def wait_for_search(self) -> None:
        """Reads until the first question of the search is asked."""
        self.wait_for(self._words(self.profile.categories[0].search_fields[0].label))

    def answer_last_option(self) -> None:
        """Chooses the last of the options on the screen."""
        numbers = [line.split(":")[0].strip() for line in self._lines]
        self.dialogue.type([number for number in numbers if number.isdecimal()][-1])

    def wait_for_contact(self) -> None:
        """Reads until the first question about a contact is asked."""
        self.wait_for(self._words(self.profile.categories[0].contact_fields[0].label))

    def fill_in_contact(self, changes: Mapping[str, str] = {}) -> None:
        """Answers the questions about a contact."""
        for contact_field in self.profile.categories[0].contact_fields:
            self.answer(self._words(contact_field.label), (CONTACT | dict(changes))[contact_field.field])

    def answer_whether_same(self, text: str) -> None:
        """Answers whether the card's contact is the representative one, which was asked for first."""
        headings = {rule.section.value: rule.heading for rule in self.profile.categories[0].contact_sections}
        section, other = (self._words(headings[name]).say(self.language) for name in ("card", "representative"))
        question = words.SAME_CONTACT.say(self.language).format(section=section, other=other)
        self.answer(Words(question, question), text)

    def answer_contact_field(self, name: str, text: str) -> None:
        """Answers the question about one field of a contact."""
        rules = self.profile.categories[0].contact_fields
        self.answer(self._words(next(rule.label for rule in rules if rule.field == name)), text)

    def keep_contact(self, changes: Mapping[str, str] = {}) -> None:
        """Answers the questions about a contact: all but the changes are kept with the Enter key."""
        for contact_field in self.profile.categories[0].contact_fields:
            self.answer(self._words(contact_field.label), changes.get(contact_field.field, ""))

    def wait_for_end(self) -> int:
        """Reads to the end, and returns the exit status."""
        return self.dialogue.wait_for_end()

    @property
    def _lines(self) -> list[str]:
        return self.dialogue.transcript.rstrip("\n").split("\n")

    @staticmethod
    def _words(text: Text) -> Words:
        return Words(text.ja, text.en)


@contextlib.contextmanager
def contractor_at_terminal(
    *options: str,
    language: Language,
    profile: Profile,
    environment: Mapping[str, str] = {},
    command: str = "register",
) -> Iterator[ContractorAtTerminal]:
    """Starts a command of `card-agent` with these options, in a language, and ends it after the block."""
    with terminal_dialogue(command, "--language", language, *options, environment=environment) as dialogue:
        yield ContractorAtTerminal(dialogue, language, profile)

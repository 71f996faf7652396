"""In which language a command speaks, and what the instance calls things: names instead of codes, labels of fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Protocol, TypeVar

import typer

from instance_profile.base import OPERATOR
from instance_profile.characters import replace_invisible
from instance_profile.model import Profile
from refusals.catalogue import NEUTRAL_NAMES, Words, explain
from refusals.language import read_system_language

T = TypeVar("T", covariant=True)


class Language(StrEnum):
    """The languages of the commands."""

    JAPANESE = "ja"
    ENGLISH = "en"


LanguageOption = Annotated[
    Language | None,
    typer.Option("--language", envvar="TOROKU_LANGUAGE", help="Language of all output; by default that of the locale."),
]


class InBothLanguages(Protocol[T]):
    """Something in Japanese and in English."""

    @property
    def ja(self) -> T:
        """The Japanese one."""

    @property
    def en(self) -> T:
        """The English one."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text of a command."""

    ja: str
    en: str


def find_language() -> Language:
    """Returns the language of this process's locale."""
    return Language(read_system_language())


@dataclass(frozen=True, slots=True)
class Speech:
    """The language, and the profile where one is at hand; without it codes are shown, and words fit every instance."""

    language: Language
    profile: Profile | None = None

    def say(self, phrase: InBothLanguages[T]) -> T:
        """Returns a text in the language of the command."""
        return phrase.ja if self.language is Language.JAPANESE else phrase.en

    def explain(self, reason: str, metadata: Mapping[str, str]) -> Words:
        """Returns the words of a reason; what fills their placeholders draws nothing on a terminal."""
        values = {key: replace_invisible(self._name_code(key, value)) for key, value in metadata.items()}
        return self.say(explain(reason, values, self._list_names(metadata)))

    def name_agencies(self, codes: str) -> str:
        """Returns the names of agencies whose codes are separated by spaces."""
        return self.say(Phrase("、", ", ")).join(map(self.name_agency, codes.split()))

    def name_agency(self, code: str) -> str:
        """Returns the name of an agency; the code where no profile knows it."""
        agencies = self.profile.agencies if self.profile is not None else ()
        return next((self.say(agency.name) for agency in agencies if agency.code == code), code)

    def name_category(self, code: str) -> str:
        """Returns the name of a category; the code where no profile knows it."""
        categories = self.profile.categories if self.profile is not None else ()
        return next((self.say(category.name) for category in categories if category.code == code), code)

    def name_officer(self, name: str) -> str:
        """Returns who an officer is, whose name is agency/person: the person, of which agency, and the name itself."""
        agency, _, person = name.partition("/")
        if agency == OPERATOR:
            return self.say(Phrase(f"運用担当者 {person}（{name}）", f"the operator's officer {person} ({name})"))
        employer = self.name_agency(agency)
        return self.say(Phrase(f"{employer}の職員 {person}（{name}）", f"officer {person} of {employer} ({name})"))

    def name_place(self, agency: str) -> str:
        """Returns where a decision counts: at an agency, or, for the operator's code, in the whole instance."""
        if agency == OPERATOR:
            return self.say(Phrase("システム全体", "the whole instance"))
        return self.name_agency(agency)

    def _name_code(self, key: str, value: str) -> str:
        """Returns the name beside the code, where a placeholder is for one."""
        name = {"agency": self.name_agency, "category": self.name_category}.get(key, str)(value)
        return value if name == value else self.say(Phrase(f"{name}（{value}）", f"{name} ({value})"))

    def _list_names(self, metadata: Mapping[str, str]) -> Mapping[str, str]:
        """Returns what this instance calls things, as `explain` takes it, with the agency and category of a reason."""
        if self.profile is None:
            return NEUTRAL_NAMES
        desk, label = self.profile.help_desk, self.profile.bidder_id.label
        names = {
            "help_desk_ja": f"{desk.name.ja}（電話{desk.telephone}、{desk.hours.ja}）",
            "help_desk_en": f"{desk.name.en} (telephone {desk.telephone}, {desk.hours.en})",
            "bidder_id_label_ja": label.ja,
            "bidder_id_label_en": label.en,
        }
        for key, parts in (("agency", self.profile.agencies), ("category", self.profile.categories)):
            for part in parts:
                if part.code == metadata.get(key):
                    names |= {f"{key}_ja": part.name.ja, f"{key}_en": part.name.en}
        return names

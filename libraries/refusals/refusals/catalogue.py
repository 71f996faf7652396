"""Words for people, Japanese first: what happened, to what, and what to do next. Used at the edges only."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from refusals.refusal import Refusal

UNKNOWN = "UNKNOWN_REASON"


@dataclass(frozen=True, slots=True)
class Words:
    """What happened and what to do next, in one language."""

    what: str
    next: str

    def __str__(self) -> str:
        return f"{self.what}\n{self.next}" if self.next else self.what


@dataclass(frozen=True, slots=True)
class Explanation:
    """A reason in the two languages of the edge."""

    ja: Words
    en: Words


@cache
def catalogue() -> Mapping[str, Explanation]:
    """Every reason with its words, read once from the files in `words/`; a reason stands in one file only."""
    reasons: dict[str, Explanation] = {}
    for file in sorted(files("refusals").joinpath("words").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".yaml"):
            continue
        for reason, words in (yaml.safe_load(file.read_text("utf-8")) or {}).items():
            if reason in reasons:
                raise ValueError(f"{file.name}: {reason} stands in the catalogue twice; keep one of them")
            reasons[reason] = Explanation(Words(**words["ja"]), Words(**words["en"]))
    return reasons


def explain(reason: str, metadata: Mapping[str, str] = {}) -> Explanation:
    """The words of a reason with their places filled from `metadata`; a place without a value shows as ―."""
    found = catalogue().get(reason)
    if found is None:
        found, metadata = catalogue()[UNKNOWN], {"reason": reason}
    places = _Places(metadata)
    return Explanation(_fill(found.ja, places), _fill(found.en, places))


def explain_refusal(refusal: Refusal) -> Explanation:
    """The words of a refusal itself; its field violations are explained one by one with `explain`."""
    return explain(refusal.reason, refusal.metadata)


class _Places(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "―"


def _fill(words: Words, places: _Places) -> Words:
    return Words(words.what.format_map(places), words.next.format_map(places))

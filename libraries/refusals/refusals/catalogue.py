"""Words for people, Japanese and English: what happened, and what to do next. Used by programs with a user only."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml
from typing_extensions import override

from refusals.refusal import Refusal

UNKNOWN = "UNKNOWN_REASON"


@dataclass(frozen=True, slots=True)
class Words:
    """What happened and what to do next, in one language."""

    what: str
    next: str

    @override
    def __str__(self) -> str:
        return f"{self.what}\n{self.next}" if self.next else self.what


@dataclass(frozen=True, slots=True)
class Explanation:
    """The words of a reason in both languages."""

    ja: Words
    en: Words


@cache
def catalogue() -> Mapping[str, Explanation]:
    """Returns the words of every reason from the files in `words/`; raises ValueError for a duplicate reason."""
    reasons: dict[str, Explanation] = {}
    for file in sorted(files("refusals").joinpath("words").iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".yaml"):
            continue
        for reason, words in (yaml.safe_load(file.read_text("utf-8")) or {}).items():
            if reason in reasons:
                raise ValueError(f"{file.name}: {reason} is in the catalogue twice; keep one of them")
            reasons[reason] = Explanation(Words(**words["ja"]), Words(**words["en"]))
    return reasons


def explain(reason: str, metadata: Mapping[str, str] = {}) -> Explanation:
    """Returns the words of a reason, their placeholders filled from `metadata`; without a value one shows as ―."""
    explanation = catalogue().get(reason)
    if explanation is None:
        explanation, metadata = catalogue()[UNKNOWN], {"reason": reason}
    values = _Values(metadata)
    return Explanation(_fill(explanation.ja, values), _fill(explanation.en, values))


def explain_refusal(refusal: Refusal) -> Explanation:
    """Returns the words of a refusal; `explain` returns those of its field violations."""
    return explain(refusal.reason, refusal.metadata)


class _Values(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "―"


def _fill(words: Words, values: _Values) -> Words:
    return Words(words.what.format_map(values), words.next.format_map(values))

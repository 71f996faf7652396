"""Words for people, Japanese and English: what happened, and what to do next. Used by programs with a user only."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml
from typing_extensions import override

from refusals.refusal import Refusal

UNKNOWN = "UNKNOWN_REASON"
# How the words of a reason begin in a file: its key is the only one that does not stand inside of another.
_REASON = re.compile(r"^([A-Z][A-Z_0-9]*):", re.MULTILINE)

# What words call the things that every instance names itself, where nobody knows the instance. A program that has read
# DescribeInstance passes the instance's own names: with the number to call, the agency chosen, the forms to send in.
NEUTRAL_NAMES: Mapping[str, str] = {
    "help_desk_ja": "ヘルプデスク",
    "help_desk_en": "the help desk",
    "bidder_id_label_ja": "業者の番号（ユーザID、業者番号など）",
    "bidder_id_label_en": "bidder ID",
    "agency_ja": "調達機関",
    "agency_en": "the agency",
    "category_ja": "業務区分",
    "category_en": "category",
    # How a lost ID or password is issued anew, as a whole sentence.
    "reissue_ja": "入力する内容が分からない場合は、調達機関の担当者に再発行についてお問い合わせください。",
    "reissue_en": "If you do not know what to enter, ask the agency about a reissue.",
    # The checks that help where nothing was found: one per line, each line with its mark.
    "search_checks_ja": "・入力した内容が、入札参加資格の申請内容と一致していますか。",
    "search_checks_en": "- Is what you entered the same as in your application for qualification?",
    # The CAs whose cards are accepted, in a list.
    "authorities_ja": "認証局の一覧は、調達機関の担当者にお問い合わせください",
    "authorities_en": "ask the agency for the list",
    # The card's own CA: after how many wrong PINs its cards lock, how it unlocks them, how it renews them, and whom to
    # ask there; each a whole sentence.
    "authority_ja": "ICカードを発行した認証局",
    "authority_en": "the certification authority that issued the card",
    "pin_tries_ja": "",
    "pin_tries_en": "",
    "unlocking_ja": "",
    "unlocking_en": "",
    "card_renewal_ja": "",
    "card_renewal_en": "",
    "authority_help_ja": "",
    "authority_help_en": "",
    # The opening hours, as in 平日8時30分～20時00分.
    "hours_ja": "調達機関の案内をご確認ください",
    "hours_en": "see the agency's notice",
}


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


@cache
def list_reasons() -> Set[str]:
    """Returns the reasons that have words, without these: a server needs no more, and YAML is slow to read."""
    texts = (file.read_text("utf-8") for file in files("refusals").joinpath("words").iterdir())
    return frozenset(reason for text in texts for reason in _REASON.findall(text))


def explain(reason: str, metadata: Mapping[str, str] = {}, names: Mapping[str, str] = NEUTRAL_NAMES) -> Explanation:
    """Returns the words of a reason, their placeholders filled from `metadata`, and else from `names`.

    `names` are what this instance calls things, by the keys of NEUTRAL_NAMES. A placeholder without a value shows as ―.
    """
    explanation = catalogue().get(reason)
    if explanation is None:
        explanation, metadata = catalogue()[UNKNOWN], {"reason": reason}
    values = _Values({**NEUTRAL_NAMES, **names, **metadata})
    return Explanation(_fill(explanation.ja, values), _fill(explanation.en, values))


def explain_refusal(refusal: Refusal, names: Mapping[str, str] = NEUTRAL_NAMES) -> Explanation:
    """Returns the words of a refusal; `explain` returns those of its field violations."""
    return explain(refusal.reason, refusal.metadata, names)


class _Values(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "―"


def _fill(words: Words, values: _Values) -> Words:
    return Words(_fill_lines(words.what, values), _fill_lines(words.next, values))


def _fill_lines(text: str, values: _Values) -> str:
    # A name that is empty, as a CA's advice may be, leaves no empty line.
    return "\n".join(line for line in text.format_map(values).splitlines() if line.strip())

"""What a person types to agree or to choose, in full width or half width, with the input method on or off."""

import unicodedata
from collections.abc import Collection, Mapping, Sequence

from card_agent.console.person import Answer, Option

_ANSWERS: Mapping[Answer, Collection[str]] = {
    Answer.YES: ("y", "yes", "はい"),
    Answer.NO: ("n", "no", "いいえ", "中止"),
    Answer.BACK: ("b", "back", "戻る", "修正"),
}


def read_answer(text: str, *, may_go_back: bool) -> Answer | None:
    """Returns the answer that was typed; None if it is none, or BACK where nobody can go back."""
    typed = _fold(text)
    for answer, spellings in _ANSWERS.items():
        if typed in spellings:
            return answer if answer is not Answer.BACK or may_go_back else None
    return None


def find_option(text: str, options: Sequence[Option], *, by_number: bool = True) -> Option | None:
    """Returns the option with this number from 1, code, or name in either language; None if it is not exactly one."""
    typed = _fold(text)
    if by_number and typed.isdecimal() and 0 < int(typed) <= len(options):
        return options[int(typed) - 1]
    matches = [
        option for option in options if typed in {_fold(option.code), _fold(option.name.ja), _fold(option.name.en)}
    ]
    return matches[0] if typed and len(matches) == 1 else None


def _fold(text: str) -> str:
    # NFKC makes full width half width, U+3000 included; it is for comparing only.
    return unicodedata.normalize("NFKC", text).strip().casefold()

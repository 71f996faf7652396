"""The lines of an act in one language: they come in Japanese first, then the same in English."""

import re
from collections.abc import Sequence

from card_agent.console.words import Words
from refusals.language import Language

# What comes first tells the language of a line, whatever names stand in it.
_PUNCTUATION = re.compile(r"[：、。]|[:,.](?: |$)")
_JAPANESE = "：、。"


def pair_lines(lines: Sequence[str]) -> Sequence[Words | str]:
    """Returns the lines with the translation of each.

    If they are not clearly one half Japanese and one half English, they are returned as they are: a line too many may
    be shown, but no line of what is signed is left out.
    """
    middle = len(lines) // 2
    japanese, english = lines[:middle], lines[middle:]
    languages = [_find_language(line) for line in lines]
    if languages != ["ja"] * len(japanese) + ["en"] * len(japanese):
        return lines
    return [Words(*pair) for pair in zip(japanese, english, strict=True)]


def _find_language(line: str) -> Language | None:
    punctuation = _PUNCTUATION.search(line)
    if punctuation is None:
        return None
    return "ja" if punctuation[0] in _JAPANESE else "en"

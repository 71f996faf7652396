"""The lines of an act in one language: they come in Japanese first, then in English."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Literal

# What comes first tells the language of a line, whatever names stand in it.
_PUNCTUATION = re.compile(r"[：、。]|[:,.](?: |$)")
_JAPANESE = "：、。"


def pair_languages(lines: Sequence[str]) -> list[tuple[str, str]] | None:
    """Returns each Japanese line with its English translation.

    The lines may be of several parts, each in Japanese first: those of an approval are followed by those of what it
    approves. Returns None if they are not clearly so: then all of them have to be shown, so that no line of what is
    signed is left out.
    """
    pairs: list[tuple[str, str]] = []
    runs = [list(run) for _, run in groupby(lines, _find_language)]
    languages = [_find_language(run[0]) for run in runs]
    if len(runs) % 2 or languages != ["ja", "en"] * (len(runs) // 2):
        return None
    for japanese, english in zip(runs[::2], runs[1::2], strict=True):
        if len(japanese) != len(english):
            return None
        pairs += zip(japanese, english, strict=True)
    return pairs


def _find_language(line: str) -> Literal["ja", "en"] | None:
    punctuation = _PUNCTUATION.search(line)
    if punctuation is None:
        return None
    return "ja" if punctuation[0] in _JAPANESE else "en"

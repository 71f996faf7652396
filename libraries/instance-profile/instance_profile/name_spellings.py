"""A pattern by which a database finds names that are the same character for character, however they are spelled."""

import unicodedata
from collections import defaultdict
from functools import cache

from instance_profile.legal_forms import WORD_OR_ABBREVIATION
from instance_profile.name_key import fold

# Where characters are that fold to one letter of a name: enclosed and squared ones, radicals, kana with a voiced mark,
# compatibility ideographs, and forms of another width.
_BLOCKS = ((0x2100, 0x33FF), (0xF900, 0xFAFF), (0xFF01, 0xFFEF), (0x2F800, 0x2FA1F))


def write_spelling_pattern(name: str) -> str:
    """Returns a regular expression for PostgreSQL that matches every name with the same `exact_name_key`.

    It looks for kana, kanji, digits and Latin letters in their order, so it matches others too, whose keys have to be
    compared; and not a name with a whole word in one character (㌔). Empty for a name without such letters.
    """
    letters = map(_strip_voiced_mark, WORD_OR_ABBREVIATION.sub("", fold(name)))
    spellings = _list_spellings()
    return ".*".join(f"[{letter}{spellings[letter]}]" for letter in letters if _is_sought(letter))


def _is_sought(letter: str) -> bool:
    is_of_names = letter.isascii() or "\u3041" <= letter <= "\u9fff" or "\U00020000" <= letter <= "\U000323af"
    return is_of_names and letter.isalnum()


def _strip_voiced_mark(letter: str) -> str:
    """Returns a kana without its voiced mark, which some spellings have as a character of its own."""
    return unicodedata.normalize("NFD", letter)[0] if "\u3041" <= letter <= "\u30ff" else letter


@cache
def _list_spellings() -> dict[str, str]:
    """Returns for each letter the other characters that fold to it, with or without a voiced mark."""
    spellings: defaultdict[str, str] = defaultdict(str)
    for first, last in _BLOCKS:
        for spelled in map(chr, range(first, last + 1)):
            folded = fold(spelled)
            letter = _strip_voiced_mark(folded) if len(folded) == 1 else ""
            if letter != spelled and letter:
                spellings[letter] += spelled
    for letter in "abcdefghijklmnopqrstuvwxyz":
        spellings[letter] += letter.upper()
    return spellings

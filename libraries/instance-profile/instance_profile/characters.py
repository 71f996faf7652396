"""Characters as people see them: their number, their width, and which are unusable or invisible.

Normalized texts are only compared and counted, never stored: originals stay unchanged (docs/conventions.md).
"""

import unicodedata

# Invisible, but neither control (Cc) nor format (Cf) characters: Hangul fillers, the combining grapheme joiner, Khmer
# inherent vowels, Mongolian selectors, an empty Braille cell (Default_Ignorable_Code_Point of UAX #44, and U+2800).
BLANK_CHARACTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
# Control and format characters (zero width, bidi overrides, tags), line and paragraph separators, lone surrogates, and
# private use: a 外字 means something on one PC only.
_UNUSABLE_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co"})
_WIDE = frozenset({"W", "F", "A"})
# The characters of JIS X 0208 that UAX #11 calls narrow or neutral (− ¢ £ ¬), and the two hyphens that it calls so
# (U+2011, U+2012; the others are ambiguous), which word processors put in the place of those that were typed.
_TYPED_WIDE = frozenset("\u2212\u00a2\u00a3\u00ac\u2011\u2012")


def count_characters(text: str) -> int:
    """Returns the number of characters as a person counts: NFC code points without marks and variation selectors.

    か with a separate voiced mark, 葛 with a selector for its form (IVS), and 𠮷 outside the BMP are one each.
    """
    return sum(1 for character in unicodedata.normalize("NFC", text) if unicodedata.category(character) not in _MARKS)


def find_unusable(text: str) -> list[str]:
    """Returns the characters of a text that no field accepts, as U+XXXX, each once, in order.

    Variation selectors are accepted: they distinguish forms of a character that matter to the bearer of a name.
    """
    # Python prints none of the categories, so this is only faster than to look at each character.
    if text.isprintable() and BLANK_CHARACTERS.isdisjoint(text):
        return []
    characters = [character for character in text if _is_unusable(character)]
    return [f"U+{ord(character):04X}" for character in dict.fromkeys(characters)]


def is_half_width(text: str) -> bool:
    """Returns whether every character is printable ASCII (半角英数字記号)."""
    return all(" " <= character <= "~" for character in text)


def is_full_width(text: str) -> bool:
    """Returns whether no character is half width (East Asian Width Na, H, N of UAX #11), not counting marks.

    What keyboards type in full width counts, whichever character the system takes for it: the full-width minus of
    JIS X 0208 is U+2212 on a Mac and U+FF0D on Windows, and UAX #11 calls the former neutral.
    """
    return all(
        unicodedata.east_asian_width(character) in _WIDE
        or unicodedata.category(character) in _MARKS
        or character in _TYPED_WIDE
        for character in text
    )


_MARKS = frozenset({"Mn", "Me"})


def _is_unusable(character: str) -> bool:
    point = ord(character)
    is_noncharacter = 0xFDD0 <= point <= 0xFDEF or point & 0xFFFE == 0xFFFE
    return unicodedata.category(character) in _UNUSABLE_CATEGORIES or character in BLANK_CHARACTERS or is_noncharacter


# Neither drawn nor harmless: controls, format characters that reorder a line, line separators, lone surrogates.
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def is_invisible(character: str) -> bool:
    """Returns whether a character would draw nothing, break its line or change the order of writing.

    Not the same as unprintable: private use (外字) and characters newer than this Python's Unicode are drawn.
    """
    return unicodedata.category(character) in _INVISIBLE_CATEGORIES


def replace_invisible(text: str, replacement: str = "\N{REPLACEMENT CHARACTER}") -> str:
    """Returns the text with every invisible character replaced, so that a line shows what it contains.

    For texts of others (rosters, certificates, forms) that are shown on a terminal, in a mail or on a card's display.
    """
    if text.isprintable():
        return text
    return "".join(replacement if is_invisible(character) else character for character in text)


def shorten_visible(text: str, most_characters: int) -> str:
    """Returns the start of a text without its invisible characters, for errors that quote an unknown value."""
    return "".join(character for character in text if not is_invisible(character))[:most_characters]

"""Keys by which 商号又は名称 are compared (QUA-05, ADR 18). Keys are for comparison only; originals stay unchanged.

Three keys, each of which ignores what the one before ignores, and more:

- `exact_name_key`, of names that are the same character for character: it ignores width (Ａ and A, ｶ and カ), spaces,
  kinds of hyphen and long-vowel mark, of middle dot, quotation mark and bracket, upper and lower case, variation
  selectors (IVS), separate voiced marks, what Unicode calls equivalent (神 U+FA19, the radical ⻑), and how a legal
  form is written.
- `name_key`, of names that count as the same: also old, new and variant forms of characters, and small kana where they
  are custom and not sound (キャノン, 霞ヶ関, 八ッ橋).
- `loose_name_key`, of names that are the same perhaps, which only a person can tell: also hiragana and katakana, marks
  that are there or not, characters that look alike, and the position of the legal form.
"""

import re
import unicodedata

import jaconv

from instance_profile.character_forms import FORM_BY_READING, FORM_IN_KEY, IDEOGRAPH_OF_RADICAL
from instance_profile.legal_forms import ABBREVIATION, WORD, WORD_OR_ABBREVIATION, find_token
from instance_profile.model import NameStrictness

# NFKC removes the circle of circled characters, and their meaning with it.
_CIRCLED = dict(zip("㊑㊒㊔㊓㊖㊫㊭㊮㊯㊩㊕", "株有名社財学企資協医特", strict=True))
_SAME_SIGN = {
    **dict.fromkeys("‐‑‒–—―−─━ー﹣﹘", "-"),
    **dict.fromkeys("•‧∙⋅●", "・"),
    **dict.fromkeys("‘’‛`´′", "'"),
    **dict.fromkeys("“”„‟″", '"'),
    **dict.fromkeys("〔【〈《[{", "("),
    **dict.fromkeys("〕】〉》]}", ")"),
    **dict.fromkeys("〜∼", "~"),
    "∥": "‖",
}
_NOT_IN_KEY = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
_KANA = "ァ-ヺぁ-ゖ-"
# ッ between kana is a sound of its own (イッキ, イツキ); elsewhere it is ツ written small (八ッ橋, 三ッ星).
_CUSTOMARY_TSU = re.compile(f"(?<![{_KANA}])[ッっ]|[ッっ](?![{_KANA}])")
# Kanji and signs that look like a kana or another sign, and particles that are written in several ways; hiragana has
# become katakana before.
_LOOSE_FORMS = {
    **dict(zip("二八口力工卜夕才千", "ニハロカエトタオチ", strict=True)),
    **dict.fromkeys("之乃", "ノ"),
    "ケ": "ガ",
    **dict.fromkeys("○◯〇", "0"),
    "礒": "磯",
    "阪": "坂",
    "附": "付",
    "巳": "己",
    "已": "己",
}
# Marks that are written or left out.
_OPTIONAL_MARKS = "-・'\".,、。~!/ "
_REPEATED = re.compile("(.)[々〻ゝヽ]")
_REPEATED_VOICED = re.compile("(.)[ゞヾ]")


class _Folds(dict[int, str]):
    """What each character becomes in an exact key, by code point; filled as characters are met."""

    def __missing__(self, point: int) -> str:
        folded = _fold_character(chr(point))
        # Only the first plane is kept, so that the texts of strangers can't fill the memory.
        if point < 0x10000:
            self[point] = folded
        return folded


def name_key(name: str, strictness: NameStrictness = NameStrictness.ABBREVIATIONS_ALLOWED) -> str:
    """Returns the key of names that count as the same.

    A roster's name is always keyed with ABBREVIATIONS_ALLOWED, since rosters abbreviate. A bidder's input is keyed with
    the category's strictness: with SPELLED_OUT its （株） is kept, and matches no roster. The position of the legal
    form counts. The key of a name without letters is empty and must match nothing.
    """
    return merge_variants(exact_name_key(name, strictness))


def exact_name_key(name: str, strictness: NameStrictness = NameStrictness.ABBREVIATIONS_ALLOWED) -> str:
    """Returns the key of names that are the same character for character.

    渡辺組 and 渡邊組 have one `name_key` and two exact ones. Where two bidders could be meant, only the exact key
    identifies one.
    """
    pattern = WORD if strictness is NameStrictness.SPELLED_OUT else WORD_OR_ABBREVIATION
    return pattern.sub(lambda match: find_token(match[0]), fold(name))


def loose_name_key(name: str) -> str:
    """Returns the key of names that may be the same, without their legal forms."""
    return loosen(expand_repetitions(WORD_OR_ABBREVIATION.sub("", fold(name))))


def differ_by_variant_only(one: str, other: str) -> bool:
    """Returns whether two names count as the same by variant forms of characters only (渡辺組, 渡邊組)."""
    return name_key(one) == name_key(other) and exact_name_key(one) != exact_name_key(other)


def abbreviates_legal_form(name: str) -> bool:
    """Returns whether the name has an abbreviation such as （株）, in any brackets or as one character such as ㈱."""
    return ABBREVIATION.search(fold(name)) is not None


def fold(name: str) -> str:
    """Returns the name in one width, one kind of each sign and one case, without spaces; legal forms as written."""
    folded = name.translate(_FOLDS)
    # A voiced mark of its own is composed with its kana.
    return folded if unicodedata.is_normalized("NFC", folded) else unicodedata.normalize("NFC", folded)


def merge_variants(exact: str) -> str:
    """Returns the name key for an exact one, character by character: both have the same length."""
    merged = exact.translate(FORM_IN_KEY)
    return _CUSTOMARY_TSU.sub(_write_large, merged) if "ッ" in merged or "っ" in merged else merged


def expand_repetitions(exact: str) -> str:
    """Returns a part of an exact key with the character that an iteration mark (々) repeats in the mark's place."""
    return _REPEATED_VOICED.sub(_repeat_voiced, _REPEATED.sub(r"\1\1", exact))


def loosen(expanded: str) -> str:
    """Returns the loose key for a part of an exact one whose iteration marks were expanded."""
    return str(jaconv.hira2kata(expanded.translate(FORM_IN_KEY))).translate(_LOOSE)


def _fold_character(character: str) -> str:
    if _is_variation_selector(character):
        return ""
    circled = _CIRCLED.get(character)
    wide = f"({circled})" if circled else unicodedata.normalize("NFKC", character)
    kept = "".join(letter for letter in wide if unicodedata.category(letter) not in _NOT_IN_KEY)
    known = "".join(IDEOGRAPH_OF_RADICAL.get(letter, letter) for letter in kept)
    return "".join(_SAME_SIGN.get(letter, letter) for letter in known.casefold())


def _is_variation_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _write_large(match: re.Match[str]) -> str:
    return "ツ" if match[0] == "ッ" else "つ"


def _repeat_voiced(match: re.Match[str]) -> str:
    return match[1] + unicodedata.normalize("NFC", match[1] + "\u3099")


_FOLDS = _Folds()
_LOOSE = str.maketrans(
    {
        **{variant: FORM_IN_KEY.get(ord(form), form) for variant, form in FORM_BY_READING.items()},
        **_LOOSE_FORMS,
        "ッ": "ツ",
        **dict.fromkeys(_OPTIONAL_MARKS, ""),
    }
)

"""Comparison of 商号又は名称 by a key (QUA-05). Keys are for comparison only; inputs and rosters stay unchanged.

The key ignores differences of: width (Ａ and A, ｶ and カ), spaces, kinds of hyphen and long-vowel mark, kinds of middle
dot, quotation mark and bracket, upper and lower case, old, new and variant forms of a character, forms chosen by a
variation selector (IVS), composed and separate voiced marks, ヶ and ケ. It distinguishes ッ and ツ, hiragana and
katakana, 前株 and 後株, and everything else.
"""

import difflib
import itertools
import re
import unicodedata
from dataclasses import dataclass

import jaconv

from instance_profile.character_forms import FORM_IN_KEY
from instance_profile.model import NameStrictness

# The most likely long form of an abbreviation.
_SPELLED_OUT = {
    "(株)": "株式会社",
    "(有)": "有限会社",
    "(同)": "合同会社",
    "(合)": "合資会社",
    "(資)": "合資会社",
    "(名)": "合名会社",
    "(協)": "協同組合",
    "(共)": "共同企業体",
    "(企)": "企業組合",
    "(社)": "社団法人",
    "(一社)": "一般社団法人",
    "(公社)": "公益社団法人",
    "(財)": "財団法人",
    "(一財)": "一般財団法人",
    "(公財)": "公益財団法人",
    "(医)": "医療法人",
    "(学)": "学校法人",
    "(福)": "社会福祉法人",
    "(特非)": "特定非営利活動法人",
}
# Forms that share a word of the key, because their abbreviations coincide: rosters write 協同組合 and 合同会社 both as
# （同）, and 合資会社, 合名会社 and 合同会社 all as （合）. An input cannot contain 〔 〕 in its key, where they become
# ( ).
_SHARED_WORDS = {
    "合[同資名]会社|協[同業]組合": "〔会社又は組合〕",
    "(?:一般|公益)?社団法人": "〔社団〕",
    "(?:一般|公益)?財団法人": "〔財団〕",
}
_ABBREVIATION = re.compile("|".join(re.escape(abbreviation) for abbreviation in _SPELLED_OUT))
# What the key ignores inside an abbreviation: spaces and variation selectors.
_IGNORED = "[\\s\ufe00-\ufe0f\U000e0100-\U000e01ef]*"
_SHORT_FORMS = "|".join(_IGNORED.join(abbreviation[1:-1]) for abbreviation in _SPELLED_OUT)
# A legal form as a piece of an original, in any brackets, or as one character such as ㈱ or ㍿.
_LEGAL_FORM = (
    f"[(（\\[［{{｛〔【〈《]{_IGNORED}(?:{_SHORT_FORMS}){_IGNORED}[)）\\]］}}｝〕】〉》]"
    "|[㈱㈲㈾㈴㈿㈳㈶㈻㊑㊒㊔㊓㊖㊫㊭㊮㊯㍿]"
    "|株式[会會]社|有限[会會]社|合[同資名][会會]社|協[同業]組合|企業組合|共同企業体"
)
# A legal form, or a character with the marks and selectors after it.
_PIECE = re.compile(f"{_LEGAL_FORM}|[\\s\\S][\u0300-\u036f\u3099\u309a\uff9e\uff9f\ufe00-\ufe0f\U000e0100-\U000e01ef]*")

# NFKC removes the circle of circled characters, and their meaning with it.
_CIRCLED = str.maketrans(
    {circled: f"({word})" for circled, word in zip("㊑㊒㊔㊓㊖㊫㊭㊮㊯", "株有名社財学企資協", strict=True)}
)
_SAME_SIGN = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—―−─━ー﹣﹘", "-"),
        **dict.fromkeys("•‧∙⋅●", "・"),
        **dict.fromkeys("‘’‛`´′", "'"),
        **dict.fromkeys("“”„‟″", '"'),
        **dict.fromkeys("〔【〈《[{", "("),
        **dict.fromkeys("〕】〉》]}", ")"),
        "〜": "~",
    }
)
_OLD_LEGAL_FORM = re.compile("(?<=[式限同資名])會社")
_NOT_IN_KEY = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


@dataclass(frozen=True, slots=True)
class Difference:
    """A piece in which two names differ, as in each of them; one of the two may be empty.

    `left_start` and `right_start` are code points. `counts` is whether the keys differ there too: those of 髙 and 高 do
    not.
    """

    left: str
    right: str
    left_start: int
    right_start: int
    counts: bool


def name_key(name: str, strictness: NameStrictness = NameStrictness.ABBREVIATIONS_ALLOWED) -> str:
    """Returns the key by which a company name is compared.

    A roster's name is always keyed with ABBREVIATIONS_ALLOWED, which spells out its （株）, since rosters abbreviate. A
    bidder's input is keyed with the category's strictness: with SPELLED_OUT its （株） is kept, and matches no roster.
    The position of the legal form counts. The key of a name without letters is empty and must match nothing.
    """
    return exact_name_key(name, strictness).translate(FORM_IN_KEY)


def exact_name_key(name: str, strictness: NameStrictness = NameStrictness.ABBREVIATIONS_ALLOWED) -> str:
    """Returns the key of names that are the same character for character.

    It ignores what `name_key` ignores except old, new and variant forms: 渡辺組 and 渡邊組 have one `name_key` and two
    exact ones. Where two bidders could be meant, only the exact key identifies one.
    """
    key = _fold(name)
    if strictness is NameStrictness.ABBREVIATIONS_ALLOWED:
        key = _ABBREVIATION.sub(lambda match: _SPELLED_OUT[match[0]], key)
    for forms, word in _SHARED_WORDS.items():
        key = re.sub(forms, word, key)
    return key


def differ_by_variant_only(one: str, other: str) -> bool:
    """Returns whether two names count as the same by variant forms of characters only (渡辺組, 渡邊組)."""
    return name_key(one) == name_key(other) and exact_name_key(one) != exact_name_key(other)


def abbreviates_legal_form(name: str) -> bool:
    """Returns whether the name has an abbreviation such as （株）, in any brackets or as one character such as ㈱."""
    return _ABBREVIATION.search(_fold(name)) is not None


def spell_out(name: str) -> str:
    """Returns the name as a bidder types it where abbreviations are refused: （株） spelled out, all in full width.

    For examples, the demo and tests. An ambiguous abbreviation gets its most likely form.
    """
    pieces = "".join(_SPELLED_OUT.get(_fold(piece), piece) for piece in _PIECE.findall(name))
    return str(jaconv.h2z(pieces, kana=True, ascii=True, digit=True))


def name_differences(left: str, right: str) -> tuple[Difference, ...]:
    """Returns the differences of two names, for officers; never shown to the person who typed one (QUA-05, 06)."""
    lefts, rights = _Pieces(left), _Pieces(right)
    differences: list[Difference] = []
    for operation, i1, i2, j1, j2 in difflib.SequenceMatcher(None, lefts.keys, rights.keys, False).get_opcodes():
        # Runs of the same length are compared piece by piece, also where only the writing differs.
        if operation in ("equal", "replace") and i2 - i1 == j2 - j1:
            steps = [(i, i + 1, j, j + 1) for i, j in zip(range(i1, i2), range(j1, j2), strict=True)]
        else:
            steps = [(i1, i2, j1, j2)]
        for i, i_end, j, j_end in steps:
            one, other = left[lefts.starts[i] : lefts.starts[i_end]], right[rights.starts[j] : rights.starts[j_end]]
            if one != other:
                counts = name_key(one) != name_key(other)
                differences.append(Difference(one, other, lefts.starts[i], rights.starts[j], counts))
    return tuple(differences)


class _Pieces:
    """The pieces of an original that are compared as a unit: legal forms, and characters with their marks."""

    def __init__(self, name: str) -> None:
        texts = _PIECE.findall(name)
        self.keys = [name_key(text) for text in texts]
        self.starts = [0, *itertools.accumulate(len(text) for text in texts)]


def _fold(name: str) -> str:
    """Returns the name in one width, one form of each character and one case, without spaces; legal forms unchanged."""
    without_selectors = "".join(character for character in name if not _is_variation_selector(character))
    wide = unicodedata.normalize("NFKC", without_selectors.translate(_CIRCLED))
    kept = "".join(character for character in wide if unicodedata.category(character) not in _NOT_IN_KEY)
    # NFKC separates a voiced mark from its kana by a space; without the space they can be composed.
    composed = unicodedata.normalize("NFKC", kept).casefold()
    # A legal form is one word, in old characters too.
    return _OLD_LEGAL_FORM.sub("会社", composed.translate(_SAME_SIGN))


def _is_variation_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"

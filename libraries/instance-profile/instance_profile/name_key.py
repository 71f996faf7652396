"""Comparing 商号又は名称 by a key (QUA-05). Keys are for comparing only: what was typed and what a roster holds stays.

The key makes the same of: width (Ａ and A, ｶ and カ), spaces, kinds of hyphen and long-vowel mark, kinds of middle dot,
quotation mark and bracket, upper and lower case, old, new and variant forms of a character, forms chosen by a
variation selector (IVS), composed and separate voiced marks, ヶ and ケ. It keeps apart: ッ and ツ, hiragana and
katakana, 前株 and 後株, everything else.
"""

import difflib
import itertools
import re
import unicodedata
from dataclasses import dataclass

import jaconv

from instance_profile.character_forms import FORM_IN_KEY
from instance_profile.model import NameStrictness

# How a bidder would most likely spell out an abbreviation.
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
# Forms that share a word of the key, because abbreviations do not tell them apart: rosters write 協同組合 and
# 合同会社 both as （同）, and 合資会社, 合名会社 and 合同会社 all as （合）. Nobody can type 〔 〕 into a key: they
# become ( ) there.
_SHARED_WORDS = {
    "合[同資名]会社|協[同業]組合": "〔会社又は組合〕",
    "(?:一般|公益)?社団法人": "〔社団〕",
    "(?:一般|公益)?財団法人": "〔財団〕",
}
_ABBREVIATION = re.compile("|".join(re.escape(abbreviation) for abbreviation in _SPELLED_OUT))
# A legal form as one piece of an original, in whatever brackets, or as one character such as ㈱ or ㍿.
_LEGAL_FORM = (
    "[(（\\[［〔【〈《](?:株|有|同|合|資|名|協|共|企|社|一社|公社|財|一財|公財|医|学|福|特非)[)）\\]］〕】〉》]"
    "|[㈱㈲㈾㈴㈿㈳㈶㈻㊑㊒㊔㊓㊖㊫㊭㊮㊯㍿]"
    "|株式[会會]社|有限[会會]社|合[同資名][会會]社|協[同業]組合|企業組合|共同企業体"
)
# A legal form, or a character with the marks and selectors after it.
_PIECE = re.compile(f"{_LEGAL_FORM}|[\\s\\S][\u0300-\u036f\u3099\u309a\uff9e\uff9f\ufe00-\ufe0f\U000e0100-\U000e01ef]*")

# Circled characters lose their circle in NFKC, and their meaning with it.
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
_NOT_IN_KEY = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


@dataclass(frozen=True, slots=True)
class Difference:
    """A piece in which two names differ, as each of them writes it; one of the two may be empty.

    `left_start` and `right_start` count code points. `counts` says whether the keys differ there too: 髙 and 高 differ
    without counting.
    """

    left: str
    right: str
    left_start: int
    right_start: int
    counts: bool


def name_key(name: str, strictness: NameStrictness = NameStrictness.ABBREVIATIONS_ALLOWED) -> str:
    """The key on which a company name is compared.

    A roster's name always takes ABBREVIATIONS_ALLOWED, which spells out its （株）, since rosters abbreviate. What a
    bidder typed takes the category's strictness: with SPELLED_OUT its （株） stays as it is, and so matches no roster.
    The place of the legal form counts. The key of a name without any letter is empty and must match nothing.
    """
    key = _folded(name)
    if strictness is NameStrictness.ABBREVIATIONS_ALLOWED:
        key = _ABBREVIATION.sub(lambda found: _SPELLED_OUT[found[0]], key)
    for forms, word in _SHARED_WORDS.items():
        key = re.sub(forms, word, key)
    return key


def abbreviates_legal_form(name: str) -> bool:
    """Whether the name has （株） or the like, in whatever brackets or as one character such as ㈱."""
    return _ABBREVIATION.search(_folded(name)) is not None


def spelled_out(name: str) -> str:
    """The name as a bidder would type it where abbreviations are refused: （株） spelled out, everything full width.

    For examples, the demo and tests. Of forms that an abbreviation does not tell apart the most likely is taken.
    """
    pieces = "".join(_SPELLED_OUT.get(_folded(piece), piece) for piece in _PIECE.findall(name))
    return str(jaconv.h2z(pieces, kana=True, ascii=True, digit=True))


def name_differences(left: str, right: str) -> tuple[Difference, ...]:
    """Where two names differ, for officers; never shown to whoever typed one of them (QUA-05, QUA-06)."""
    lefts, rights = _Pieces(left), _Pieces(right)
    differences: list[Difference] = []
    for operation, i1, i2, j1, j2 in difflib.SequenceMatcher(None, lefts.keys, rights.keys, False).get_opcodes():
        # Runs of the same length are told piece by piece, also where the keys are equal and only the writing differs.
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
    """An original cut into pieces that are compared as one: legal forms, and characters with their marks."""

    def __init__(self, name: str) -> None:
        texts = _PIECE.findall(name)
        self.keys = [name_key(text) for text in texts]
        self.starts = [0, *itertools.accumulate(len(text) for text in texts)]


def _folded(name: str) -> str:
    """The name in one width, one form of each character and one case, without spaces; legal forms as they are."""
    without_selectors = "".join(character for character in name if not _is_variation_selector(character))
    wide = unicodedata.normalize("NFKC", without_selectors.translate(_CIRCLED))
    kept = "".join(character for character in wide if unicodedata.category(character) not in _NOT_IN_KEY)
    # NFKC parts a separate voiced mark from its kana by a space; with the space gone they can be composed.
    composed = unicodedata.normalize("NFKC", kept).casefold()
    return composed.translate(_SAME_SIGN).translate(FORM_IN_KEY)


def _is_variation_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"

"""How two names compare, and piece by piece by which rule (QUA-05).

For officers, and never for the person who typed a name (QUA-06).
"""

import difflib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import jaconv

from instance_profile.character_forms import FORM_BY_READING, IDEOGRAPH_OF_RADICAL, SAME_KANA, SMALL_KANA, find_table
from instance_profile.legal_forms import FORM_OF_TOKEN, JOINT_VENTURE
from instance_profile.model import NameStrictness
from instance_profile.name_key import loose_name_key, name_key
from instance_profile.name_pieces import Piece, split_name
from instance_profile.name_rules import NAME_RULES, RULE_OF_TABLE, NameRule, NameVerdict

_ORDER = (NameVerdict.SAME, NameVerdict.PERHAPS_SAME, NameVerdict.DIFFERENT)


@dataclass(frozen=True, slots=True)
class NameDifference:
    """A piece in which two names differ, as in each of them, one of the two perhaps empty; and the rule for it.

    `name_start` and `roster_start` are code points.
    """

    name: str
    roster_name: str
    name_start: int
    roster_start: int
    rule: NameRule

    @property
    def verdict(self) -> NameVerdict:
        """How the pieces compare by the rule."""
        return NAME_RULES[self.rule].verdict


@dataclass(frozen=True, slots=True)
class NameComparison:
    """How a name compares with a roster's: the verdict, and the pieces in which they differ, in their order."""

    verdict: NameVerdict
    differences: tuple[NameDifference, ...]


def judge_names(
    name: str, roster_name: str, strictness: NameStrictness = NameStrictness.ABBREVIATIONS_ALLOWED
) -> NameVerdict:
    """Returns how a name compares with a roster's, with the strictness that applies to the name.

    A name without letters is the same as none.
    """
    key, roster_key = name_key(name), name_key(roster_name)
    if not key or not roster_key:
        return NameVerdict.DIFFERENT
    if key == roster_key:
        is_found = name_key(name, strictness) == roster_key
        return NameVerdict.SAME if is_found else NameVerdict.PERHAPS_SAME
    loose = loose_name_key(name)
    if (
        loose
        and loose == loose_name_key(roster_name)
        and _are_compatible(_list_tokens(name), _list_tokens(roster_name))
    ):
        return NameVerdict.PERHAPS_SAME
    return NameVerdict.DIFFERENT


def compare_names(
    name: str,
    roster_name: str,
    strictness: NameStrictness = NameStrictness.ABBREVIATIONS_ALLOWED,
    *,
    is_borne_by_another: bool = False,
) -> NameComparison:
    """Returns how a name compares with a roster's, and by which rules.

    `is_borne_by_another` says that another bidder of the roster has the name character for character: then a variant
    form makes the names the same perhaps, and not the same.
    """
    verdict = judge_names(name, roster_name, strictness)
    differences = list(_list_differences(split_name(name), split_name(roster_name)))
    if strictness is NameStrictness.SPELLED_OUT:
        differences = [_require_spelled_out(difference) for difference in differences]
    if is_borne_by_another and verdict is NameVerdict.SAME:
        variants = {*RULE_OF_TABLE.values(), NameRule.SMALL_KANA, NameRule.KANA_OF_BOTH_SCRIPTS}
        differences = [
            replace(difference, rule=NameRule.VARIANT_BORNE_BY_ANOTHER) if difference.rule in variants else difference
            for difference in differences
        ]
        verdict = NameVerdict.PERHAPS_SAME
    return NameComparison(verdict, tuple(differences))


def _are_compatible(one: Sequence[str], other: Sequence[str]) -> bool:
    """Returns whether names with these legal forms may be the same.

    They have the same forms, or one lacks a form, or says less about the kind of a joint venture.
    """
    first, second = list((Counter(one) - Counter(other)).elements()), list((Counter(other) - Counter(one)).elements())
    if not first or not second:
        return not any(_is_joint_venture(token) for token in (*first, *second))
    return len(first) == len(second) == 1 and _is_more_general(first[0], second[0])


def _is_joint_venture(token: str) -> bool:
    form = FORM_OF_TOKEN[token]
    return JOINT_VENTURE in (form.words[0], form.general)


def _is_more_general(one: str, other: str) -> bool:
    first, second = FORM_OF_TOKEN[one], FORM_OF_TOKEN[other]
    return first.general == second.words[0] or second.general == first.words[0]


def _list_tokens(name: str) -> list[str]:
    return [piece.token for piece in split_name(name) if piece.token]


def _list_differences(pieces: Sequence[Piece], roster_pieces: Sequence[Piece]) -> Iterator[NameDifference]:
    tokens = Counter(piece.token for piece in pieces if piece.token)
    roster_tokens = Counter(piece.token for piece in roster_pieces if piece.token)
    # Legal forms that both have, so that one of only one of them at a place stands at another place in the other.
    common = tokens & roster_tokens
    keys, roster_keys = [_key(piece) for piece in pieces], [_key(piece) for piece in roster_pieces]
    end = pieces[-1].start + len(pieces[-1].text) if pieces else 0
    roster_end = roster_pieces[-1].start + len(roster_pieces[-1].text) if roster_pieces else 0
    for operation, i1, i2, j1, j2 in difflib.SequenceMatcher(None, keys, roster_keys, False).get_opcodes():
        # Runs of the same length are compared piece by piece, also where only the writing differs.
        if operation in ("equal", "replace") and i2 - i1 == j2 - j1:
            steps = [(i, i + 1, j, j + 1) for i, j in zip(range(i1, i2), range(j1, j2), strict=True)]
        elif operation in ("delete", "insert"):
            steps = [(i, i + 1, j1, j1) for i in range(i1, i2)] + [(i2, i2, j, j + 1) for j in range(j1, j2)]
        else:
            steps = [(i1, i2, j1, j2)]
        for i, i_end, j, j_end in steps:
            one, other = pieces[i:i_end], roster_pieces[j:j_end]
            text, roster_text = _join(one, "text"), _join(other, "text")
            if text != roster_text:
                start = pieces[i].start if i < len(pieces) else end
                roster_start = roster_pieces[j].start if j < len(roster_pieces) else roster_end
                yield NameDifference(text, roster_text, start, roster_start, _find_rule(one, other, common))


def _key(piece: Piece) -> str:
    return piece.token or piece.loose or piece.exact


def _join(pieces: Sequence[Piece], part: str) -> str:
    return "".join(getattr(piece, part) for piece in pieces)


def _find_rule(one: Sequence[Piece], other: Sequence[Piece], common: Counter[str]) -> NameRule:
    if _join(one, "exact") == _join(other, "exact"):
        return _find_writing_rule(one, other)
    tokens = [piece.token for piece in (*one, *other) if piece.token]
    if tokens:
        return _find_form_rule(one, other, tokens, common)
    if _join(one, "merged") == _join(other, "merged"):
        return _find_variant_rule(_join(one, "exact"), _join(other, "exact"))
    if _join(one, "loose") == _join(other, "loose"):
        return _find_loose_rule(_join(one, "merged"), _join(other, "merged"))
    return NameRule.CHARACTER


def _find_writing_rule(one: Sequence[Piece], other: Sequence[Piece]) -> NameRule:
    """Returns the rule for pieces that are the same character for character."""
    if any(piece.token for piece in one):
        return NameRule.LEGAL_FORM_WRITING
    texts = _join(one, "text"), _join(other, "text")
    # Without the space that NFKC puts before a voiced mark of its own.
    left, right = (unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).replace(" ", "")) for text in texts)
    if not left or not right:
        return NameRule.SPACE
    if any(character in IDEOGRAPH_OF_RADICAL or "\u2e80" <= character <= "\u2fdf" for character in "".join(texts)):
        return NameRule.RADICAL
    if left == right:
        is_compatible = any("\uf900" <= character <= "\ufaff" for character in "".join(texts))
        return NameRule.COMPATIBILITY_FORM if is_compatible else NameRule.WIDTH
    if any("\ufe00" <= character <= "\ufe0f" or character >= "\U000e0100" for character in left + right):
        return NameRule.VARIATION_SELECTOR
    return NameRule.CASE if left.casefold() == right.casefold() else NameRule.SIGN_KIND


def _find_form_rule(
    one: Sequence[Piece], other: Sequence[Piece], tokens: Sequence[str], common: Counter[str]
) -> NameRule:
    """Returns the rule for pieces of which at least one is a legal form."""
    if len(tokens) == 1 and len(one) + len(other) == 1:
        if common[tokens[0]]:
            return NameRule.LEGAL_FORM_POSITION
        return NameRule.LEGAL_FORM if _is_joint_venture(tokens[0]) else NameRule.LEGAL_FORM_MISSING
    if len(tokens) == 2 and len(one) == len(other) == 1:
        return NameRule.JOINT_VENTURE_KIND if _is_more_general(tokens[0], tokens[1]) else NameRule.LEGAL_FORM
    return NameRule.CHARACTER


def _find_variant_rule(left: str, right: str) -> NameRule:
    """Returns the rule for parts that have the same name key."""
    if len(left) == len(right):
        pairs = [(one, other) for one, other in zip(left, right, strict=True) if one != other]
        one, other = pairs[0]
        if {one, other} & SAME_KANA.keys():
            return NameRule.KANA_OF_BOTH_SCRIPTS
        if {one, other} & (SMALL_KANA.keys() | {"ッ", "っ"}):
            return NameRule.SMALL_KANA
        table = find_table(one, other)
        if table is not None:
            return RULE_OF_TABLE[table]
    return NameRule.VARIANT_IN_NAMES


def _find_loose_rule(left: str, right: str) -> NameRule:
    """Returns the rule for parts of which only the loose keys are the same."""
    if not left or not right or len(left) != len(right):
        return NameRule.MARK_MISSING
    letters = {left, right}
    if letters & FORM_BY_READING.keys():
        return NameRule.VARIANT_BY_READING
    if letters & set("々〻ゝヽゞヾ"):
        return NameRule.REPETITION
    if jaconv.hira2kata(left) == jaconv.hira2kata(right):
        return NameRule.KANA_SCRIPT
    return NameRule.SMALL_TSU if letters & set("ッっ") else NameRule.LOOK_ALIKE


def _require_spelled_out(difference: NameDifference) -> NameDifference:
    """Returns the difference as it counts where a typed legal form has to be spelled out."""
    is_abbreviated = difference.rule is NameRule.LEGAL_FORM_WRITING and name_key(difference.name) != name_key(
        difference.name, NameStrictness.SPELLED_OUT
    )
    return replace(difference, rule=NameRule.LEGAL_FORM_NOT_SPELLED_OUT) if is_abbreviated else difference

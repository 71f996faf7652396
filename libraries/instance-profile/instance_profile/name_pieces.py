"""The pieces of a name that are compared as units: legal forms, and characters with their marks."""

import re
from dataclasses import dataclass

import jaconv

from instance_profile.legal_forms import WORD_OR_ABBREVIATION, find_token, spell_out_abbreviation
from instance_profile.name_key import expand_repetitions, fold, loosen, merge_variants

# Characters that a key leaves out, and that may stand between a kana and its mark.
_LEFT_OUT = "\\s\u200b-\u200f\u2060\ufeff\ufe00-\ufe0f\U000e0100-\U000e01ef"
_SELECTORS = "[\ufe00-\ufe0f\U000e0100-\U000e01ef]*"
# A kana or letter with the marks after it, or any other character; each with its selectors.
_CHARACTER = re.compile(
    f"[ぁ-ヿｦ-ﾝ](?:[{_LEFT_OUT}]*[\u3099-\u309c\uff9e\uff9f])*{_SELECTORS}"
    f"|[A-Za-zÀ-ɏＡ-Ｚａ-ｚ](?:[{_LEFT_OUT}]*[\u0300-\u036f])*{_SELECTORS}"
    f"|[\\s\\S]{_SELECTORS}"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an original, where it starts (in code points), and its part of each key.

    `token` is that of the legal form that it is, otherwise empty.
    """

    text: str
    start: int
    folded: str
    exact: str
    merged: str
    loose: str
    token: str


def split_name(name: str) -> list[Piece]:
    """Returns the pieces of a name; their texts joined are the name, and the parts of each key joined are the key."""
    texts = _CHARACTER.findall(name)
    folded = [fold(text) for text in texts]
    whole = "".join(folded)
    # Where each text begins in the folded name.
    offsets = [0]
    for part in folded:
        offsets.append(offsets[-1] + len(part))
    tokens = {}
    first = 0
    for match in WORD_OR_ABBREVIATION.finditer(whole):
        while offsets[first + 1] <= match.start():
            first += 1
        last = first
        while offsets[last + 1] < match.end():
            last += 1
        # One character can hold more than a legal form only where it is no legal form (㍿ and ㈱ are no more).
        if offsets[first] == match.start() and offsets[last + 1] == match.end():
            tokens[first] = (last + 1, find_token(match[0]))
            first = last + 1
    return _join_pieces(texts, folded, tokens)


def spell_out(name: str) -> str:
    """Returns the name as a bidder types it where abbreviations are refused: （株） spelled out, all in full width.

    For examples, the demo and tests. An ambiguous abbreviation gets its most likely form.
    """
    texts = (
        spell_out_abbreviation(piece.folded) if piece.folded.startswith("(") and piece.token else piece.text
        for piece in split_name(name)
    )
    return str(jaconv.h2z("".join(texts), kana=True, ascii=True, digit=True))


def _join_pieces(texts: list[str], folded: list[str], tokens: dict[int, tuple[int, str]]) -> list[Piece]:
    ranges = []
    at = 0
    while at < len(texts):
        end, token = tokens.get(at, (at + 1, ""))
        ranges.append((at, end, token))
        at = end
    exacts = [token or "".join(folded[at:end]) for at, end, token in ranges]
    # Of the whole name, because ッ and 々 depend on the characters beside them; neither changes the length.
    merged = merge_variants("".join(exacts))
    expanded = expand_repetitions("".join(exacts))
    pieces = []
    start = offset = 0
    for (at, end, token), exact in zip(ranges, exacts, strict=True):
        text = "".join(texts[at:end])
        stop = offset + len(exact)
        loose = "" if token else loosen(expanded[offset:stop])
        pieces.append(Piece(text, start, "".join(folded[at:end]), exact, merged[offset:stop], loose, token))
        start += len(text)
        offset = stop
    return pieces

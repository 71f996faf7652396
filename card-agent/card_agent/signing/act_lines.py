"""The lines of an act as the person at the card agent sees them: in one language."""

from collections.abc import Sequence

from card_agent.console.words import Words
from signed_acts.lines import pair_languages


def pair_lines(lines: Sequence[str]) -> Sequence[Words | str]:
    """Returns the lines with the translation of each; as they are where `pair_languages` can't pair them."""
    pairs = pair_languages(lines)
    return lines if pairs is None else [Words(*pair) for pair in pairs]

"""Names that are another's in a variant form only (渡邊組 beside 渡辺組), and whose they are (QUA-05)."""

from collections.abc import Collection, Iterable

from instance_profile.name_key import differ_by_variant_only, exact_name_key
from instance_profile.name_spellings import write_spelling_pattern


def write_patterns_in_question(names: Iterable[str | None], roster_names: Collection[str]) -> list[str]:
    """Returns patterns of those names that are a roster's in a variant form only; none where there is no roster's.

    If another bidder of the agency's roster has such a name character for character, it is that bidder's (渡邊組 beside
    渡辺組), and the variant is no answer.
    """
    return [
        write_spelling_pattern(name)
        for name in names
        if name and any(differ_by_variant_only(name, roster_name) for roster_name in roster_names)
    ]


def belongs_to_another(name: str, roster_name: str, names_of_others: Iterable[str]) -> bool:
    """Returns whether a name is the roster's in a variant form only, and another bidder's character for character."""
    key = exact_name_key(name)
    return differ_by_variant_only(name, roster_name) and any(exact_name_key(other) == key for other in names_of_others)

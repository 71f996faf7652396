"""Every raise of a reason gives the metadata that the words of the reason need, so that no word shows as ―."""

import re

import pytest

from refusals.catalogue import NEUTRAL_NAMES, UNKNOWN, catalogue, explain
from tools.metadata_in_sources import Raise, find_raises

# Raises whose metadata the sources do not spell out, and the test that checks them at run time instead.
CHECKED_AT_RUN_TIME: dict[str, str] = {}


@pytest.fixture(scope="module")
def raises() -> list[Raise]:
    """Every raise in the sources."""
    return find_raises()


def placeholders(reason: str) -> set[str]:
    """The placeholders of a reason's words, in either language."""
    explanation = catalogue()[reason]
    texts = (part for words in (explanation.ja, explanation.en) for part in (words.what, words.next))
    return {name for text in texts for name in re.findall(r"\{(\w+)\}", text)}


def reasons_of(found: Raise) -> set[str]:
    """The reasons of a raise; of one that is put together, all with its beginning."""
    if found.reason.endswith("*"):
        return {reason for reason in catalogue() if reason.startswith(found.reason.removesuffix("*"))}
    return {found.reason} & set(catalogue())


def keys_by_reason(raises: list[Raise]) -> dict[str, set[str]]:
    """The keys of metadata that any raise of a reason gives."""
    keys: dict[str, set[str]] = {}
    for found in raises:
        for reason in reasons_of(found):
            keys.setdefault(reason, set()).update(found.keys or ())
    return keys


def unfilled(raises: list[Raise]) -> list[str]:
    """One line for each raise that leaves placeholders of its words without a value.

    The instance's names fill what no raise of the reason gives; what one of them gives, all have to give.
    """
    lines, given = [], keys_by_reason(raises)
    for found in raises:
        for reason in reasons_of(found):
            names = set(NEUTRAL_NAMES) - given[reason]
            missing = placeholders(reason) - (found.keys or set()) - names
            if found.keys is not None and missing:
                lines.append(f"{found.place} {reason}: no value for {', '.join(sorted(missing))}")
    return sorted(lines)


def test_every_raise_fills_every_placeholder(raises: list[Raise]) -> None:
    assert unfilled(raises) == []


def test_raises_that_cannot_be_followed_are_the_listed_ones(raises: list[Raise]) -> None:
    unknown = {
        reason
        for found in raises
        if found.keys is None
        for reason in reasons_of(found)
        if placeholders(reason) - set(NEUTRAL_NAMES)
    }
    assert unknown == set(CHECKED_AT_RUN_TIME)


def test_every_reason_with_placeholders_has_a_raise_that_was_followed(raises: list[Raise]) -> None:
    followed = {reason for found in raises if found.keys is not None for reason in reasons_of(found)}
    with_placeholders = {reason for reason in catalogue() if placeholders(reason) - set(NEUTRAL_NAMES)}
    # The edge itself fills the words for a reason that it does not know.
    assert with_placeholders - followed - set(CHECKED_AT_RUN_TIME) == {UNKNOWN}


def test_names_of_the_instance_fill_the_words_that_have_them() -> None:
    assert "{help_desk_ja}" in catalogue()["SIGNATURE_INVALID"].ja.next
    assert unfilled([Raise("module.py:f", "SIGNATURE_INVALID", frozenset())]) == []
    assert "ヘルプデスクにご連絡ください" in explain("SIGNATURE_INVALID").ja.next
    desk = {"help_desk_ja": "電子入札ヘルプデスク（電話：03-0000-0000）"}
    assert "電子入札ヘルプデスク（電話：03-0000-0000）にご連絡" in explain("SIGNATURE_INVALID", {}, desk).ja.next


def test_a_name_that_one_raise_gives_is_given_by_every_raise() -> None:
    raises = [
        Raise("module.py:f", "COMPANY_DIFFERS_FROM_CARD", frozenset({"agency_ja", "agency_en"})),
        Raise("module.py:g", "COMPANY_DIFFERS_FROM_CARD", frozenset()),
    ]
    assert unfilled(raises) == ["module.py:g COMPANY_DIFFERS_FROM_CARD: no value for agency_en, agency_ja"]


HEAD = "from refusals import Code, Refusal, Violation\n"
WAYS = {
    "dict": 'def f(name):\n    raise Refusal("AGENCY_NOT_OWN", Code.NOT_FOUND, {KEYS})\n',
    "keyword": 'def f(name):\n    raise Refusal("AGENCY_NOT_OWN", metadata={KEYS})\n',
    "variable": 'def f(name):\n    metadata = {KEYS}\n    raise Refusal("AGENCY_NOT_OWN", Code.NOT_FOUND, metadata)\n',
    "variable of another branch": (
        "def f(name):\n    if name:\n        metadata = {KEYS}\n"
        '        raise Refusal("AGENCY_NOT_OWN", Code.NOT_FOUND, metadata)\n    metadata = {"other": name}\n'
    ),
    "added": (
        "def f(name):\n    metadata = {}\n    metadata |= {KEYS}\n"
        '    raise Refusal("AGENCY_NOT_OWN", Code.NOT_FOUND, metadata)\n'
    ),
    "spread": (
        'def f(name):\n    more = {KEYS}\n    raise Refusal("AGENCY_NOT_OWN", Code.NOT_FOUND, {"more": name, **more})\n'
    ),
    "helper": (
        "def refuse(reason, metadata):\n    return Refusal(reason, Code.NOT_FOUND, metadata)\n"
        'def f(name):\n    raise refuse("AGENCY_NOT_OWN", {KEYS})\n'
    ),
    "helper of a helper": (
        "def refuse(reason, metadata):\n    return Refusal(reason, Code.NOT_FOUND, metadata)\n"
        "def refuse_now(reason, name):\n    raise refuse(reason, {KEYS})\n"
        'def f(name):\n    refuse_now("AGENCY_NOT_OWN", name)\n'
    ),
    "function": (
        "def describe(name):\n    return {KEYS}\n"
        'def f(name):\n    raise Refusal("AGENCY_NOT_OWN", Code.NOT_FOUND, describe(name))\n'
    ),
    "returned": 'def f(name):\n    return "AGENCY_NOT_OWN", {KEYS}\n',
    "violation": 'def f(name):\n    yield Violation("field", "AGENCY_NOT_OWN", {KEYS})\n',
    "class": (
        "class Problem:\n    row: int\n    reason: str\n    metadata: dict[str, str]\n"
        'def f(name):\n    yield Problem(1, "AGENCY_NOT_OWN", {KEYS})\n'
    ),
    "choice": 'def f(name):\n    raise Refusal("AGENCY_NOT_OWN" if name else "INTERNAL", Code.NOT_FOUND, {KEYS})\n',
}


@pytest.mark.parametrize("way", WAYS)
def test_metadata_are_followed_however_they_reach_the_raise(way: str) -> None:
    assert placeholders("AGENCY_NOT_OWN") == {"agency"}
    filled = [("module.py", HEAD + WAYS[way].replace("{KEYS}", '{"agency": name}'))]
    assert unfilled(find_raises(filled)) == []
    assert [found.keys for found in find_raises(filled) if found.reason == "AGENCY_NOT_OWN"] != [None]
    misspelt = [("module.py", HEAD + WAYS[way].replace("{KEYS}", '{"agencies": name}'))]
    assert unfilled(find_raises(misspelt)) == ["module.py:f AGENCY_NOT_OWN: no value for agency"]


def test_texts_in_both_languages_are_followed_through_their_helper() -> None:
    source = (
        'def make_text_metadata(key, text):\n    return {f"{key}_ja": text.ja, f"{key}_en": text.en}\n'
        "def f(text):\n    names = {**make_text_metadata('agency', text)}\n"
        "    names |= make_text_metadata('category', text)\n"
        '    raise Refusal("CATEGORY_NOT_OFFERED", Code.FAILED_PRECONDITION, names)\n'
    )
    (found,) = [found for found in find_raises([("module.py", source)]) if found.reason == "CATEGORY_NOT_OFFERED"]
    assert found.keys == frozenset({"agency_ja", "agency_en", "category_ja", "category_en"})


def test_keys_added_in_one_branch_only_do_not_count() -> None:
    source = (
        "def f(name):\n    metadata = {}\n    if name:\n        metadata |= {'agency': name}\n"
        '    raise Refusal("AGENCY_NOT_OWN", Code.NOT_FOUND, metadata)\n'
    )
    assert unfilled(find_raises([("module.py", source)])) != []


def test_metadata_that_come_from_elsewhere_are_not_guessed() -> None:
    source = 'def f(other):\n    raise Refusal("AGENCY_NOT_OWN", Code.NOT_FOUND, other.metadata)\n'
    assert [found.keys for found in find_raises([("module.py", source)])] == [None]

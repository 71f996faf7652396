"""How names compare, and by which rule: what officers see and searches follow."""

import csv
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instance_profile.character_forms import FORM_BY_READING, FormTable, find_table
from instance_profile.model import NameStrictness
from instance_profile.name_comparison import NameComparison, compare_names, judge_names
from instance_profile.name_key import exact_name_key, name_key
from instance_profile.name_rules import NAME_RULES, NameRule, NameVerdict

SAME, PERHAPS, DIFFERENT = NameVerdict.SAME, NameVerdict.PERHAPS_SAME, NameVerdict.DIFFERENT
ORDER = [SAME, PERHAPS, DIFFERENT]
# Made-up names that a careful officer decided: as typed, on the roster, the verdict, and the rules.
with Path(__file__).with_name("name_pairs.csv").open(encoding="utf-8", newline="") as file:
    PAIRS = list(csv.DictReader(file))


def name_rules(comparison: NameComparison) -> str:
    return " ".join(sorted({difference.rule for difference in comparison.differences}))


def find_worst(comparison: NameComparison) -> NameVerdict:
    """Returns the verdict that follows from the differences alone."""
    return max((difference.verdict for difference in comparison.differences), key=ORDER.index, default=SAME)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair['typed']} {pair['roster']}")
def test_names_are_decided_as_an_officer_would(pair: dict[str, str]) -> None:
    comparison = compare_names(pair["typed"], pair["roster"])
    assert (comparison.verdict, name_rules(comparison)) == (pair["verdict"], pair["rules"])
    assert find_worst(comparison) is comparison.verdict
    # What counts as the same is what a search finds, by the key alone.
    assert (name_key(pair["typed"]) == name_key(pair["roster"])) is (comparison.verdict is SAME)
    assert judge_names(pair["roster"], pair["typed"]) == pair["verdict"]


def test_enough_pairs_and_every_rule_has_one() -> None:
    assert len(PAIRS) >= 135
    others = {NameRule.LEGAL_FORM_NOT_SPELLED_OUT, NameRule.VARIANT_BORNE_BY_ANOTHER}
    shown = {rule for pair in PAIRS for rule in pair["rules"].split()}
    assert set(NameRule) - shown - others == {NameRule.VARIANT_OF_JIS, NameRule.VARIANT_BY_READING}
    assert set(NAME_RULES) == set(NameRule)
    assert name_rules(compare_names("聴覚組", "\U000265df覚組")) == "VARIANT_OF_JIS"
    variant, form = next((variant, form) for variant, form in FORM_BY_READING.items() if form == "変")
    assert name_rules(compare_names(f"{form}電組", f"{variant}電組")) == "VARIANT_BY_READING"


def test_differences_show_which_piece_differs() -> None:
    comparison = compare_names("㈱髙橋建設", "株式会社高橋 建築")
    assert comparison.verdict is DIFFERENT
    assert [
        (one.name, one.roster_name, one.name_start, one.roster_start, one.verdict) for one in comparison.differences
    ] == [
        ("㈱", "株式会社", 0, 0, SAME),
        ("髙", "高", 1, 4, SAME),
        ("", " ", 3, 6, SAME),
        ("設", "築", 4, 8, DIFFERENT),
    ]
    assert compare_names("株式会社見本", "株式会社見本").differences == ()


def test_abbreviation_is_not_found_where_it_has_to_be_spelled_out() -> None:
    comparison = compare_names("（株）見本", "㈱見本", NameStrictness.SPELLED_OUT)
    assert (comparison.verdict, name_rules(comparison)) == (PERHAPS, "LEGAL_FORM_NOT_SPELLED_OUT")
    assert compare_names("株式会社見本", "㈱見本", NameStrictness.SPELLED_OUT).verdict is SAME


def test_variant_that_another_bidder_bears_is_a_question() -> None:
    comparison = compare_names("㈱渡邊組", "株式会社渡辺組", is_borne_by_another=True)
    assert comparison.verdict is find_worst(comparison) is PERHAPS
    assert name_rules(comparison) == "LEGAL_FORM_WRITING VARIANT_BORNE_BY_ANOTHER"


def test_name_without_letters_is_no_name() -> None:
    assert judge_names("", "") is judge_names("　", "\u200b") is judge_names("", "見本") is DIFFERENT
    # Marks alone are no name that another could perhaps be.
    assert judge_names("・", "ー") is DIFFERENT


def test_table_is_named_that_says_the_most() -> None:
    assert find_table("高", "髙") is FormTable.FAMILY_REGISTER
    assert find_table("斉", "齋") is FormTable.CONFUSED
    assert find_table("高", "橋") is None


NAMES = st.text(
    st.sampled_from(
        "株式会社有限(株)（有）㈱髙高﨑崎渡邊辺邉ーｰ-－−ガｶﾞか゛\u3099"
        "ヶケがツッっつノの々二ニAａＡ・･ 　JV\U000e0100⻑長"
    ),
    max_size=10,
)


@given(NAMES, NAMES)
def test_differences_reconstruct_both_names_and_explain_the_verdict(name: str, roster_name: str) -> None:
    comparison = compare_names(name, roster_name)
    rebuilt, at = "", 0
    for difference in comparison.differences:
        rebuilt += roster_name[at : difference.roster_start] + difference.roster_name
        at = difference.roster_start + len(difference.roster_name)
        assert name[difference.name_start :].startswith(difference.name)
    assert rebuilt + roster_name[at:] == roster_name
    assert (not comparison.differences) == (name == roster_name)
    starts = [difference.name_start for difference in comparison.differences]
    assert all(one <= other for one, other in pairwise(starts))
    if exact_name_key(name) and exact_name_key(roster_name):
        assert (comparison.verdict is SAME) == (find_worst(comparison) is SAME)


@given(NAMES, NAMES)
def test_comparison_has_no_direction(name: str, roster_name: str) -> None:
    assert judge_names(name, roster_name) is judge_names(roster_name, name)

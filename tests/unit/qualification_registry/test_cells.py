"""A column judged as a whole is never judged more kindly than its cells one by one."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instance_profile.characters import find_unusable
from qualification_registry.domain.corporate_number import is_corporate_number
from qualification_registry.domain.roster_cells import (
    NOTHING,
    Agencies,
    Days,
    Grades,
    TextRule,
    all_right,
    cell_error,
    grade_rule,
    written,
)
from qualification_registry.domain.roster_comparison import _original
from tests.support.example_profile import CITY, PREFECTURE, WORKS, example_profile
from tests.support.rosters import corporate_number

RULES = [
    TextRule("name", "a", 10, required=True, private_use=False),
    TextRule("address", "a", 10, line_breaks=True),
    TextRule("telephone", "a", 10, half_width=True),
    TextRule("bidder_id", "a", 10, required=True, half_width=True, pattern=re.compile("[0-9]{3}")),
]
CELLS = st.lists(
    st.text(
        st.sampled_from("19aｱあ髙\u3000 \t\n\r\x00\x1f\x7f\x85\xa0\u200b\u2028\u3164\ue000\U0001f600\ufe00"),
        max_size=12,
    ),
    min_size=1,
    max_size=4,
)


@given(st.sampled_from(RULES), CELLS)
def test_a_column_that_passes_has_no_wrong_cell(rule: TextRule, cells: list[str]) -> None:
    if all_right(rule, cells):
        assert [cell for cell in cells if cell_error(rule, cell) is not None] == []


def test_every_character_that_no_field_takes_is_seen_in_a_column() -> None:
    rule = TextRule("name", "a", 10, private_use=False)
    points = (chr(point) for point in range(0x110000) if unicodedata.category(chr(point)) != "Cs")
    seen_by_all = {character for character in points if all_right(rule, [f"例{character}"])}
    assert [hex(ord(character)) for character in seen_by_all if find_unusable(character)] == []


@given(CELLS)
def test_what_is_written_is_the_original(cells: list[str]) -> None:
    for cell, kept in zip(cells, written(cells), strict=True):
        if not cell.strip():
            assert kept == NOTHING
        elif "\t" not in cell:
            assert "\n" not in kept
            assert _original(kept) == cell


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("2026-04-01", "2026-04-01"),
        ("2026/04/01", "2026-04-01"),
        ("2026/4/1", "2026-04-01"),
        ("2026-12-31", "2026-12-31"),
        ("20260401", "2026-04-01"),
        (" 2026/4/1 ", "2026-04-01"),
        ("", NOTHING),
        ("　", NOTHING),
        ("2026-4/1", ""),
        ("2026-04-1", ""),
        ("202641", ""),
        ("２０２６-04-01", ""),
        ("2026-02-29", ""),
        ("2026-13-01", ""),
        ("0000-01-01", ""),
        ("令和8年4月1日", ""),
    ],
)
def test_days_are_read_as_they_are_written_in_rosters(cell: str, day: str) -> None:
    assert Days()[cell] == day


def test_agencies_are_named_by_code_or_name_in_any_order() -> None:
    agencies = Agencies(example_profile().agencies, WORKS, "、")
    assert agencies["例示市、例示県"] == agencies[f" {PREFECTURE} 、{CITY}、"] == f"{{{PREFECTURE},{CITY}}}"
    assert agencies[""] == agencies["、"] == agencies["例示市,例示県"] == ""


def test_grades_are_kept_one_for_each_kind() -> None:
    grades = Grades([grade_rule("土木", "a"), grade_rule("建築", "b")])
    assert grades["A", "　"] == '["A",""]'
    assert grades['"', "\\"] == '["\\\\"","\\\\\\\\"]'
    assert grades["A\n", ""] == ""


@pytest.mark.parametrize("number", ["4260001000102", "4010401010452", corporate_number(123)])
def test_corporate_numbers_are_told_by_their_check_digit(number: str) -> None:
    assert is_corporate_number(number)
    for digit in "0123456789":
        for place in range(13):
            altered = number[:place] + digit + number[place + 1 :]
            # A check digit of modulus 9 can't tell 0 from 9 in the other places.
            if altered != number and (place == 0 or {digit, number[place]} != {"0", "9"}):
                assert not is_corporate_number(altered)


@pytest.mark.parametrize(
    "text", ["", "JV", "426000100010", "42600010001022", "４２６０００１０００１０２", "4260001000102 "]
)
def test_everything_else_is_no_corporate_number(text: str) -> None:
    assert not is_corporate_number(text)

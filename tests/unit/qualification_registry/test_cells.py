"""The check of a column as a whole never accepts a cell that the check of single cells refuses."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instance_profile.characters import find_unusable
from qualification_registry.domain.corporate_number import is_corporate_number
from qualification_registry.domain.roster_cells import (
    NULL,
    Agencies,
    Grades,
    TextRule,
    build_grade_rule,
    escape_cells,
    find_cell_error,
    is_column_valid,
    unescape_cell,
)
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
def test_valid_column_has_no_wrong_cell(rule: TextRule, cells: list[str]) -> None:
    if is_column_valid(rule, cells):
        assert [cell for cell in cells if find_cell_error(rule, cell) is not None] == []


def test_every_unusable_character_makes_a_column_invalid() -> None:
    rule = TextRule("name", "a", 10, private_use=False)
    points = (chr(point) for point in range(0x110000) if unicodedata.category(chr(point)) != "Cs")
    accepted = {character for character in points if is_column_valid(rule, [f"例{character}"])}
    assert [hex(ord(character)) for character in accepted if find_unusable(character)] == []


@given(CELLS)
def test_escaped_cells_unescape_to_the_original(cells: list[str]) -> None:
    for cell, escaped in zip(cells, escape_cells(cells), strict=True):
        if not cell.strip():
            assert escaped == NULL
        elif "\t" not in cell:
            assert "\n" not in escaped
            assert unescape_cell(escaped) == cell


def test_agencies_are_read_by_code_or_name_in_any_order() -> None:
    agencies = Agencies(example_profile().agencies, WORKS, "、")
    assert agencies["例示市、例示県"] == agencies[f" {PREFECTURE} 、{CITY}、"] == f"{PREFECTURE} {CITY}"
    assert agencies[""] == agencies["、"] == agencies["例示市,例示県"] == ""


def test_grades_are_stored_one_for_each_kind() -> None:
    grades = Grades([build_grade_rule("土木", "a"), build_grade_rule("建築", "b")])
    assert grades["A", "　"] == '["A",""]'
    assert grades['"', "\\"] == '["\\\\"","\\\\\\\\"]'
    assert grades["A\n", ""] == ""


@pytest.mark.parametrize("number", ["4260001000102", "4010401010452", corporate_number(123)])
def test_corporate_numbers_are_recognized_by_their_check_digit(number: str) -> None:
    assert is_corporate_number(number)
    for digit in "0123456789":
        for index in range(13):
            altered = number[:index] + digit + number[index + 1 :]
            # A check digit of modulus 9 cannot distinguish 0 from 9 in the other digits.
            if altered != number and (index == 0 or {digit, number[index]} != {"0", "9"}):
                assert not is_corporate_number(altered)


@pytest.mark.parametrize(
    "text", ["", "JV", "426000100010", "42600010001022", "４２６０００１０００１０２", "4260001000102 "]
)
def test_other_texts_are_no_corporate_numbers(text: str) -> None:
    assert not is_corporate_number(text)

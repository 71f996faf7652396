"""The page of requirements lists every row once, with its state and the tests that carry its mark."""

import pytest

from tools.requirement_marks import MarkedTest, find_marked_tests
from tools.requirement_table import ROOT, ROWS, Group, list_met_rows, read_groups, render_page

TEXT = """# Card (CRD)
CRD-01 The agent finds the card
CRD-02 The user sees it
CRD-03 A PIN

# Entry (ENT)
ENT-01 The choice is skipped
"""
FOUND, SIGNED = "tests/contract/test_cards.py::test_card_is_found", "tests/contract/test_cards.py::test_card_signs"
TESTS = {
    "CRD-01": [MarkedTest(FOUND, is_met=False), MarkedTest(SIGNED, is_met=True)],
    "CRD-03": [MarkedTest(SIGNED, is_met=False)],
}


def test_rows_are_read_in_groups() -> None:
    card = {"CRD-01": "The agent finds the card", "CRD-02": "The user sees it", "CRD-03": "A PIN"}
    assert read_groups(TEXT) == [
        Group("Card (CRD)", card),
        Group("Entry (ENT)", {"ENT-01": "The choice is skipped"}),
    ]


@pytest.mark.parametrize(
    "line", ["CRD-01 before any title", "# Card\nCRD-01", "# Card\nCRD-01 once\n# Entry\nCRD-01 twice"]
)
def test_malformed_rows_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="CRD-01"):
        read_groups(line)


def test_page_says_of_each_row_whether_it_is_met_partly_or_open() -> None:
    page = render_page(read_groups(TEXT), TESTS)
    assert "Of 4 rows, 1 are met, 1 partly, and 2 are open." in page
    assert "| Card (CRD) | 1 | 1 | 1 |\n| Entry (ENT) | 0 | 0 | 1 |\n" in page
    assert "| CRD-01 | The agent finds the card | met | 2 |\n| CRD-02 | The user sees it | open |  |\n" in page
    assert "| CRD-03 | A PIN | partly | 1 |\n" in page
    assert list_met_rows(TESTS) == ["CRD-01"]


def test_page_lists_the_tests_and_which_of_them_says_that_the_row_is_met() -> None:
    page = render_page(read_groups(TEXT), TESTS)
    assert f"\n**CRD-01**\n\n- `{FOUND}`\n- `{SIGNED}` (met)\n" in page
    assert f"\n**CRD-03**\n\n- `{SIGNED}`\n" in page
    assert "**CRD-02**" not in page


def test_no_cell_of_the_page_holds_a_path() -> None:
    rows = [line for line in render_page(read_groups(TEXT), TESTS).splitlines() if line[:1] == "|"]
    assert rows
    assert not [row for row in rows if "::" in row]


def test_group_without_tests_has_no_list() -> None:
    assert "<details>" not in render_page(read_groups(TEXT), {})


def test_mark_of_an_unknown_row_is_refused_with_its_test() -> None:
    with pytest.raises(ValueError, match=f"{FOUND} \\(CRD-99\\)"):
        render_page(read_groups(TEXT), {"CRD-99": [MarkedTest(FOUND, is_met=False)]})


def test_rows_of_the_repository_can_be_rendered() -> None:
    page = render_page(read_groups(ROWS.read_text("utf-8")), find_marked_tests(ROOT))
    assert page.startswith("# Requirements")
    assert "Of 97 rows, " in page

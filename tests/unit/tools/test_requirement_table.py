"""The page of requirements lists every row once, with the tests that carry its mark."""

from pathlib import Path

import pytest

from tools.requirement_table import ROOT, ROWS, Group, find_marked_tests, read_groups, render_page

TEXT = """# Card (CRD)
CRD-01 The agent finds the card
CRD-02 The user sees it

# Entry (ENT)
ENT-01 The choice is skipped
"""
SOURCE = """
import pytest

@pytest.mark.requirement("CRD-01")
def test_card_is_found():
    pass

@pytest.mark.requirement("CRD-01", "ENT-01")
async def test_card_and_entry():
    pass

@pytest.mark.slow("CRD-02")
def test_without_row():
    pass

def helper():
    pass
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "tests" / "unit"
    folder.mkdir(parents=True)
    (folder / "test_cards.py").write_text(SOURCE)
    (folder / "helpers.py").write_text(SOURCE)
    return tmp_path


def test_rows_are_read_in_groups() -> None:
    assert read_groups(TEXT) == [
        Group("Card (CRD)", {"CRD-01": "The agent finds the card", "CRD-02": "The user sees it"}),
        Group("Entry (ENT)", {"ENT-01": "The choice is skipped"}),
    ]


@pytest.mark.parametrize(
    "line", ["CRD-01 before any title", "# Card\nCRD-01", "# Card\nCRD-01 once\n# Entry\nCRD-01 twice"]
)
def test_malformed_rows_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="CRD-01"):
        read_groups(line)


def test_tests_are_found_by_their_mark(root: Path) -> None:
    assert find_marked_tests(root) == {
        "CRD-01": ["tests/unit/test_cards.py::test_card_is_found", "tests/unit/test_cards.py::test_card_and_entry"],
        "ENT-01": ["tests/unit/test_cards.py::test_card_and_entry"],
    }


def test_page_has_a_count_for_each_row_and_the_tests_below(root: Path) -> None:
    page = render_page(read_groups(TEXT), find_marked_tests(root))
    assert "2 of 3 rows have a test." in page
    assert "| CRD-01 | The agent finds the card | 2 |\n| CRD-02 | The user sees it | open |\n" in page
    assert "\n**CRD-01**\n\n- `tests/unit/test_cards.py::test_card_is_found`\n" in page
    assert "**CRD-02**" not in page


def test_no_cell_of_the_page_holds_a_path(root: Path) -> None:
    rows = [line for line in render_page(read_groups(TEXT), find_marked_tests(root)).splitlines() if line[:1] == "|"]
    assert rows
    assert not [row for row in rows if "::" in row]


def test_group_without_tests_has_no_list() -> None:
    assert "<details>" not in render_page(read_groups(TEXT), {})


def test_mark_of_an_unknown_row_is_refused() -> None:
    with pytest.raises(ValueError, match="CRD-99"):
        render_page(read_groups(TEXT), {"CRD-99": ["tests/test_cards.py::test_card"]})


def test_rows_of_the_repository_can_be_rendered() -> None:
    page = render_page(read_groups(ROWS.read_text("utf-8")), find_marked_tests(ROOT))
    assert page.startswith("# Requirements")

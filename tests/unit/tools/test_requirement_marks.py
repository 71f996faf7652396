"""The marks of requirements are read from the tests' sources, and a mark that can prove nothing is refused."""

from pathlib import Path

import pytest

from tools.requirement_marks import MarkedTest, find_marked_tests

SOURCE = """
import pytest

@pytest.mark.requirement("CRD-01")
def test_card_is_found():
    pass

@pytest.mark.requirement("CRD-01", "met")
@pytest.mark.requirement("ENT-01")
@pytest.mark.parametrize("number", [1, 2])
async def test_card_and_entry(number):
    pass

@pytest.mark.slow("CRD-02")
def test_without_row():
    pass

def build():
    pass
"""


def write_module(folder: Path, source: str, path: str = "contract/test_cards.py") -> Path:
    """Writes a module below the tests of a repository; returns the repository's folder."""
    file = folder / "tests" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, "utf-8")
    return folder


def refusal_of(root: Path) -> str:
    with pytest.raises(ValueError, match="test") as refused:
        find_marked_tests(root)
    return str(refused.value)


def test_tests_are_found_by_their_marks_with_the_word_of_each(tmp_path: Path) -> None:
    found, both = (
        "tests/contract/test_cards.py::test_card_is_found",
        "tests/contract/test_cards.py::test_card_and_entry",
    )
    assert find_marked_tests(write_module(tmp_path, SOURCE)) == {
        "CRD-01": [MarkedTest(found, is_met=False), MarkedTest(both, is_met=True)],
        "ENT-01": [MarkedTest(both, is_met=False)],
    }


@pytest.mark.parametrize(
    "marks",
    [
        'pytest.mark.requirement("CRD-09")',
        '[pytest.mark.slow, pytest.mark.requirement("CRD-09")]',
        '(pytest.mark.requirement("CRD-09"), pytest.mark.requirement("CRD-01"))',
    ],
)
def test_mark_of_a_module_stands_on_each_of_its_tests(tmp_path: Path, marks: str) -> None:
    root = write_module(tmp_path, f"{SOURCE}\npytestmark = {marks}\n")
    tests = find_marked_tests(root)
    path = "tests/contract/test_cards.py"
    assert tests["CRD-09"] == [
        MarkedTest(f"{path}::{name}", is_met=False)
        for name in ("test_card_is_found", "test_card_and_entry", "test_without_row")
    ]
    # Once for each test, met where one of both places says so.
    assert MarkedTest(f"{path}::test_card_and_entry", is_met=True) in tests["CRD-01"]
    assert len({test.node_id for test in tests["CRD-01"]}) == len(tests["CRD-01"])


@pytest.mark.parametrize("source", [SOURCE, 'pytestmark = pytest.mark.requirement("CRD-01")\ndef test_card(): ...'])
def test_mark_of_a_unit_test_is_refused_with_file_and_name(tmp_path: Path, source: str) -> None:
    refusal = refusal_of(write_module(tmp_path, source, "unit/cards/test_cards.py"))
    assert "tests/unit/cards/test_cards.py::test_card" in refusal
    assert "CRD-01" in refusal


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("contract/test_cards.py", "def build(): ..."),
        ("contract/test_cards.py", "class TestCards:\n    def test_card(self): ..."),
        ("contract/test_cards.py", "@pytest.fixture\ndef card(): ..."),
        ("contract/conftest.py", "def test_card(): ..."),
        ("contract/cards.py", "def test_card(): ..."),
    ],
)
def test_mark_on_something_that_is_not_a_test_is_refused(tmp_path: Path, path: str, code: str) -> None:
    refusal = refusal_of(write_module(tmp_path, f'@pytest.mark.requirement("CRD-01")\n{code}\n', path))
    assert refusal == f"tests/{path}:1: a requirement's mark on something that is not a test"


@pytest.mark.parametrize(
    "source",
    [
        # A mark of single parameters, of a method, of a module without tests, and one without arguments.
        '@pytest.mark.parametrize("a", [pytest.param(1, marks=pytest.mark.requirement("CRD-01"))])\ndef test_a(a): ...',
        'class TestCards:\n    @pytest.mark.requirement("CRD-01")\n    def test_card(self): ...',
        'pytestmark = pytest.mark.requirement("CRD-01")\ndef build(): ...',
        "marks = [pytest.mark.requirement]\ndef test_card(): ...",
    ],
)
def test_mark_at_another_place_is_refused(tmp_path: Path, source: str) -> None:
    assert "on something that is not a test" in refusal_of(write_module(tmp_path, source))


@pytest.mark.parametrize(
    "mark",
    [
        'requirement("CRD-01", "partly")',
        'requirement("CRD-01", "ENT-01")',
        'requirement("CRD-01", "met", "met")',
        'requirement("CRD-01", word="met")',
        "requirement(ROW)",
        "requirement()",
        "requirement",
    ],
)
def test_mark_with_another_word_is_refused(tmp_path: Path, mark: str) -> None:
    refusal = refusal_of(write_module(tmp_path, f"@pytest.mark.{mark}\ndef test_card(): ...\n"))
    assert refusal.startswith("tests/contract/test_cards.py:1: pytest.mark.requirement")
    assert '"met" or nothing' in refusal


def test_row_that_is_marked_twice_is_refused(tmp_path: Path) -> None:
    mark = '@pytest.mark.requirement("CRD-01")\n'
    assert "CRD-01 is marked twice" in refusal_of(write_module(tmp_path, f"{mark}{mark}def test_card(): ...\n"))

"""Writes docs/requirements.md, which lists every requirement row and the tests that prove it.

`python -m tools.requirement_table` writes the page; with `--check` it only fails where the committed page is outdated.
The rows come from docs/requirement-rows.txt. The tests are found in the sources by their mark
`@pytest.mark.requirement("CRD-05")`, so that a row without a test is visible.
"""

import ast
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = ROOT / "docs" / "requirement-rows.txt"
PAGE = ROOT / "docs" / "requirements.md"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(slots=True)
class Group:
    """A group of requirements: its title, and the text of each row by the row's number (`CRD-05`)."""

    title: str
    rows: dict[str, str] = field(default_factory=dict)


def read_groups(text: str) -> list[Group]:
    """Returns the groups of rows in their order.

    `text` is the content of docs/requirement-rows.txt: a line `# title` begins a group, and each further line is a
    row's number, a space, and the requirement in one sentence. Raises ValueError for a line that is neither, and for
    a number that occurs twice.
    """
    groups: list[Group] = []
    numbers: set[str] = set()
    for line in filter(None, text.splitlines()):
        if line.startswith("# "):
            groups.append(Group(line.removeprefix("# ")))
            continue
        number, _, requirement = line.partition(" ")
        if not groups or not requirement or number in numbers:
            raise ValueError(f"not a title, a new row of a group, or an empty line: {line}")
        numbers.add(number)
        groups[-1].rows[number] = requirement
    return groups


def find_marked_tests(root: Path) -> dict[str, list[str]]:
    """Returns the tests below `root`/tests that carry a row's mark, by row, each as pytest's node id (`path::name`)."""
    tests: dict[str, list[str]] = {}
    for file in sorted((root / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, Function) and node.name.startswith("test_"):
                for row in _list_marked_rows(node):
                    tests.setdefault(row, []).append(f"{file.relative_to(root)}::{node.name}")
    return tests


def _list_marked_rows(function: Function) -> list[str]:
    return [
        argument.value
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.requirement"
        for argument in decorator.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def render_page(groups: Sequence[Group], tests: Mapping[str, Sequence[str]]) -> str:
    """Returns the page as Markdown: for each group a table of its rows, and below it the tests, folded.

    Raises ValueError where a test names a row that does not exist.
    """
    rows = [row for group in groups for row in group.rows]
    if unknown := sorted(set(tests) - set(rows)):
        raise ValueError(f"tests name rows that do not exist: {', '.join(unknown)}")
    lines = [
        "# Requirements and their tests",
        "",
        "Written by `make requirements` from the marks of the tests; do not edit it. A row without a test is open.",
        "Each test is listed as pytest takes it: `.venv/bin/python -m pytest <path>::<name>`.",
        "",
        f"{sum(1 for row in rows if tests.get(row))} of {len(rows)} rows have a test.",
    ]
    for group in groups:
        lines += _render_group(group, tests)
    return "\n".join(lines) + "\n"


def _render_group(group: Group, tests: Mapping[str, Sequence[str]]) -> list[str]:
    lines = ["", f"## {group.title}", "", "| row | requirement | tests |", "|---|---|---|"]
    lines += [f"| {row} | {text} | {len(tests.get(row, ())) or 'open'} |" for row, text in group.rows.items()]
    if not any(tests.get(row) for row in group.rows):
        return lines
    # Git hosts render Markdown inside of <details> only between empty lines.
    lines += ["", "<details>", "<summary>Tests by row</summary>"]
    for row in group.rows:
        if tests.get(row):
            lines += ["", f"**{row}**", "", *(f"- `{test}`" for test in tests[row])]
    return [*lines, "", "</details>"]


def main() -> None:
    """Writes the page, or with `--check` ends with an error where the committed page differs."""
    try:
        page = render_page(read_groups(ROWS.read_text("utf-8")), find_marked_tests(ROOT))
    except ValueError as error:
        sys.exit(f"{error}; see {ROWS.relative_to(ROOT)}")
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(page, "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != page:
        sys.exit(f"{PAGE.relative_to(ROOT)} differs from the marks of the tests; run `make requirements` and commit it")


if __name__ == "__main__":
    main()

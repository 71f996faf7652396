"""Writes docs/requirements.md: of every requirement row whether it is met, partly met or open, and by which tests.

`python -m tools.requirement_table` writes the page; with `--check` it only fails where the committed page is outdated.
The rows come from docs/requirement-rows.txt, the rest from the tests' marks, which tools/requirement_marks.py reads: a
row is met where one of its marks says so, partly met where it only has others, and open where it has none.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tools.requirement_marks import MarkedTest, find_marked_tests

ROOT = Path(__file__).parent.parent
ROWS = ROOT / "docs" / "requirement-rows.txt"
PAGE = ROOT / "docs" / "requirements.md"


class State(StrEnum):
    """How far a row holds, as the page says it."""

    MET = "met"
    PARTLY = "partly"
    OPEN = "open"


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


def judge_row(tests: Sequence[MarkedTest]) -> State:
    """Returns how far a row holds by the tests that carry its mark."""
    if not tests:
        return State.OPEN
    return State.MET if any(test.is_met for test in tests) else State.PARTLY


def list_met_rows(tests: Mapping[str, Sequence[MarkedTest]]) -> list[str]:
    """Returns the numbers of the rows that are met, sorted."""
    return sorted(row for row, marked in tests.items() if judge_row(marked) is State.MET)


def render_page(groups: Sequence[Group], tests: Mapping[str, Sequence[MarkedTest]]) -> str:
    """Returns the page as Markdown: the sums, for each group a table of its rows, and below it the tests, folded.

    Raises ValueError where a test names a row that does not exist.
    """
    rows = [row for group in groups for row in group.rows]
    if unknown := [f"{test.node_id} ({row})" for row in sorted(set(tests) - set(rows)) for test in tests[row]]:
        raise ValueError(f"tests name rows that do not exist: {', '.join(unknown)}")
    states = [judge_row(tests.get(row, ())) for row in rows]
    met, partly, still_open = (states.count(state) for state in State)
    lines = [
        "# Requirements and their tests",
        "",
        "Written by `make requirements` from the marks of the tests; do not edit it. A row is *met* where a test says",
        "that with it, and the row's others, the row holds as it reads; *partly* met where tests prove some of it;",
        "else *open*. Each test goes through the interface that its row speaks of, and is listed as pytest takes it:",
        "`.venv/bin/python -m pytest <path>::<name>`. For each row that is met, `make row-faults` breaks what the row",
        "says, and sees a test fail.",
        "",
        f"Of {len(rows)} rows, {met} are met, {partly} partly, and {still_open} are open.",
        "",
        "| group | met | partly | open |",
        "|---|---|---|---|",
    ]
    for group in groups:
        of_group = [judge_row(tests.get(row, ())) for row in group.rows]
        lines.append(f"| {group.title} | {' | '.join(str(of_group.count(state)) for state in State)} |")
    for group in groups:
        lines += _render_group(group, tests)
    return "\n".join(lines) + "\n"


def _render_group(group: Group, tests: Mapping[str, Sequence[MarkedTest]]) -> list[str]:
    lines = ["", f"## {group.title}", "", "| row | requirement | state | tests |", "|---|---|---|---|"]
    for row, text in group.rows.items():
        marked = tests.get(row, ())
        lines.append(f"| {row} | {text} | {judge_row(marked)} | {len(marked) or ''} |")
    if not any(tests.get(row) for row in group.rows):
        return lines
    # Git hosts render Markdown inside of <details> only between empty lines.
    lines += ["", "<details>", "<summary>Tests by row</summary>"]
    for row in group.rows:
        if tests.get(row):
            lines += ["", f"**{row}**", ""]
            lines += [f"- `{test.node_id}`{' (met)' if test.is_met else ''}" for test in tests[row]]
    return [*lines, "", "</details>"]


def main() -> None:
    """Writes the page, or with `--check` ends with an error where the committed page differs."""
    try:
        page = render_page(read_groups(ROWS.read_text("utf-8")), find_marked_tests(ROOT))
    except ValueError as error:
        sys.exit(f"{error}; see {ROWS.relative_to(ROOT)} and section 8 of docs/conventions.md")
    if sys.argv[1:] != ["--check"]:
        PAGE.write_text(page, "utf-8")
    elif not PAGE.exists() or PAGE.read_text("utf-8") != page:
        sys.exit(f"{PAGE.relative_to(ROOT)} differs from the marks of the tests; run `make requirements` and commit it")


if __name__ == "__main__":
    main()

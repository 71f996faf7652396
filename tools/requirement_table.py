"""Writes docs/requirements.md: which test proves which row. `python -m tools.requirement_table [--check]`.

The rows come from docs/requirement-rows.txt, the marks from the collected tests, so a row without a test is visible.
"""

import ast
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = ROOT / "docs" / "requirement-rows.txt"
TABLE = ROOT / "docs" / "requirements.md"


def marked_tests() -> dict[str, list[str]]:
    """Row → the tests that carry its mark, as `path::name`."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for row in _rows_of(node):
                    found[row].append(f"{file.relative_to(ROOT)}::{node.name}")
    return found


def _rows_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [
        argument.value
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.requirement"
        for argument in decorator.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]


def table() -> str:
    """The page, as text. Raises SystemExit where a test names a row that does not exist."""
    rows = dict(line.split(" ", 1) for line in ROWS.read_text("utf-8").splitlines() if line)
    tests = marked_tests()
    if unknown := sorted(set(tests) - set(rows)):
        sys.exit(f"tests name rows that do not exist: {', '.join(unknown)}; see {ROWS.relative_to(ROOT)}")
    lines = [
        "# Row → test",
        "",
        "Made by `make requirements` from the marks of the tests; never edited by hand. A row without a test is open.",
        "",
        f"{sum(1 for row in rows if tests.get(row))} of {len(rows)} rows have a test.",
        "",
        "| row | what | tests |",
        "|---|---|---|",
    ]
    for row, what in rows.items():
        proofs = "<br>".join(f"`{test}`" for test in tests.get(row, [])) or "open"
        lines.append(f"| {row} | {what} | {proofs} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = table()
    if sys.argv[1:] == ["--check"]:
        if not TABLE.exists() or TABLE.read_text("utf-8") != text:
            sys.exit(f"{TABLE.relative_to(ROOT)} is not what the tests say; run `make requirements` and commit it")
    else:
        TABLE.write_text(text, "utf-8")

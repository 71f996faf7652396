"""Reads the tests' requirement marks from the sources, and refuses a mark that is not one.

`@pytest.mark.requirement("REG-03")` says that the test proves a part of the row; `@pytest.mark.requirement("REG-03",
"met")` that with this test, and the row's others, the row holds as it reads. As `pytestmark` of a module, alone or in a
list, a mark stands on each of its tests. A test that calls functions (tests/unit) goes through no interface of a
person or a system, and therefore proves no row.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class MarkedTest:
    """A test that carries a row's mark: pytest's node id (`path::name`), and whether the mark says that the row is met.

    A parametrized test is one, whatever its parameters.
    """

    node_id: str
    is_met: bool


def find_marked_tests(root: Path) -> dict[str, list[MarkedTest]]:
    """Returns the tests below `root`/tests that carry a row's mark, by row.

    Raises ValueError, with file and line or name, for a mark that is malformed, stands twice, in tests/unit, or on
    something that is not a test.
    """
    tests: dict[str, list[MarkedTest]] = {}
    for file in sorted((root / "tests").rglob("*.py")):
        if "requirement" not in (source := file.read_text("utf-8")):
            continue
        path = file.relative_to(root)
        for name, rows in _read_marks(ast.parse(source), path):
            if path.parts[1] == "unit":
                raise ValueError(
                    f"{path}::{name} carries the mark of {', '.join(rows)}; a unit test proves no requirement: mark a "
                    "test that goes through the row's interface"
                )
            for row, is_met in rows.items():
                tests.setdefault(row, []).append(MarkedTest(f"{path}::{name}", is_met))
    return tests


def _read_marks(module: ast.Module, path: Path) -> Iterator[tuple[str, dict[str, bool]]]:
    """Yields each marked test of a module with its rows, and whether the mark of each says that it is met."""
    tests = [node for node in module.body if isinstance(node, Function) and _is_test(node, path)]
    of_module = [mark for mark in _list_module_marks(module) if _is_mark(mark)]
    of_tests = {test.name: [mark for mark in test.decorator_list if _is_mark(mark)] for test in tests}
    placed = [*(of_module if tests else ()), *(mark for marks in of_tests.values() for mark in marks)]
    for mark in _list_all_marks(module):
        if not any(mark is one for one in placed):
            raise ValueError(f"{path}:{mark.lineno}: a requirement's mark on something that is not a test")
    shared = _read_rows(of_module, path)
    for name, marks in of_tests.items():
        own = _read_rows(marks, path)
        if rows := {row: shared.get(row, False) or own.get(row, False) for row in [*shared, *own]}:
            yield name, rows


def _list_module_marks(module: ast.Module) -> list[ast.expr]:
    """Returns what is assigned to `pytestmark` in a module: one mark, or those of a list."""
    marks: list[ast.expr] = []
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.Assign) and "pytestmark" in map(ast.unparse, targets):
            marks += node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
    return marks


def _list_all_marks(module: ast.Module) -> list[ast.expr]:
    """Returns all requirement marks of a module, wherever they stand."""
    marks = [node for node in ast.walk(module) if isinstance(node, ast.expr) and _is_mark(node)]
    functions = [mark.func for mark in marks if isinstance(mark, ast.Call)]
    return [mark for mark in marks if not any(mark is function for function in functions)]


def _is_test(function: Function, path: Path) -> bool:
    return path.name.startswith("test_") and function.name.startswith("test_")


def _is_mark(node: ast.expr) -> bool:
    """Returns whether an expression is a requirement's mark, with or without its arguments."""
    name = node.func if isinstance(node, ast.Call) else node
    return isinstance(name, ast.Attribute) and ast.unparse(name) in ("pytest.mark.requirement", "mark.requirement")


def _read_rows(marks: Sequence[ast.expr], path: Path) -> dict[str, bool]:
    """Returns the rows of marks that stand at one place, and whether the mark of each says that it is met."""
    rows: dict[str, bool] = {}
    for mark in marks:
        match mark:
            case ast.Call(args=[ast.Constant(value=str(row))], keywords=[]):
                is_met = False
            case ast.Call(args=[ast.Constant(value=str(row)), ast.Constant(value="met")], keywords=[]):
                is_met = True
            case _:
                raise ValueError(
                    f"{path}:{mark.lineno}: {ast.unparse(mark)}; a mark names one row, and after it the word "
                    '"met" or nothing: @pytest.mark.requirement("REG-03", "met")'
                )
        if row in rows:
            raise ValueError(f"{path}:{mark.lineno}: {row} is marked twice at one place")
        rows[row] = is_met
    return rows

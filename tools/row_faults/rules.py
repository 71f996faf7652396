"""What is checked of the faults without running anything, so that none of them rots."""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.requirement_marks import MarkedTest
from tools.requirement_table import list_met_rows
from tools.row_faults.fault import Fault


def list_problems(faults: Sequence[Fault], tests: Mapping[str, Sequence[MarkedTest]], root: Path) -> list[str]:
    """Returns what is wrong with the faults of a repository, a sentence for each; none where all is well.

    `tests` are the tests that carry a row's mark, by row.
    """
    met = list_met_rows(tests)
    rows = [fault.row for fault in faults]
    return [
        *(f"{row} is met and has no fault: add one to tools/row_faults/faults" for row in met if row not in rows),
        *(f"{row} has more than one fault" for row in sorted(set(rows)) if rows.count(row) > 1),
        *(f"{fault.row}: {problem}" for fault in faults for problem in _list_problems(fault, met, tests, root)),
    ]


def list_model_problems(faults: Sequence[Fault], root: Path) -> list[str]:
    """Returns what is wrong with the faults of no row, a sentence for each; none where all is well."""
    problems = [f"{fault.row}: {problem}" for fault in faults for problem in _list_file_problems(fault, root)]
    for fault in faults:
        path, _, name = fault.test.partition("::")
        if not (root / path).is_file() or f"def {name}(" not in (root / path).read_text("utf-8"):
            problems.append(f"{fault.row}: there is no such test: {fault.test}")
    return problems


def _list_problems(
    fault: Fault, met: Sequence[str], tests: Mapping[str, Sequence[MarkedTest]], root: Path
) -> list[str]:
    problems = []
    if fault.row not in met:
        problems.append("the row is not met, so it needs no fault")
    if fault.test not in {test.node_id for test in tests.get(fault.row, ())}:
        problems.append(f"there is no such test with the row's mark: {fault.test}")
    return [*problems, *_list_file_problems(fault, root)]


def _list_file_problems(fault: Fault, root: Path) -> list[str]:
    problems = []
    file = root / fault.file
    if not file.is_file() or file.is_relative_to(root / "tests"):
        problems.append(f"there is no such file outside of tests: {fault.file}")
    elif (count := (source := file.read_text("utf-8")).count(fault.old)) != 1:
        problems.append(f"{fault.file} has the text to replace {count} times, instead of once: {fault.old!r}")
    elif fault.old == fault.new:
        problems.append("the fault changes nothing")
    elif file.suffix == ".py" and not _is_python(source.replace(fault.old, fault.new)):
        problems.append(f"with the fault, {fault.file} is no Python any more")
    return problems


def _is_python(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True

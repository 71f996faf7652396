"""A pytest plugin that records how each test ended, one JSON object per line, in the file of `--outcomes`.

Loaded by name in the copy of the repository (`-p tools.row_faults.outcomes`); it imports nothing of the repository.
"""

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

# The exceptions by which a test says that something is not as it should be: an assertion, `pytest.raises` without an
# exception, and the refusal of a service. Anything else may come of a fault that breaks more than its row, and so may
# the refusal of a service that does not know what happened to it.
_EXPECTED = {"AssertionError", "Failed", "Refusal"}
_UNKNOWN = "INTERNAL_FAILURE"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option with the file to write."""
    parser.addoption("--outcomes", type=Path, required=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Records the test itself, and each failed part of it: its set-up, its call or its tear-down."""
    report = yield
    if report.when == "call" or report.failed:
        outcome: dict[str, Any] = {"test": item.nodeid, "part": report.when, "passed": report.passed, "error": ""}
        if call.excinfo is not None:
            names = {kind.__name__ for kind in call.excinfo.type.__mro__}
            outcome["error"] = call.excinfo.exconly().strip().splitlines()[0]
            is_unknown = getattr(call.excinfo.value, "reason", "") == _UNKNOWN
            outcome["is_expected"] = bool(names & _EXPECTED) and not is_unknown
        with item.config.getoption("--outcomes").open("a", encoding="utf-8") as file:
            file.write(json.dumps(outcome) + "\n")
    return report

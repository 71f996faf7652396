"""Prints the branch coverage of each package below the test results; `make test` loads this plugin.

Measured in the tests' own processes: services that a test starts as processes of their own are not counted.
"""

import json
from collections import defaultdict
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[2] / "build" / "coverage" / "report.json"
COUNTS = ("covered_lines", "num_statements", "covered_branches", "num_branches")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints one line per package from the report that pytest-cov has written."""
    if not REPORT.exists():
        return
    totals: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
    for file, measured in json.loads(REPORT.read_text("utf-8"))["files"].items():
        parts = Path(file).parts
        package = parts[1] if parts[0] == "card-agent" else parts[2]
        for count in COUNTS:
            totals[package][count] += measured["summary"][count]
    terminalreporter.section("branch coverage")
    for package, total in sorted(totals.items()):
        lines = _percentage(total["covered_lines"], total["num_statements"])
        branches = _percentage(total["covered_branches"], total["num_branches"])
        terminalreporter.write_line(f"{package:<24} lines {lines:>4}   branches {branches:>4}")


def _percentage(covered: int, all_of_them: int) -> str:
    return f"{100 * covered // all_of_them} %" if all_of_them else "-"

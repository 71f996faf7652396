"""Whose clock decides (ADR 15): what is stored and compared later comes from the database's clock."""

import ast
from pathlib import Path

# What shows the instant to somebody, or asks which day it is in Japan.
BY_PROCESS = {"BidderList", "BidderNames", "QualifiedAgencyList"}


def test_only_what_is_not_stored_follows_the_clock_of_a_process() -> None:
    by_clock: dict[str, set[str]] = {"now": set(), "read_time": set()}
    for command in Path("services").glob("*/*/commands/*.py"):
        if command.parts[-3] == "front_door":  # It has no database.
            continue
        calls = [node for node in ast.walk(ast.parse(command.read_text("utf-8"))) if isinstance(node, ast.Call)]
        for call in calls:
            for keyword in call.keywords:
                if keyword.arg == "clock":
                    assert isinstance(keyword.value, ast.Name)
                    assert isinstance(call.func, ast.Name)
                    by_clock[keyword.value.id].add(call.func.id)
    assert by_clock["now"] == BY_PROCESS
    assert len(by_clock["read_time"]) > 15

"""Whose clock decides (ADR 15): what is stored and compared later comes from the database's clock."""

import ast
from pathlib import Path

# What shows the instant to somebody, or asks which day it is in Japan; and when a page of the portal expects a card's
# session to end, which certificate-registry decides by the database's clock.
BY_PROCESS = {"BidderList", "BidderNames", "build_application"}


def test_only_what_is_not_stored_follows_the_clock_of_a_process() -> None:
    # What a function is given as `clock`, its caller chose; it can only be a clock of the database.
    by_clock: dict[str, set[str]] = {"now": set(), "read_time": set(), "find_time": set(), "clock": set()}
    for command in Path("services").glob("*/*/commands/*.py"):
        if command.parts[-3] == "front_door":  # It has no database.
            continue
        nodes = list(ast.walk(ast.parse(command.read_text("utf-8"))))
        parameters = [node for node in nodes if isinstance(node, ast.arg) and node.arg == "clock"]
        assert {ast.unparse(node.annotation) for node in parameters if node.annotation} <= {"DatabaseClock"}
        calls = [node for node in nodes if isinstance(node, ast.Call)]
        for call in calls:
            for keyword in call.keywords:
                if keyword.arg == "clock":
                    assert isinstance(keyword.value, ast.Name)
                    assert isinstance(call.func, ast.Name)
                    by_clock[keyword.value.id].add(call.func.id)
    assert by_clock["now"] == BY_PROCESS
    assert len(by_clock["read_time"] | by_clock["find_time"]) > 15

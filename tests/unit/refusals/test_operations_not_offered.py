"""No text for contractors sends anybody to an operation that is in the menu but not built (docs/limitations.md).

Only the profile's texts about these operations themselves name them: their guides, and the mails about them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from refusals.catalogue import catalogue

ROOT = Path(__file__).parents[3]
NOT_OFFERED = re.compile(
    "「(利用者)?変更」|「?ICカード(の)?更新|利用者変更|card renewal|renew (the|your) card|choose change", re.I
)
# What contractors read: the card agent's screens, the lines that a card signs, mails, and letters with passwords.
SOURCES = (
    "card-agent/card_agent",
    "services/front-door/front_door",
    "services/contact-notification/contact_notification",
    "services/operator/operator_command/officer/letters.py",
)
PROFILES = sorted((ROOT / "profiles").glob("*.yaml"))
# The parts of a profile that are about these operations.
ABOUT_THEM = {"mails.change", "mails.renewal", "operations.change", "operations.renewal"}


def read_texts(path: Path) -> Iterator[tuple[str, str]]:
    """Yields the string literals of Python sources, without docstrings, with the line of each."""
    for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        bodies = (node.body for node in ast.walk(tree) if isinstance(node, documented))
        docstrings = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node.value


def read_profile_texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yields the texts of a profile with their keys; an operation's guide is named by its operation."""
    if key in ABOUT_THEM:
        return
    if isinstance(value, dict):
        for name, part in value.items():
            yield from read_profile_texts(part, f"{key}.{name}".removeprefix("."))
    elif isinstance(value, list):
        for part in value:
            name = part.get("operation", "") if isinstance(part, dict) else ""
            yield from read_profile_texts(part, f"{key}.{name}" if name else key)
    elif isinstance(value, str):
        yield key, value


def send_there(texts: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(place, text) for place, text in texts if NOT_OFFERED.search(text)]


@pytest.mark.parametrize("source", SOURCES)
def test_no_source_of_texts_for_contractors_sends_anybody_there(source: str) -> None:
    assert list(read_texts(ROOT / source))
    assert send_there(read_texts(ROOT / source)) == []


def test_no_words_of_a_reason_send_anybody_there() -> None:
    texts = ((reason, f"{words.ja}\n{words.en}") for reason, words in catalogue().items())
    assert send_there(texts) == []


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.name)
def test_no_other_part_of_a_profile_sends_anybody_there(profile: Path) -> None:
    content = yaml.safe_load(profile.read_text("utf-8"))
    assert send_there(read_profile_texts(content)) == []
    # The guides of the operations themselves say what they are.
    assert NOT_OFFERED.search(str(content["operations"]))


def test_texts_that_send_anybody_there_are_found(tmp_path: Path) -> None:
    profile = {
        "reissue": {"ja": "「変更」を選んでください。"},
        "operations": [{"operation": "change", "name": "「変更」"}],
    }
    assert send_there(read_profile_texts(profile)) == [("reissue.ja", "「変更」を選んでください。")]

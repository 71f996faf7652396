"""A page with transcripts: prose that people write, and blocks that a test compares with what it saw, or writes.

A block stands under the comment that names it:

    <!-- transcript: wrong-pin -->
    ```text
    …
    ```
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_DAY_JA = r"\d{4}年\d{1,2}月\d{1,2}日(\([月火水木金土日]\))?"
_BLOCK = re.compile(r"<!-- transcript: (?P<name>[a-z0-9-]+) -->\n```text\n(?P<text>.*?)```\n", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mark:
    """What differs from run to run, as a regular expression, and what stands in the page in its place."""

    pattern: str
    ja: str
    en: str


# In this order: a number that is part of another one comes after it.
MARKS: Sequence[Mark] = (
    Mark(_DAY_JA + r" ?\d{1,2}時\d{1,2}分(\d{1,2}秒)?", "［日時］", "[date and time]"),
    Mark(_DAY_JA, "［日付］", "[date]"),
    Mark(r"(\w{3} )?\d{4}[-/]\d\d[-/]\d\d \d\d:\d\d(:\d\d)?( \(Japan time\))?", "［日時］", "[date and time]"),
    Mark(r"\d{4}[-/]\d\d[-/]\d\d", "［日付］", "[date]"),
    Mark(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "［番号］", "[number]"),
    Mark(r"\d{20,50}|(?<= / )[0-9A-F]{20,40}", "［シリアル番号］", "[serial number]"),
    Mark(r"Toroku Virtual Reader 00 0\d", "［カードリーダーの名前］", "[name of the reader]"),
)


def mark_variable_parts(text: str, language: str) -> str:
    """Returns a transcript with the marks in place of all that differs from run to run."""
    for mark in MARKS:
        text = re.sub(mark.pattern, mark.ja if language == "ja" else mark.en, text)
    return text


def read_transcripts(page: Path) -> dict[str, str]:
    """Returns the transcripts of a page by name, in their order."""
    return {block["name"]: block["text"] for block in _BLOCK.finditer(page.read_text("utf-8"))}


def write_transcripts(page: Path, transcripts: Mapping[str, str]) -> None:
    """Replaces the blocks of a page; a block without a transcript is left as it is."""

    def replace(block: re.Match[str]) -> str:
        text = transcripts.get(block["name"], block["text"])
        return f"<!-- transcript: {block['name']} -->\n```text\n{text}```\n"

    page.write_text(_BLOCK.sub(replace, page.read_text("utf-8")), "utf-8")

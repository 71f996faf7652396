"""The page about roster mappings: its mapping reads its file, and its faulty file has the errors that it lists."""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from instance_profile import load_profile
from instance_profile.roster_mapping import RosterMapping
from qualification_registry.domain.roster_cells import NULL
from qualification_registry.domain.roster_content import RosterContent
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_lines import LINE_FIELDS, LineReader, Lines
from qualification_registry.domain.roster_source import open_roster

ROOT = Path(__file__).parents[3]
PROFILE = load_profile(ROOT / "profiles" / "saitama.yaml")


@cache
def read_page() -> str:
    return (ROOT / "docs" / "howto" / "map-a-roster.md").read_text("utf-8")


def find_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", read_page(), re.DOTALL)


def read_file(text: str, place: int = 0) -> tuple[list[Lines], RosterErrors]:
    mapping = RosterMapping.model_validate(yaml.safe_load(find_blocks("yaml")[place]))
    errors = RosterErrors()
    file = open_roster(RosterContent.of(text.encode(mapping.encoding.value)), mapping, errors)
    reader = LineReader(mapping, PROFILE.agencies, PROFILE.bidder_id, file.header, errors, grade_kinds=1)
    return [reader.read(block) for block in file.read_blocks()], errors


def test_mapping_of_the_page_reads_its_file() -> None:
    lines, errors = read_file(find_blocks("csv")[0])
    assert errors.count == 0
    assert [key for block in lines for key in block.keys] == ["1100000101", "1100000102"]
    first, second = (dict(zip(LINE_FIELDS, line.split("\t"), strict=True)) for block in lines for line in block.lines)
    assert first["agencies"] == "saitama-prefecture kawagoe-city"
    assert (first["valid_from"], first["valid_until"], first["grades"]) == ("2026-04-01", "2028-03-31", '["A",""]')
    assert (second["corporate_number"], second["name"]) == (NULL, "見本清掃有限会社")


def test_mapping_of_joined_rows_reads_its_file() -> None:
    lines, errors = read_file(find_blocks("csv")[2], 1)
    assert errors.count == 0
    assert [key for block in lines for key in block.keys] == ["0000012345", "0000067890"]
    first, second = (dict(zip(LINE_FIELDS, line.split("\t"), strict=True)) for block in lines for line in block.lines)
    assert (first["name"], first["address"]) == ("見本建設（株）熊谷支店", "熊谷市架空町２－２　架空ビル３階")
    assert (first["telephone"], first["valid_until"]) == ("048-000-0002", NULL)
    assert [line["grades"] for line in (first, second)] == ['["A","B","○"]', '["C","",""]']
    assert [number for block in lines for number in block.numbers] == [6, 7]


def test_faulty_file_of_the_page_has_the_errors_that_it_lists() -> None:
    _, errors = read_file(find_blocks("csv")[1])
    found = sorted((error.row, error.column, error.reason) for error in errors.first)
    table = re.findall(r"^\| (\d+) \| (.+?) \| `([A-Z_]+)` \|", read_page(), re.MULTILINE)
    assert found == sorted((int(row), "" if column == "(the row)" else column, reason) for row, column, reason in table)


@pytest.mark.parametrize("key", ["agency_codes", "separator"])
def test_mapping_with_an_unknown_key_is_refused(key: str) -> None:
    content = yaml.safe_load(find_blocks("yaml")[0])
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        RosterMapping.model_validate({**content, key: "x"})


def test_reasons_of_the_page_are_explained() -> None:
    explained = (ROOT / "docs" / "errors.md").read_text("utf-8")
    assert [
        reason
        for reason in re.findall(r"`(?!TOROKU_)([A-Z]+_[A-Z_]+)`", read_page())
        if f"| `{reason}` |" not in explained
    ] == []

"""A roster file is read while it arrives, and its records are those of the csv module."""

import csv
import io
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qualification_registry.domain.corporate_number import are_corporate_numbers, is_corporate_number
from qualification_registry.domain.roster_content import PIECE_BYTES, ContentAbandoned, RosterContent
from qualification_registry.domain.roster_errors import RosterErrors
from qualification_registry.domain.roster_reader import RosterReader
from qualification_registry.domain.roster_records import CsvRecords, Records
from qualification_registry.domain.roster_source import open_roster
from qualification_registry.domain.roster_text import RosterText
from refusals import Refusal
from tests.support.rosters import corporate_number
from tests.support.services.example_rosters import HEADER, roster, roster_profile, row
from tests.support.services.roster_officer import WITH_IDS

PROFILE = roster_profile()
MAPPING = PROFILE.mapping(WITH_IDS)
CSV_TEXTS = st.text(st.sampled_from('aあ,,,\n\n"\r 　'), max_size=60)


def read_with_csv(text: str) -> tuple[list[list[str]], bool]:
    """Returns the records before the first error, and whether there is one."""
    records: list[list[str]] = []
    try:
        records.extend(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return records, True
    return records, False


def list_records(blocks: Sequence[Records]) -> list[list[str]]:
    return [list(record) for block in blocks for record in block.list_rows()]


@given(CSV_TEXTS, st.integers(1, 4), st.lists(st.integers(1, 20), max_size=8))
def test_records_are_those_of_the_csv_module(text: str, width: int, lengths: list[int]) -> None:
    content = RosterContent()
    arriving = io.BytesIO(text.encode())
    for length in lengths:
        content.add(arriving.read(length))
    content.add(arriving.read())
    content.complete()
    records = CsvRecords(RosterText(content, MAPPING.encoding).read())
    blocks: list[Records] = []
    is_broken = False
    try:
        blocks.extend(records.read_further(width))
    except csv.Error:
        is_broken = True
    expected, is_expected_broken = read_with_csv(text)
    assert (list_records(blocks), is_broken) == (expected, is_expected_broken)
    assert records.read == len(expected)
    for block in blocks:
        assert block.count == len(block.list_rows())
        if block.columns:
            assert len(block.columns) == width
            assert all(any(record) for record in block.list_rows())


@given(st.lists(st.sampled_from(['a,b\n"c\nd",e\n', "f,g\n", "h\n", "\n", ",\n", "i,j\r\n"]), max_size=12))
def test_pieces_of_a_text_make_no_difference(pieces: list[str]) -> None:
    records = CsvRecords(iter(pieces))
    blocks = list(records.read_further(2))
    assert list_records(blocks) == read_with_csv("".join(pieces))[0]
    assert [block.first for block in blocks][1:] == [block.first + block.count for block in blocks][:-1]


@given(st.lists(st.integers(0, 10**12 - 1).map(corporate_number), min_size=1), st.integers(0, 9))
def test_many_corporate_numbers_are_checked_as_each_of_them(numbers: list[str], digit: int) -> None:
    altered = [*numbers[:-1], numbers[-1][:-1] + str(digit)]
    for texts in (numbers, altered, [*numbers, "0" * 13], [*numbers, "1"], [*numbers, "１" * 13]):
        assert are_corporate_numbers(texts) == all(map(is_corporate_number, texts))


def test_lines_are_there_before_the_file_is() -> None:
    content = RosterContent()
    lines = [row(f"{1000000000 + number}") for number in range(2000)]
    content.add(roster(*lines))
    # Reading more than what arrived would wait without end.
    file = open_roster(content, MAPPING, RosterErrors())
    blocks = file.read_blocks()
    block = next(blocks)
    assert block.numbers[0] == 2
    assert block.columns[0][:2] == ["1000000000", "1000000001"]
    content.complete()
    assert len(block.numbers) + sum(len(further.numbers) for further in blocks) == file.rows == 2000


def test_reader_stops_ahead_and_goes_on() -> None:
    content = RosterContent.of(roster(*(row(f"{1000000000 + number}") for number in range(2000))))
    reader = RosterReader(PROFILE, MAPPING, content, grade_kinds=1)
    reader.stop_ahead()
    reader.read_ahead()
    blocks = list(iter(reader.read_next, None))
    assert [key for block in blocks for key in block.lines.keys] == [f"{1000000000 + number}" for number in range(2000)]
    assert blocks[-1].rows == 2000
    assert reader.errors.count == 0


def test_abandoned_file_ends_its_reading() -> None:
    content = RosterContent()
    content.add(HEADER.encode())
    content.abandon()
    with pytest.raises(ContentAbandoned):
        RosterReader(PROFILE, MAPPING, content, grade_kinds=1).read_ahead()


def test_what_the_whole_file_shows_says_more_than_its_records() -> None:
    """The records of the first pieces are wrong for another encoding's reason, which only a later piece shows."""
    content = RosterContent.of((f"{HEADER}\n" * PIECE_BYTES)[:PIECE_BYTES].encode() + b"\n\x1b$B8+K\\\x1b(B\n")
    reader = RosterReader(PROFILE, MAPPING, content, grade_kinds=1)
    with pytest.raises(Refusal, match="ROSTER_ENCODING_WRONG"):
        reader.read_ahead()


def test_repeated_bidders_name_their_first_rows_wherever_these_are() -> None:
    ids = [1_000_000_000 + number for number in range(4000)]
    for row_number, first_row in ((1500, 2), (2800, 1600), (2900, 2), (3900, 3800)):
        ids[row_number - 2] = ids[first_row - 2]
    reader = RosterReader(PROFILE, MAPPING, RosterContent.of(roster(*(row(f"{each}") for each in ids))), grade_kinds=1)
    reader.read_ahead()
    assert [(error.row, error.reason, error.metadata["first_row"]) for error in reader.errors.first] == [
        (1500, "ROSTER_BIDDER_TWICE", "2"),
        (2800, "ROSTER_BIDDER_TWICE", "1600"),
        (2900, "ROSTER_BIDDER_TWICE", "2"),
        (3900, "ROSTER_BIDDER_TWICE", "3800"),
    ]


def test_reading_makes_no_copy_of_the_whole_file() -> None:
    content = RosterContent.of(whole := roster(*(row(f"{1000000000 + number}") for number in range(60_000))))
    tracemalloc.start()
    try:
        rows = sum(len(block.numbers) for block in open_roster(content, MAPPING, RosterErrors()).read_blocks())
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows == 60_000
    assert most < len(whole) / 2

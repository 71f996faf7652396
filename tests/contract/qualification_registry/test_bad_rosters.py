"""Every wrong roster file is refused with its own reason, at its row and column, and changes nothing (QUA-12)."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from refusals import Refusal
from tests.support.rosters import corporate_number
from tests.support.services.qualification_registry import (
    HEADER,
    WITH_IDS,
    WITHOUT_IDS,
    QualificationHouse,
    qualification_house,
    roster,
    row,
)
from toroku.qualification.v1 import service_pb2

ID, NAME = "業者番号", "商号"
GOOD = row("1000000001")
TABLES = ("roster_lines", "roster_file_pieces", "undecided_lines", "bidders")


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[QualificationHouse]:
    async with qualification_house(migrated_database("qualification_registry"), tmp_path) as opened:
        yield opened


async def nothing_is_kept(house: QualificationHouse) -> bool:
    """Whether the database holds nothing of any file."""
    counts = [await house.rows(f"SELECT count(*) FROM {table}") for table in TABLES]  # noqa: S608
    return counts == [[(0,)]] * len(TABLES)


@pytest.mark.requirement("QUA-12")
async def test_a_file_that_is_wrong_as_a_whole_is_refused(house: QualificationHouse) -> None:
    for content, mapping_name, reason in (
        (b"", WITH_IDS, "ROSTER_EMPTY"),
        (roster(), WITH_IDS, "ROSTER_EMPTY"),
        (roster(GOOD), "no-such-mapping", "ROSTER_MAPPING_UNKNOWN"),
        (roster(GOOD, encoding="cp932"), WITH_IDS, "ROSTER_ENCODING_WRONG"),
        # Found only after lines were written already.
        (
            roster(*(row(f"{1000000000 + number}") for number in range(5_000))) + b"\xff\n\n",
            WITH_IDS,
            "ROSTER_ENCODING_WRONG",
        ),
        (roster(GOOD, header=HEADER.replace(NAME, "氏名")), WITH_IDS, "ROSTER_COLUMNS_MISSING"),
    ):
        with pytest.raises(Refusal) as caught:
            await house.officer.preview(content, mapping_name)
        assert caught.value.reason == reason
        assert await nothing_is_kept(house)


@pytest.mark.requirement("QUA-12")
async def test_errors_are_told_by_row_and_column_and_nothing_is_kept(house: QualificationHouse) -> None:
    good = [row(f"{1000000000 + number}") for number in range(5_000)]
    content = roster(*good, row("x"), row("1000009999", name=""), *good[:2]) + row("1000008888").encode()[:40]
    preview = await house.officer.preview(content)
    assert [(error.row, error.column, error.reason) for error in preview.errors] == [
        (5002, ID, "ROSTER_BIDDER_ID_WRONG"),
        (5003, NAME, "FIELD_REQUIRED"),
        (5004, ID, "ROSTER_BIDDER_TWICE"),
        (5005, ID, "ROSTER_BIDDER_TWICE"),
        (5006, "", "ROSTER_CUT_SHORT"),
    ]
    assert (preview.error_count, preview.rows, preview.gone) == (5, 5005, 0)
    with pytest.raises(Refusal, match="ROSTER_HAS_ERRORS") as caught:
        await house.officer.commit(preview.import_id)
    assert caught.value.metadata == {"count": "5"}
    assert await nothing_is_kept(house)


async def test_a_corporate_number_twice_is_a_bidder_twice(house: QualificationHouse) -> None:
    number = corporate_number(800_000_000_001)
    content = roster(row("", corporate_number=number), row("", "別の名前", corporate_number=number))
    preview = await house.officer.preview(content, WITHOUT_IDS)
    (error,) = preview.errors
    assert (error.row, error.column, error.reason) == (3, "法人番号", "ROSTER_BIDDER_TWICE")
    assert dict(error.metadata) == {"first_row": "2"}


async def test_two_rows_far_apart_are_found_to_be_one_bidder(house: QualificationHouse) -> None:
    lines = [row(f"{1000000000 + number}") for number in range(1_800)]
    preview = await house.officer.preview(roster(*lines, row("1000000007")))
    assert [(error.row, dict(error.metadata)) for error in preview.errors] == [(1802, {"first_row": "9"})]


async def test_all_errors_are_counted_and_the_first_are_shown(house: QualificationHouse) -> None:
    lines = [row(f"x{number}") for number in range(1_234)]
    preview = await house.officer.preview(roster(*lines))
    assert (preview.error_count, len(preview.errors), preview.rows) == (1_234, 200, 1_234)
    assert [error.row for error in preview.errors] == list(range(2, 202))


async def test_ids_that_were_assigned_may_stand_in_a_file(house: QualificationHouse) -> None:
    number = corporate_number(800_000_000_001)
    await house.officer.import_roster(roster(row("", corporate_number=number)), WITHOUT_IDS)
    commit = await house.officer.import_roster(roster(row("9000000001")), WITH_IDS)
    assert commit.new == 1
    assert await house.rows("SELECT bidder_id, assigned_for FROM bidders") == [("9000000001", number)]


@pytest.mark.requirement("QUA-12")
async def test_too_much_is_refused_before_reading_on(house: QualificationHouse) -> None:
    sent = 0

    def requests() -> Iterator[service_pb2.PreviewRosterRequest]:
        nonlocal sent
        yield service_pb2.PreviewRosterRequest(header=service_pb2.RosterHeader(mapping=WITH_IDS))
        while sent < 100:
            sent += 1
            yield service_pb2.PreviewRosterRequest(content=b"x" * 1024 * 1024)

    with pytest.raises(Refusal, match="ROSTER_TOO_LARGE") as caught:
        await house.officer.preview_messages(requests())
    assert caught.value.metadata == {"most_mib": "4"}
    # What is on its way when the refusal is written depends on the buffers between.
    assert sent < 50


async def test_a_piece_that_is_too_large_is_refused(house: QualificationHouse) -> None:
    header = service_pb2.PreviewRosterRequest(header=service_pb2.RosterHeader(mapping=WITH_IDS))
    piece = service_pb2.PreviewRosterRequest(content=b"x" * (1024 * 1024 + 1))
    with pytest.raises(Refusal, match="INPUT_TOO_LARGE"):
        await house.officer.preview_messages([header, piece])


async def test_a_wrong_file_leaves_the_current_version_as_it_is(house: QualificationHouse) -> None:
    await house.officer.import_roster(roster(GOOD))
    before = await house.rows("SELECT * FROM roster_lines")
    for content, reason in (
        (roster(), "ROSTER_EMPTY"),
        (roster(GOOD, row("x")), "ROSTER_HAS_ERRORS"),
        (roster(GOOD, encoding="utf-16"), "ROSTER_ENCODING_WRONG"),
    ):
        with pytest.raises(Refusal, match=reason):
            await house.officer.commit((await house.officer.preview(content)).import_id)
    assert await house.rows("SELECT * FROM roster_lines") == before

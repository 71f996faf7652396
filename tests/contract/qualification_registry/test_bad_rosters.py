"""Every wrong roster file is refused with a specific reason, by row and column, and changes nothing (QUA-12)."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from refusals import Refusal
from tests.support.rosters import corporate_number
from tests.support.services.example_rosters import HEADER, WITHOUT_IDS, roster, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import WITH_IDS
from toroku.qualification.v1 import qualification_registry_pb2

ID, NAME = "業者番号", "商号"
GOOD = row("1000000001")
TABLES = ("roster_lines", "roster_file_pieces", "undecided_lines", "bidders")


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        yield running


async def nothing_is_stored(registry: RunningQualificationRegistry) -> bool:
    """Returns whether the database contains nothing of any file."""
    counts = [await registry.query(f"SELECT count(*) FROM {table}") for table in TABLES]  # noqa: S608
    return counts == [[(0,)]] * len(TABLES)


@pytest.mark.requirement("QUA-12")
async def test_file_wrong_as_a_whole_is_refused(registry: RunningQualificationRegistry) -> None:
    for content, mapping_name, reason in (
        (b"", WITH_IDS, "ROSTER_EMPTY"),
        (roster(), WITH_IDS, "ROSTER_EMPTY"),
        (roster(GOOD), "no-such-mapping", "ROSTER_MAPPING_UNKNOWN"),
        (roster(GOOD, encoding="cp932"), WITH_IDS, "ROSTER_ENCODING_WRONG"),
        # Found only after lines were written.
        (
            roster(*(row(f"{1000000000 + number}") for number in range(5_000))) + b"\xff\n\n",
            WITH_IDS,
            "ROSTER_BYTES_WRONG",
        ),
        (b"%PDF-1.7", WITH_IDS, "ROSTER_FORMAT_WRONG"),
        (roster(GOOD, header=HEADER.replace(NAME, "氏名")), WITH_IDS, "ROSTER_COLUMNS_MISSING"),
    ):
        with pytest.raises(Refusal) as caught:
            await registry.officer.preview(content, mapping_name)
        assert caught.value.reason == reason
        assert await nothing_is_stored(registry)


@pytest.mark.requirement("QUA-12")
async def test_unknown_mapping_is_refused_with_the_titles_of_those_that_exist(
    registry: RunningQualificationRegistry,
) -> None:
    with pytest.raises(Refusal) as caught:
        await registry.officer.preview(roster(GOOD), "no-such-mapping")
    for mapping in registry.profile.roster_mappings[:10]:
        assert f"{mapping.name}（{mapping.title.ja}）" in caught.value.metadata["mappings_ja"]
        assert f"{mapping.name} ({mapping.title.en})" in caught.value.metadata["mappings_en"]


@pytest.mark.requirement("QUA-12")
async def test_errors_are_reported_by_row_and_column_and_nothing_is_stored(
    registry: RunningQualificationRegistry,
) -> None:
    good = [row(f"{1000000000 + number}") for number in range(5_000)]
    content = roster(*good, row("x"), row("1000009999", name=""), *good[:2]) + row("1000008888").encode()[:40]
    preview = await registry.officer.preview(content)
    assert [(error.row, error.column, error.reason) for error in preview.errors] == [
        (5002, ID, "ROSTER_BIDDER_ID_WRONG"),
        (5003, NAME, "FIELD_REQUIRED"),
        (5004, ID, "ROSTER_BIDDER_TWICE"),
        (5005, ID, "ROSTER_BIDDER_TWICE"),
        (5006, "", "ROSTER_CUT_SHORT"),
    ]
    assert (preview.error_count, preview.rows, preview.gone) == (5, 5005, 0)
    with pytest.raises(Refusal, match="ROSTER_HAS_ERRORS") as caught:
        await registry.officer.commit(preview.import_id)
    assert caught.value.metadata == {"count": "5"}
    assert await nothing_is_stored(registry)


async def test_repeated_corporate_number_is_a_repeated_bidder(registry: RunningQualificationRegistry) -> None:
    number = corporate_number(800_000_000_001)
    content = roster(row("", corporate_number=number), row("", "別の名前", corporate_number=number))
    preview = await registry.officer.preview(content, WITHOUT_IDS)
    (error,) = preview.errors
    assert (error.row, error.column, error.reason) == (3, "法人番号", "ROSTER_BIDDER_TWICE")
    assert dict(error.metadata) == {"first_row": "2"}


async def test_repeated_bidder_is_found_in_distant_rows(registry: RunningQualificationRegistry) -> None:
    lines = [row(f"{1000000000 + number}") for number in range(1_800)]
    preview = await registry.officer.preview(roster(*lines, row("1000000007")))
    assert [(error.row, dict(error.metadata)) for error in preview.errors] == [(1802, {"first_row": "9"})]


async def test_all_errors_are_counted_and_the_first_are_shown(registry: RunningQualificationRegistry) -> None:
    lines = [GOOD, *(row(f"x{number}") for number in range(1_234))]
    preview = await registry.officer.preview(roster(*lines))
    assert (preview.error_count, len(preview.errors), preview.rows) == (1_234, 200, 1_235)
    assert [error.row for error in preview.errors] == list(range(3, 203))


async def test_file_may_contain_assigned_ids(registry: RunningQualificationRegistry) -> None:
    number = corporate_number(800_000_000_001)
    await registry.officer.import_roster(roster(row("", corporate_number=number)), WITHOUT_IDS)
    commit = await registry.officer.import_roster(roster(row("9000000001")), WITH_IDS)
    assert commit.new == 1
    assert await registry.query("SELECT bidder_id, corporate_number FROM assigned_numbers") == [("9000000001", number)]
    assert await registry.query("SELECT bidder_id FROM bidders") == [("9000000001",)]


@pytest.mark.requirement("QUA-12")
async def test_too_large_file_is_refused_before_reading_on(registry: RunningQualificationRegistry) -> None:
    sent = 0

    def requests() -> Iterator[qualification_registry_pb2.PreviewRosterRequest]:
        nonlocal sent
        yield qualification_registry_pb2.PreviewRosterRequest(
            header=qualification_registry_pb2.RosterHeader(mapping=WITH_IDS)
        )
        while sent < 100:
            sent += 1
            yield qualification_registry_pb2.PreviewRosterRequest(content=b"x" * 1024 * 1024)

    with pytest.raises(Refusal, match="ROSTER_TOO_LARGE") as caught:
        await registry.officer.preview_messages(requests())
    assert caught.value.metadata == {"most_mib": "4"}
    # How much the client sends before it reads the refusal depends on buffers.
    assert sent < 50


async def test_too_large_piece_is_refused(registry: RunningQualificationRegistry) -> None:
    header = qualification_registry_pb2.PreviewRosterRequest(
        header=qualification_registry_pb2.RosterHeader(mapping=WITH_IDS)
    )
    piece = qualification_registry_pb2.PreviewRosterRequest(content=b"x" * (1024 * 1024 + 1))
    with pytest.raises(Refusal, match="INPUT_TOO_LARGE"):
        await registry.officer.preview_messages([header, piece])


async def test_wrong_file_does_not_change_the_current_version(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(GOOD))
    before = await registry.query("SELECT * FROM roster_lines")
    for content, reason in (
        (roster(), "ROSTER_EMPTY"),
        (roster(GOOD, row("x")), "ROSTER_HAS_ERRORS"),
        (roster(GOOD, encoding="utf-16"), "ROSTER_ENCODING_WRONG"),
    ):
        with pytest.raises(Refusal, match=reason):
            await registry.officer.commit((await registry.officer.preview(content)).import_id)
    assert await registry.query("SELECT * FROM roster_lines") == before

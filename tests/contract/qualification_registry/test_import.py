"""The import of a roster: a preview, then all or nothing, and every version stored (QUA-12)."""

import asyncio
import gc
import gzip
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE
from tests.support.rosters import corporate_number
from tests.support.services.example_rosters import (
    HEADER,
    OTHER_WITHOUT_IDS,
    WITH_IDS_CP932,
    WITHOUT_IDS,
    roster,
    roster_profile,
    row,
)
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import WITH_IDS, list_questions
from toroku.qualification.v1 import qualification_registry_pb2

ONE, TWO, THREE, FOUR = (corporate_number(800_000_000_000 + number) for number in range(4))
CURRENT_LINES = (
    "SELECT line.bidder_id, line.name FROM roster_lines line JOIN roster_imports import"
    " ON import.number = line.import_number AND import.made_version IS NOT NULL"
    " WHERE line.superseded_by IS NULL ORDER BY 1"
)


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        yield running


def unnumbered(name: str, number: str = "", address: str = "例示県一丁目", **changes: str) -> str:
    """Returns a line of a roster without bidder ids."""
    return row("", name, corporate_number=number, address=address, **changes)


@pytest.mark.every_postgresql
@pytest.mark.requirement("QUA-12")
async def test_preview_shows_what_an_import_would_do_and_changes_nothing(
    registry: RunningQualificationRegistry,
) -> None:
    preview = await registry.officer.preview(roster(row(), row("1000000002", "有限会社例示工務店")))
    assert (preview.roster, preview.rows, preview.new, preview.changed, preview.gone) == (WITH_IDS, 2, 2, 0, 0)
    assert await registry.query(CURRENT_LINES) == []
    assert await registry.query("SELECT * FROM bidders") == []
    assert await registry.list_agencies("1000000001") == {"1000000001": []}


@pytest.mark.requirement("QUA-12")
async def test_commit_makes_the_version_that_the_preview_showed(registry: RunningQualificationRegistry) -> None:
    preview = await registry.officer.preview(roster(row(), row("1000000002", "有限会社例示工務店")))
    commit = await registry.officer.commit(preview.import_id)
    assert (commit.roster_version, commit.new, commit.changed, commit.gone, commit.unchanged) == (1, 2, 0, 0, 0)
    assert await registry.list_agencies("1000000001") == {"1000000001": [CITY, PREFECTURE]}


async def test_repeated_commit_returns_the_same_result(registry: RunningQualificationRegistry) -> None:
    preview = await registry.officer.preview(roster(row()))
    first = await registry.officer.commit(preview.import_id)
    assert await registry.officer.commit(preview.import_id) == first
    assert await registry.query("SELECT version FROM rosters") == [(1,)]


@pytest.mark.requirement("QUA-12")
async def test_same_file_again_changes_nothing(registry: RunningQualificationRegistry) -> None:
    content = roster(row(), row("1000000002", "有限会社例示工務店"))
    await registry.officer.import_roster(content)
    before = await registry.query("SELECT * FROM roster_lines")
    preview = await registry.officer.preview(content)
    assert preview.same_as_current
    assert (preview.rows, preview.new, preview.changed, preview.gone, preview.unchanged) == (2, 0, 0, 0, 2)
    commit = await registry.officer.commit(preview.import_id)
    assert (commit.roster_version, commit.unchanged) == (1, 2)
    assert await registry.officer.commit(preview.import_id) == commit
    assert await registry.query("SELECT * FROM roster_lines") == before
    assert await registry.query("SELECT version FROM rosters") == [(1,)]


async def test_every_kind_of_value_is_stored_unchanged_and_counts_as_unchanged(
    registry: RunningQualificationRegistry,
) -> None:
    name = "㈱髙橋﨑組﨑・Ｌ'Ａtelier \\N \\t"
    address = '"例示県""例示""市\r\n一丁目, \\二 𠮷"'
    content = roster(row(name=name, address=address, corporate_number=ONE, grade='"A,""\\"""'))
    await registry.officer.import_roster(content)
    # A file with other bytes and the same values.
    preview = await registry.officer.preview(content + b"\r\n")
    assert (preview.same_as_current, preview.unchanged, preview.changed) == (False, 1, 0)
    lines = await registry.query("SELECT name, address, grades, corporate_number FROM roster_lines")
    assert lines == [(name, '例示県"例示"市\r\n一丁目, \\二 𠮷', '["A,\\"\\\\\\""]', ONE)]


@pytest.mark.every_postgresql
@pytest.mark.requirement("QUA-12")
async def test_originals_and_all_versions_are_stored(registry: RunningQualificationRegistry) -> None:
    files = [
        b"\xef\xbb\xbf" + roster(row(), row("1000000002", "有限会社例示工務店")),
        roster(row(address="例示県二丁目"), row("1000000002", "有限会社例示工務店")),
        roster(row(address="例示県二丁目")),
    ]
    for content in files:
        await registry.officer.import_roster(content)
    pieces = await registry.query(
        "SELECT import_number, content FROM roster_file_pieces ORDER BY import_number, position"
    )
    stored = [b"".join(bytes(piece) for number, piece in pieces if number == made) for made in (1, 2, 3)]
    assert list(map(gzip.decompress, stored)) == files
    imports = await registry.query(
        "SELECT file_sha256, previewed_by, committed_by, file_name FROM roster_imports ORDER BY number"
    )
    assert [bytes(file[0]) for file in imports] == [hashlib.sha256(content).digest() for content in files]
    assert {file[1:] for file in imports} == {("prefecture/hanako", "prefecture/hanako", "roster.csv")}
    # Unchanged lines are stored once.
    lines = await registry.query("SELECT bidder_id, import_number, superseded_by FROM roster_lines ORDER BY 1, 2")
    assert lines == [("1000000001", 1, 2), ("1000000001", 2, None), ("1000000002", 1, 3)]


async def test_bidder_that_returns_to_a_roster_is_the_same_bidder(registry: RunningQualificationRegistry) -> None:
    both = roster(row(), row("1000000002", "有限会社例示工務店"))
    for content in (both, roster(row()), both):
        await registry.officer.import_roster(content)
    assert await registry.list_agencies("1000000002") == {"1000000002": [CITY, PREFECTURE]}
    assert await registry.query("SELECT count(*) FROM bidders") == [(2,)]


@pytest.mark.requirement("QUA-12")
@pytest.mark.parametrize(
    ("content", "mapping_name"),
    [
        (roster(row(name="株式会社髙橋")), WITH_IDS),
        (b"\xef\xbb\xbf" + roster(row(name="株式会社髙橋")), WITH_IDS),
        (roster(row(name="株式会社髙橋"), encoding="cp932"), WITH_IDS_CP932),
        (roster(row(name="株式会社髙橋")).replace(b"\r\n", b"\n"), WITH_IDS),
        (roster(row(name="株式会社髙橋")).removesuffix(b"\r\n"), WITH_IDS),
    ],
)
async def test_rosters_are_read_in_all_their_encodings(
    registry: RunningQualificationRegistry, content: bytes, mapping_name: str
) -> None:
    await registry.officer.import_roster(content, mapping_name)
    assert await registry.query(CURRENT_LINES) == [("1000000001", "株式会社髙橋")]


@pytest.mark.requirement("QUA-12")
async def test_assigned_bidder_ids_stay_with_their_corporate_numbers(
    registry: RunningQualificationRegistry,
) -> None:
    first = await registry.officer.import_roster(
        roster(unnumbered("株式会社一", ONE), unnumbered("株式会社二", TWO)), WITHOUT_IDS
    )
    assert first.new == 2
    assert await registry.query(CURRENT_LINES) == [("9000000001", "株式会社一"), ("9000000002", "株式会社二")]
    # In another order, with another name, and with a new line at the start.
    second = await registry.officer.import_roster(
        roster(unnumbered("株式会社三", THREE), unnumbered("株式会社新二", TWO), unnumbered("株式会社一", ONE)),
        WITHOUT_IDS,
    )
    assert (second.new, second.changed, second.unchanged) == (1, 1, 1)
    assert await registry.query(CURRENT_LINES) == [
        ("9000000001", "株式会社一"),
        ("9000000002", "株式会社新二"),
        ("9000000003", "株式会社三"),
    ]
    # Another roster names the same companies.
    await registry.officer.import_roster(roster(unnumbered("㈱一", ONE), unnumbered("㈱四", FOUR)), OTHER_WITHOUT_IDS)
    assert await registry.query("SELECT bidder_id, corporate_number FROM assigned_numbers ORDER BY 1") == [
        ("9000000001", ONE),
        ("9000000002", TWO),
        ("9000000003", THREE),
        ("9000000004", FOUR),
    ]


async def test_abandoned_preview_takes_no_id_in_use(registry: RunningQualificationRegistry) -> None:
    await registry.officer.preview(roster(unnumbered("株式会社一", ONE)), WITHOUT_IDS)
    await registry.officer.import_roster(roster(unnumbered("株式会社一", ONE)), WITHOUT_IDS)
    ids = await registry.query("SELECT bidder_id FROM bidders")
    await registry.officer.import_roster(
        roster(unnumbered("株式会社一", ONE), unnumbered("株式会社二", TWO)), WITHOUT_IDS
    )
    all_ids = await registry.query("SELECT bidder_id FROM bidders ORDER BY bidder_id")
    assert ids[0] in all_ids
    assert len(all_ids) == 2


@pytest.mark.requirement("QUA-12")
async def test_rows_without_a_corporate_number_need_a_decision(registry: RunningQualificationRegistry) -> None:
    content = roster(
        unnumbered("例示特定共同企業体", "JV"),
        unnumbered("株式会社一", ONE),
        unnumbered("見本商店", address="例示県九丁目"),
    )
    preview = await registry.officer.preview(content, WITHOUT_IDS)
    assert (preview.new, preview.rows) == (1, 3)
    assert [(line.row, line.name, line.suggested_bidder_id) for line in preview.undecided] == [
        (2, "例示特定共同企業体", ""),
        (4, "見本商店", ""),
    ]
    with pytest.raises(Refusal, match="ROSTER_ROWS_UNDECIDED") as caught:
        await registry.officer.commit(preview.import_id)
    assert caught.value.metadata == {"rows": "2, 4", "count": "2"}
    with pytest.raises(Refusal, match="ROSTER_ROWS_UNDECIDED"):
        await registry.officer.commit(preview.import_id, decisions=[(2, "")])
    assert await registry.query(CURRENT_LINES) == []
    commit = await registry.officer.commit(preview.import_id, decisions=[(2, ""), (4, "")])
    assert commit.new == 3


@pytest.mark.requirement("QUA-12")
async def test_bidder_with_the_same_name_and_address_is_suggested(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(
        roster(unnumbered("（株）髙橋・例示共同企業体", "JV"), unnumbered("株式会社一", ONE)), WITHOUT_IDS
    )
    ids = dict(await registry.query("SELECT name, bidder_id FROM roster_lines"))
    lines = [unnumbered("株式会社髙橋・例示共同企業体", address="例示県　一丁目"), unnumbered("株式会社一", ONE)]
    preview = await registry.officer.preview(roster(*lines), WITHOUT_IDS)
    (line,) = preview.undecided
    assert line.suggested_bidder_id == ids["（株）髙橋・例示共同企業体"]
    assert (preview.new, preview.gone, preview.unchanged) == (0, 0, 1)
    commit = await registry.officer.commit(preview.import_id, accept_suggestions=True)
    assert (commit.new, commit.changed, commit.gone, commit.unchanged) == (0, 1, 0, 1)
    # In another roster the bidder of this one is suggested as well.
    other = await registry.officer.preview(roster(lines[0]), OTHER_WITHOUT_IDS)
    assert other.undecided[0].suggested_bidder_id == line.suggested_bidder_id


async def test_identical_lines_are_paired_with_identical_bidders(
    registry: RunningQualificationRegistry,
) -> None:
    content = roster(unnumbered("例示企業体", "JV"), unnumbered("例示企業体", "JV", grade="B"))
    await registry.officer.import_roster(content, WITHOUT_IDS)
    again = await registry.officer.import_roster(content + b"\r\n", WITHOUT_IDS)
    assert (again.new, again.changed, again.gone, again.unchanged) == (0, 0, 0, 2)


async def test_decision_must_name_a_bidder_of_no_other_row(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(
        roster(unnumbered("例示企業体", "JV"), unnumbered("株式会社一", ONE), unnumbered("株式会社二", TWO)),
        WITHOUT_IDS,
    )
    ids = dict(await registry.query("SELECT name, bidder_id FROM roster_lines"))
    content = roster(
        unnumbered("別の企業体", "JV"),
        unnumbered("株式会社一", ONE),
        unnumbered("株式会社新二", TWO),
        unnumbered("さらに別の企業体", "JV"),
    )
    preview = await registry.officer.preview(content, WITHOUT_IDS)
    new = (5, "")
    for decisions, reason in (
        ([(2, "9999999999"), new], "BIDDER_UNKNOWN"),
        # Nothing that can be shown to who signs.
        ([(2, "1\x00"), new], "PURPOSE_MALFORMED"),
        # Another row of the file names that bidder: an unchanged one, a changed one, an undecided one.
        ([(2, ids["株式会社一"]), new], "ROSTER_BIDDER_DECIDED_TWICE"),
        ([(2, ids["株式会社二"]), new], "ROSTER_BIDDER_DECIDED_TWICE"),
        ([(2, ids["例示企業体"]), (5, ids["例示企業体"])], "ROSTER_BIDDER_DECIDED_TWICE"),
        ([(2, ""), (2, ""), new], "ROSTER_ROW_NOT_UNDECIDED"),
        ([(2, ""), (3, ""), new], "ROSTER_ROW_NOT_UNDECIDED"),
    ):
        with pytest.raises(Refusal) as caught:
            await registry.officer.commit(preview.import_id, decisions=decisions)
        assert caught.value.reason == reason
    commit = await registry.officer.commit(
        preview.import_id, decisions=[(2, ids["例示企業体"]), new], confirmed=list_questions(preview)
    )
    assert (commit.new, commit.changed, commit.gone, commit.unchanged) == (1, 2, 0, 1)


async def test_preview_is_valid_for_the_version_it_was_compared_with(registry: RunningQualificationRegistry) -> None:
    early = await registry.officer.preview(roster(row(address="例示県一丁目")))
    await registry.officer.import_roster(roster(row(address="例示県二丁目")))
    with pytest.raises(Refusal, match="ROSTER_PREVIEW_OUTDATED"):
        await registry.officer.commit(early.import_id)
    assert await registry.query("SELECT address FROM roster_lines WHERE import_number = 2") == [("例示県二丁目",)]


@pytest.mark.every_postgresql
async def test_two_concurrent_commits_make_one_version(registry: RunningQualificationRegistry) -> None:
    previews = [
        await officer.preview(roster(row(address=f"例示県{place}丁目")))
        for place, officer in (("一", registry.officer), ("二", registry.other_officer))
    ]
    outcomes = await asyncio.gather(
        registry.officer.commit(previews[0].import_id),
        registry.other_officer.commit(previews[1].import_id),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Refusal", "RosterCommit"]
    assert await registry.query("SELECT version FROM rosters") == [(1,)]
    assert len(await registry.query(CURRENT_LINES)) == 1


async def test_two_rosters_never_assign_two_ids_to_one_corporate_number(registry: RunningQualificationRegistry) -> None:
    one = await registry.officer.preview(roster(unnumbered("株式会社一", ONE)), WITHOUT_IDS)
    other = await registry.officer.preview(roster(unnumbered("株式会社一", ONE)), OTHER_WITHOUT_IDS)
    await registry.officer.commit(one.import_id)
    with pytest.raises(Refusal, match="ROSTER_PREVIEW_OUTDATED"):
        await registry.officer.commit(other.import_id)
    await registry.officer.import_roster(roster(unnumbered("株式会社一", ONE)), OTHER_WITHOUT_IDS)
    assert len(await registry.query("SELECT * FROM bidders")) == 1


@pytest.mark.every_postgresql
async def test_previews_expire_after_a_day_and_are_deleted(registry: RunningQualificationRegistry) -> None:
    preview = await registry.officer.preview(roster(row()))
    commit = await registry.officer.import_roster(roster(row("1000000002", "有限会社例示工務店")))
    assert commit.roster_version == 1
    registry.pass_time(timedelta(days=1))
    with pytest.raises(Refusal, match="ROSTER_PREVIEW_UNKNOWN"):
        await registry.officer.commit(preview.import_id)
    registry.pass_time(timedelta(days=2))
    await registry.delete_expired()
    for table in ("roster_imports", "roster_lines", "roster_file_pieces"):
        assert len(await registry.query(f"SELECT * FROM {table}")) == 1  # noqa: S608
    assert await registry.query(CURRENT_LINES) == [("1000000002", "有限会社例示工務店")]


async def test_changed_profile_makes_a_preview_outdated(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("qualification_registry")
    async with running_qualification_registry(dsn, tmp_path) as registry:
        preview = await registry.officer.preview(roster(row()))
    agencies = [agency.model_dump() | {"categories": ["works"]} for agency in roster_profile().agencies]
    async with running_qualification_registry(dsn, tmp_path, roster_profile(agencies=agencies)) as registry:
        with pytest.raises(Refusal, match="ROSTER_PREVIEW_OUTDATED"):
            await registry.officer.commit(preview.import_id)


@pytest.mark.parametrize("import_id", ["", "x", "00000000-0000-0000-0000-000000000000"])
async def test_unknown_preview_is_refused(registry: RunningQualificationRegistry, import_id: str) -> None:
    with pytest.raises(Refusal, match="ROSTER_PREVIEW_UNKNOWN"):
        await registry.officer.commit(import_id)


async def test_officer_without_the_role_is_refused(registry: RunningQualificationRegistry) -> None:
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await registry.officer_without_role.preview(roster(row()))
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await registry.officer_without_role.commit("00000000-0000-0000-0000-000000000000")


async def test_progress_is_sent_while_the_file_is_received_and_read(registry: RunningQualificationRegistry) -> None:
    content = roster(*(row(f"{1000000000 + number}", f"株式会社例示{number}") for number in range(12_000)))

    def requests(content: bytes) -> Iterator[qualification_registry_pb2.PreviewRosterRequest]:
        yield qualification_registry_pb2.PreviewRosterRequest(
            header=qualification_registry_pb2.RosterHeader(mapping=WITH_IDS)
        )
        for start in range(0, len(content), 500_000):
            yield qualification_registry_pb2.PreviewRosterRequest(content=content[start : start + 500_000])

    *progress, last = await registry.officer.preview_messages(requests(content))
    steps = [(message.progress.step, message.progress.done) for message in progress]
    assert ("receive", 500_000) in steps
    assert ("receive", len(content)) in steps
    assert [done for step, done in steps if step == "read"] == sorted(done for step, done in steps if step == "read")
    assert {step for step, _ in steps} == {"receive", "read", "compare", "write"}
    assert last.preview.new == 12_000
    await registry.officer.commit(last.preview.import_id)
    # What is written of a list of 200,000 is what an import waits for.
    [(stored,)] = await registry.query("SELECT sum(length(content)) FROM roster_file_pieces")
    assert stored < len(content) / 4
    # A file in which next to nothing changes has as much to read.
    again = content.replace("例示7,".encode(), "例示七,".encode())
    *progress, last = await registry.officer.preview_messages(requests(again))
    assert len([message for message in progress if message.progress.step == "read"]) > 1
    assert (last.preview.changed, last.preview.unchanged) == (1, 11_999)


async def test_broken_connection_leaves_nothing(registry: RunningQualificationRegistry) -> None:
    async def requests() -> AsyncIterator[qualification_registry_pb2.PreviewRosterRequest]:
        yield qualification_registry_pb2.PreviewRosterRequest(
            header=qualification_registry_pb2.RosterHeader(mapping=WITH_IDS)
        )
        yield qualification_registry_pb2.PreviewRosterRequest(content=roster(row()))
        await asyncio.Event().wait()

    call = registry.officer.asynchronous.PreviewRoster(requests())
    assert (await anext(aiter(call))).progress.step == "receive"
    call.cancel()
    assert (await registry.officer.preview(roster(row()))).new == 1
    assert len(await registry.query("SELECT * FROM roster_imports")) == 1


async def test_import_leaves_nothing_in_memory_for_the_collector(registry: RunningQualificationRegistry) -> None:
    """What only the collector of cycles frees stays for many imports, with the file and all lines of each."""
    gc.collect()
    gc.disable()
    try:
        await registry.officer.import_roster(roster(row()))
        await registry.officer.import_roster(roster(row(), row("1000000002")))
        await registry.officer.import_roster(roster(unnumbered("株式会社例示", ONE)), WITHOUT_IDS)
        kept = Counter(type(each).__name__ for each in gc.get_objects())
    finally:
        gc.enable()
    assert [kept[name] for name in ("RosterReading", "RosterReader", "LineReader", "Comparison", "Lines")] == [0] * 5


async def test_header_must_come_first_and_once(registry: RunningQualificationRegistry) -> None:
    header = qualification_registry_pb2.PreviewRosterRequest(
        header=qualification_registry_pb2.RosterHeader(mapping=WITH_IDS)
    )
    content = qualification_registry_pb2.PreviewRosterRequest(content=HEADER.encode())
    for parts in (
        (),
        (content, header),
        (header, content, header),
        (qualification_registry_pb2.PreviewRosterRequest(),),
    ):
        with pytest.raises(Refusal, match="ROSTER_STREAM_WRONG"):
            await registry.officer.preview_messages(parts)

"""The versions of a roster, for the officers who imported them: what each changed, its lines and its file (QUA-12)."""

import random
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path

import pytest

from qualification_registry.operations import roster_versions
from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE
from tests.support.services.example_rosters import OTHER_WITHOUT_IDS, WITH_IDS_CP932, roster, row
from tests.support.services.qualification_registry import (
    MORNING,
    RunningQualificationRegistry,
    running_qualification_registry,
)
from tests.support.services.roster_officer import WITH_IDS, list_questions
from toroku.qualification.v1 import bidder_pb2
from toroku.qualification.v1.bidder_pb2 import (
    LINE_KIND_GONE,
    LINE_KIND_IDENTITY_CHANGED,
    LINE_KIND_NEW,
    ROSTER_VERSION_STATE_ENDED,
    ROSTER_VERSION_STATE_IN_FORCE,
    ROSTER_VERSION_STATE_NOT_YET,
    ROSTER_VERSION_STATE_REPLACED,
)

FIRST, SECOND, THIRD = (f"100000000{number}" for number in (1, 2, 3))


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        yield running


async def list_names(registry: RunningQualificationRegistry, version: int, *, most: int = 0) -> dict[str, str]:
    """Returns the names of a version's lines by bidder id, over all pages."""
    lines: list[bidder_pb2.RosterLine] = []
    page = ""
    while True:
        answer = await registry.officer.list_version_lines(WITH_IDS, version, page=page, most=most)
        lines.extend(answer.lines)
        if not answer.next_page:
            break
        page = answer.next_page
    names = {line.company.bidder_id: line.company.name for line in lines}
    assert list(names) == sorted(names)
    assert len(names) == len(lines)
    return names


async def count_rows(registry: RunningQualificationRegistry) -> dict[str, int]:
    """Returns how many rows the tables of imports have."""
    tables = ("roster_imports", "roster_lines", "roster_file_pieces", "undecided_lines")
    return {table: (await registry.query(f"SELECT count(*) FROM {table}"))[0][0] for table in tables}  # noqa: S608 - names above


@pytest.mark.requirement("QUA-12", "met")
async def test_each_version_says_what_it_changed_and_keeps_its_lines_and_its_file(
    registry: RunningQualificationRegistry,
) -> None:
    officer = registry.officer
    files = [
        roster(row(FIRST, "株式会社見本建設"), row(SECOND, "株式会社髙見例示", telephone="")),
        roster(row(FIRST, "株式会社見元建設"), row(THIRD, "株式会社三号"), encoding="cp932"),
        roster(row(FIRST, "株式会社見本建設"), row(SECOND, "株式会社髙見例示", telephone="")),
    ]
    for number, content in enumerate(files):
        mapping = WITH_IDS_CP932 if number == 1 else WITH_IDS
        preview = await officer.preview(content, mapping, file_name=f"名簿{number + 1}.csv")
        await officer.commit(preview.import_id, confirmed=list_questions(preview))
        # A preview that nobody committed makes no version.
        await officer.preview(roster(row(SECOND, "株式会社未取込"), row(FIRST)), WITH_IDS)

    versions = await officer.list_versions(WITH_IDS)
    assert [version.version for version in versions] == [3, 2, 1]
    newest, wrong, first = versions
    assert [version.file_name for version in versions] == ["名簿3.csv", "名簿2.csv", "名簿1.csv"]
    assert [version.file_sha256 for version in versions] == [sha256(content).digest() for content in reversed(files)]
    assert [version.mapping for version in versions] == [WITH_IDS, WITH_IDS_CP932, WITH_IDS]
    assert [version.state for version in versions] == [
        ROSTER_VERSION_STATE_IN_FORCE,
        ROSTER_VERSION_STATE_REPLACED,
        ROSTER_VERSION_STATE_REPLACED,
    ]
    assert {version.committed_by for version in versions} == {f"{PREFECTURE}/hanako"}
    assert wrong.committed_at.seconds == int(MORNING.timestamp())
    counts = {count.kind: count.count for count in wrong.counts if count.count}
    assert counts == {LINE_KIND_NEW: 1, LINE_KIND_IDENTITY_CHANGED: 1, LINE_KIND_GONE: 1}
    assert (first.rows, first.unchanged, newest.rows) == (2, 0, 2)
    assert sorted(newest.confirmed) == ["ROSTER_FILE_SEEN_BEFORE", "ROSTER_MANY_GONE"]

    assert await list_names(registry, 1) == {FIRST: "株式会社見本建設", SECOND: "株式会社髙見例示"}
    assert await list_names(registry, 2) == {FIRST: "株式会社見元建設", THIRD: "株式会社三号"}
    assert await list_names(registry, 3, most=1) == await list_names(registry, 1)
    # The lines as they were, with the version and the row that brought them.
    line = (await officer.list_version_lines(WITH_IDS, 1)).lines[1]
    assert line.company == bidder_pb2.CompanyProfile(
        bidder_id=SECOND,
        name="株式会社髙見例示",
        address="例示県例示市一丁目",
        representative_name="見本　太郎",
        grades=[bidder_pb2.Grade(kind="土木", grade="A")],
    )
    assert (sorted(line.agencies), line.valid_from, line.valid_until) == (
        [CITY, PREFECTURE],
        "2025-04-01",
        "2027-03-31",
    )
    assert (line.since_version, line.row) == (1, 3)
    for number, content in enumerate(files, 1):
        assert await officer.read_file(WITH_IDS, number) == content


@pytest.mark.requirement("QUA-12")
async def test_lines_that_an_import_left_as_they_were_belong_to_its_version(
    registry: RunningQualificationRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster_versions, "_MOST_CHARACTERS", 200)
    # Not for secrets: the same seed gives the same rosters.
    chance = random.Random(3)  # noqa: S311
    expected: list[dict[str, str]] = []
    rows: dict[str, str] = {}
    for number in range(5):
        rows = {bidder_id: name for bidder_id, name in rows.items() if chance.random() > 0.1}
        rows |= {bidder_id: f"株式会社{number}版" for bidder_id in rows if chance.random() < 0.3}
        rows |= {f"{1_000_000_000 + chance.randrange(100)}": f"株式会社新規{number}" for _ in range(12)}
        await registry.officer.import_roster(roster(*(row(bidder_id, name) for bidder_id, name in rows.items())))
        expected.append(dict(sorted(rows.items())))
    for number, names in enumerate(expected, 1):
        assert await list_names(registry, number, most=7) == names
    assert {line.since_version for line in (await registry.officer.list_version_lines(WITH_IDS, 5)).lines} > {5}


@pytest.mark.requirement("QUA-12")
async def test_a_file_of_many_pieces_comes_back_byte_for_byte(registry: RunningQualificationRegistry) -> None:
    rows = [row(f"{1_000_000_000 + number}", f"株式会社見本{number:06}") for number in range(9000)]
    content = roster(*rows)
    assert len(content) > 1024 * 1024
    await registry.officer.import_roster(content)
    assert await registry.officer.read_file(WITH_IDS, 1) == content


@pytest.mark.requirement("QUA-12")
async def test_versions_of_terms_count_in_their_days(registry: RunningQualificationRegistry) -> None:
    officer = registry.officer
    this, following = ("2024-12-01", "2026-11-30"), ("2026-12-01", "2028-11-30")
    for name, term in (("株式会社一", this), ("株式会社二", following), ("株式会社三", this)):
        await officer.import_roster(roster(row(FIRST, name)), term=term)
    assert [(version.version, version.state) for version in await officer.list_versions(WITH_IDS)] == [
        (3, ROSTER_VERSION_STATE_IN_FORCE),
        (2, ROSTER_VERSION_STATE_NOT_YET),
        (1, ROSTER_VERSION_STATE_REPLACED),
    ]
    # A version has the list of its own term only.
    assert await list_names(registry, 2) == {FIRST: "株式会社二"}
    assert await list_names(registry, 3) == {FIRST: "株式会社三"}
    registry.now[0] = registry.now[0].replace(month=12, day=15)
    states = {version.version: version.state for version in await officer.list_versions(WITH_IDS)}
    assert states == {
        1: ROSTER_VERSION_STATE_REPLACED,
        2: ROSTER_VERSION_STATE_IN_FORCE,
        3: ROSTER_VERSION_STATE_ENDED,
    }


@pytest.mark.requirement("QUA-12")
async def test_versions_come_in_pages(registry: RunningQualificationRegistry) -> None:
    for number in range(5):
        await registry.officer.import_roster(roster(row(FIRST, f"株式会社{number}")))
    first = await registry.officer.list_versions(WITH_IDS, most=2)
    rest = await registry.officer.list_versions(WITH_IDS, before=first[-1].version, most=100)
    assert [version.version for version in (*first, *rest)] == [5, 4, 3, 2, 1]
    assert await registry.officer.list_versions(WITH_IDS, before=1) == []


async def test_unknown_rosters_versions_and_pages_are_refused(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(row(FIRST)))
    officer = registry.officer
    for roster_name in ("nowhere", "", "with\x00ids"):
        with pytest.raises(Refusal, match="ROSTER_UNKNOWN"):
            await registry.operators_officer.list_versions(roster_name)
    for version in (0, -1, 2, 2**31 - 1):
        with pytest.raises(Refusal, match="ROSTER_VERSION_UNKNOWN"):
            await officer.list_version_lines(WITH_IDS, version)
        with pytest.raises(Refusal, match="ROSTER_VERSION_UNKNOWN"):
            await officer.read_file(WITH_IDS, version)
    with pytest.raises(Refusal, match="PAGE_INVALID"):
        await officer.list_version_lines(WITH_IDS, 1, page="\x00")
    # A roster of the profile that was never imported has no versions.
    assert await officer.list_versions(OTHER_WITHOUT_IDS) == []


async def test_versions_are_shown_to_the_responsible_agencys_officers_only(
    registry: RunningQualificationRegistry,
) -> None:
    await registry.officer.import_roster(roster(row(FIRST)))
    preview = await registry.officer.preview(roster(row(FIRST, "株式会社二")))
    strangers = registry.city_officer
    for call in (
        strangers.list_versions(WITH_IDS),
        strangers.list_version_lines(WITH_IDS, 1),
        strangers.read_file(WITH_IDS, 1),
        strangers.cancel(preview.import_id),
    ):
        with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
            await call
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await registry.officer_without_role.list_versions(WITH_IDS)
    assert len(await registry.operators_officer.list_versions(WITH_IDS)) == 1


@pytest.mark.requirement("QUA-12")
async def test_a_cancelled_preview_leaves_nothing_behind(registry: RunningQualificationRegistry) -> None:
    officer = registry.officer
    await officer.import_roster(roster(row(FIRST)))
    kept = await officer.preview(roster(row(FIRST), row(SECOND, "株式会社二")))
    rows = await count_rows(registry)
    cancelled = await officer.preview(roster(row(FIRST), row(THIRD, "株式会社三")))
    wrong = await officer.preview(roster(row("short")))
    assert wrong.error_count
    for preview in (cancelled, wrong, cancelled):
        await officer.cancel(preview.import_id)
    assert await count_rows(registry) == rows
    with pytest.raises(Refusal, match="ROSTER_PREVIEW_UNKNOWN"):
        await officer.commit(cancelled.import_id)
    await officer.commit(kept.import_id)
    with pytest.raises(Refusal, match="ROSTER_PREVIEW_COMMITTED") as refused:
        await officer.cancel(kept.import_id)
    assert refused.value.metadata == {"roster": WITH_IDS, "version": "2"}
    with pytest.raises(Refusal, match="ROSTER_PREVIEW_UNKNOWN"):
        await officer.cancel("no id")

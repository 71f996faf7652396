"""The lines of a preview, page by page: by kind, with the values before and after, as many as were counted (QUA-12)."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE
from tests.support.rosters import corporate_number
from tests.support.services.example_rosters import OTHER_WITHOUT_IDS, WITHOUT_IDS, roster, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import list_questions
from toroku.qualification.v1 import bidder_pb2
from toroku.qualification.v1.bidder_pb2 import (
    LINE_KIND_CHANGED,
    LINE_KIND_GONE,
    LINE_KIND_GRADES_CHANGED,
    LINE_KIND_IDENTITY_CHANGED,
    LINE_KIND_NEW,
)

# The values of a row that the test changes, by the field and kind of the change that tells of it.
VALUES = {
    ("name", ""): ("name", ["株式会社見本", "株式会社見本\\t二", "株式会社例示"]),
    ("address", ""): ("address", ["例示県一丁目", "例示県二丁目", ""]),
    ("telephone", ""): ("telephone", ["03-0000-0000", "03-0000-0001", ""]),
    ("grade", "土木"): ("grade", ["A", "B", ""]),
    ("agencies", ""): ("agencies", ["例示県、例示市", "例示市"]),
    ("valid_until", ""): ("valid_until", ["2027-03-31", "2029-03-31"]),
}
AGENCY_CODES = {"例示県、例示市": f"{PREFECTURE} {CITY}", "例示市": CITY}
Row = dict[tuple[str, str], str]


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        yield running


def write(rows: dict[str, Row]) -> bytes:
    """Returns the file with these rows by bidder id."""
    return roster(
        *(
            row(bidder_id, **{VALUES[key][0]: value for key, value in cells.items()})
            for bidder_id, cells in rows.items()
        )
    )


def change(value: bidder_pb2.PreviewLine) -> dict[tuple[str, str], tuple[str, str]]:
    """Returns the values before and after, by field and kind."""
    return {(change.field, change.kind): (change.before, change.after) for change in value.changes}


async def list_all(
    registry: RunningQualificationRegistry, import_id: str, *kinds: Any, most: int
) -> list[bidder_pb2.PreviewLine]:
    """Returns the lines of all pages; each but the last is full."""
    lines: list[bidder_pb2.PreviewLine] = []
    page = ""
    while True:
        answer = await registry.officer.list_lines(import_id, *kinds, page=page, most=most)
        lines.extend(answer.lines)
        if not answer.next_page:
            return lines
        assert len(answer.lines) == most
        page = answer.next_page


@pytest.mark.requirement("QUA-12")
@pytest.mark.parametrize("seed", range(2))
async def test_pages_have_exactly_the_lines_that_were_counted(
    registry: RunningQualificationRegistry, seed: int
) -> None:
    # Not for secrets: the same seed gives the same rosters.
    chance = random.Random(seed)  # noqa: S311
    before: dict[str, Row] = {}
    for _ in range(6):
        after = {bidder_id: dict(cells) for bidder_id, cells in before.items() if chance.random() > 0.1}
        for cells in after.values():
            if chance.random() < 0.4:
                for key in chance.sample(list(VALUES), chance.randint(1, 3)):
                    cells[key] = chance.choice(VALUES[key][1])
        for number in chance.sample(range(200), 20):
            after.setdefault(
                f"{1_000_000_000 + number}", {key: chance.choice(values) for key, (_, values) in VALUES.items()}
            )
        shuffled = chance.sample(list(after), len(after))
        preview = await registry.officer.preview(write({bidder_id: after[bidder_id] for bidder_id in shuffled}))
        most = chance.randint(1, 30)
        lines = await list_all(registry, preview.import_id, most=most)

        counts = {count.kind: count.count for count in preview.counts}
        assert Counter(line.kind for line in lines) == Counter(counts)
        assert preview.new == counts[LINE_KIND_NEW]
        assert preview.gone == counts[LINE_KIND_GONE]
        assert preview.changed == preview.rows - preview.new - preview.unchanged
        assert preview.changed == sum(
            counts[kind] for kind in (LINE_KIND_IDENTITY_CHANGED, LINE_KIND_CHANGED, LINE_KIND_GRADES_CHANGED)
        )
        order = [(line.kind, line.bidder_id) for line in lines]
        assert order == sorted(order)
        chosen = chance.sample(list(counts), 2)
        assert await list_all(registry, preview.import_id, *chosen, most=most) == [
            line for line in lines if line.kind in chosen
        ]
        # What is told of the lines is the whole difference between the two files.
        for line in lines:
            old, new = before.get(line.bidder_id, {}), after.get(line.bidder_id, {})
            told = change(line)
            for key in VALUES:
                values = tuple(AGENCY_CODES.get(cells.get(key, ""), cells.get(key, "")) for cells in (old, new))
                assert told.get(key, ("", "")) == (values if values[0] != values[1] else ("", ""))
            assert line.row == (shuffled.index(line.bidder_id) + 2 if new else 0)
            assert line.name == (new or old)["name", ""]
        assert len({line.bidder_id for line in lines}) == len(lines)
        await registry.officer.commit(preview.import_id, confirmed=list_questions(preview))
        before = after


@pytest.mark.requirement("QUA-12")
async def test_260_moved_bidders_are_260_with_old_and_new_address(registry: RunningQualificationRegistry) -> None:
    ids = [f"{1_000_000_000 + number}" for number in range(600)]
    await registry.officer.import_roster(roster(*(row(bidder_id, address="旧一丁目") for bidder_id in ids)))
    moved = [row(bidder_id, address="新一丁目" if number < 260 else "旧一丁目") for number, bidder_id in enumerate(ids)]
    preview = await registry.officer.preview(roster(*moved))
    assert {count.kind: count.count for count in preview.counts if count.count} == {LINE_KIND_IDENTITY_CHANGED: 260}
    lines = await list_all(registry, preview.import_id, most=100)
    assert [line.bidder_id for line in lines] == ids[:260]
    assert {tuple(change(line).items()) for line in lines} == {((("address", ""), ("旧一丁目", "新一丁目")),)}


@pytest.mark.requirement("QUA-12")
async def test_assigned_ids_are_shown_for_known_bidders_only(registry: RunningQualificationRegistry) -> None:
    one, two = (corporate_number(800_000_000_000 + number) for number in range(2))
    await registry.officer.import_roster(roster(row("", corporate_number=one)), OTHER_WITHOUT_IDS)
    preview = await registry.officer.preview(
        roster(row("", "株式会社二", corporate_number=two), row("", "株式会社一", corporate_number=one)), WITHOUT_IDS
    )
    lines = await list_all(registry, preview.import_id, most=1)
    assert [(line.bidder_id, line.name, line.row) for line in lines] == [
        ("9000000001", "株式会社一", 3),
        ("", "株式会社二", 2),
    ]


@pytest.mark.requirement("QUA-12")
async def test_suggested_bidder_of_an_undecided_row_is_not_gone(registry: RunningQualificationRegistry) -> None:
    names = ("例示企業体", "見本企業体")
    await registry.officer.import_roster(roster(*(row("", name) for name in names)), WITHOUT_IDS)
    preview = await registry.officer.preview(roster(row("", names[0], grade="B")), WITHOUT_IDS)
    lines = await list_all(registry, preview.import_id, most=10)
    assert [(line.kind, line.name) for line in lines] == [(LINE_KIND_GONE, names[1])]
    assert preview.gone == 1
    commit = await registry.officer.commit(
        preview.import_id, accept_suggestions=True, confirmed=list_questions(preview)
    )
    assert (commit.changed, commit.gone) == (1, 1)
    assert await registry.query("SELECT grades_changed, identity_changed FROM roster_imports ORDER BY number") == [
        (0, 0),
        (1, 0),
    ]


@pytest.mark.requirement("QUA-12")
async def test_undecided_rows_are_listed_page_by_page(registry: RunningQualificationRegistry) -> None:
    names = [f"例示企業体{number}" for number in range(450)]
    await registry.officer.import_roster(roster(row("", names[0])), WITHOUT_IDS)
    preview = await registry.officer.preview(roster(*(row("", name) for name in names)), WITHOUT_IDS)
    assert (preview.undecided_row_count, len(preview.undecided)) == (450, 200)
    rows: list[bidder_pb2.UndecidedRow] = []
    while page := await registry.officer.list_undecided(
        preview.import_id, after=rows[-1].row if rows else 0, most=1000
    ):
        rows.extend(page)
    assert rows[:200] == list(preview.undecided)
    assert [(listed.row, listed.name, listed.address) for listed in rows] == [
        (number, name, "例示県例示市一丁目") for number, name in enumerate(names, 2)
    ]
    assert [listed.row for listed in rows if listed.suggested_bidder_id] == [2]
    assert len(await registry.officer.list_undecided(preview.import_id)) == 100


async def test_long_lines_make_a_shorter_page(registry: RunningQualificationRegistry) -> None:
    lines = [row(f"{1_000_000_000 + number}", address="例" * 200, name="例" * 100) for number in range(2500)]
    preview = await registry.officer.preview(roster(*lines))
    page = await registry.officer.list_lines(preview.import_id, most=5000)
    assert (len(page.lines), page.next_page) == (1000, "1:1000000999")
    assert page.ByteSize() < 4 * 1024 * 1024
    assert len(await list_all(registry, preview.import_id, most=1000)) == 2500


async def test_lines_of_no_kind_are_none(registry: RunningQualificationRegistry) -> None:
    preview = await registry.officer.preview(roster(row()))
    assert not (await registry.officer.list_lines(preview.import_id, bidder_pb2.LINE_KIND_UNSPECIFIED)).lines


async def test_same_file_again_has_no_lines(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(row()))
    preview = await registry.officer.preview(roster(row()))
    assert not (await registry.officer.list_lines(preview.import_id)).lines
    assert not await registry.officer.list_undecided(preview.import_id)


@pytest.mark.requirement("QUA-12")
async def test_only_a_preview_that_can_be_committed_is_listed(registry: RunningQualificationRegistry) -> None:
    preview = await registry.officer.preview(roster(row(address="例示県一丁目")))
    wrong = await registry.officer.preview(roster(row(telephone="０３（代）")))
    await registry.officer.import_roster(roster(row(address="例示県二丁目")))
    for import_id, reason in (
        (preview.import_id, "ROSTER_PREVIEW_OUTDATED"),
        (wrong.import_id, "ROSTER_HAS_ERRORS"),
        ("00000000-0000-0000-0000-000000000000", "ROSTER_PREVIEW_UNKNOWN"),
        ("x", "ROSTER_PREVIEW_UNKNOWN"),
    ):
        with pytest.raises(Refusal, match=reason):
            await registry.officer.list_lines(import_id)
        with pytest.raises(Refusal, match=reason):
            await registry.officer.list_undecided(import_id)
    current = await registry.officer.preview(roster(row(address="例示県三丁目")))
    with pytest.raises(Refusal, match="PAGE_INVALID"):
        await registry.officer.list_lines(current.import_id, page="9:1000000001")
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await registry.city_officer.list_lines(current.import_id)
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await registry.city_officer.list_undecided(current.import_id)
    assert len((await registry.operators_officer.list_lines(current.import_id)).lines) == 1

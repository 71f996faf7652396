"""What an officer is asked before an import ends bidders or gives their ids away (QUA-12)."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from refusals import Refusal
from tests.support.rosters import corporate_number
from tests.support.services.example_rosters import OTHER_WITHOUT_IDS, WITHOUT_IDS, roster, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import WITH_IDS, list_questions
from toroku.qualification.v1 import bidder_pb2

ONE, TWO, THREE = (corporate_number(800_000_000_000 + number) for number in range(3))


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        yield running


def numbered(count: int, *, first: int = 1, **changes: str) -> list[str]:
    """Returns lines with bidder ids and names of their own."""
    return [
        row(f"{1_000_000_000 + number}", f"株式会社例示{number}", **changes) for number in range(first, first + count)
    ]


def unnumbered(name: str, number: str = "", *, address: str = "例示県一丁目") -> str:
    """Returns a line of a roster without bidder ids."""
    return row("", name, corporate_number=number, address=address)


def describe(undecided: bidder_pb2.UndecidedRow) -> tuple[int, str, str]:
    """Returns row, reason and suggestion of an undecided row."""
    return undecided.row, undecided.reason, undecided.suggested_bidder_id


@pytest.mark.requirement("QUA-12")
async def test_cut_file_is_imported_only_when_that_is_confirmed(registry: RunningQualificationRegistry) -> None:
    officer = registry.officer
    await officer.import_roster(roster(*numbered(10)))
    assert list_questions(await officer.preview(roster(*numbered(8)))) == []
    preview = await officer.preview(roster(*numbered(7)))
    (question,) = preview.questions
    assert (question.reason, dict(question.metadata)) == (
        "ROSTER_MANY_GONE",
        {"gone": "3", "expected": "10", "percent": "30"},
    )
    with pytest.raises(Refusal, match="ROSTER_NOT_CONFIRMED") as caught:
        await officer.commit(preview.import_id)
    assert caught.value.metadata == {"reasons": "ROSTER_MANY_GONE"}
    for confirmed in (["ROSTER_FILE_SEEN_BEFORE"], ["ROSTER_MANY_GONE", "ROSTER_FILE_SEEN_BEFORE"], ["x" * 500]):
        with pytest.raises(Refusal, match="ROSTER_CONFIRMATION_NOT_ASKED"):
            await officer.commit(preview.import_id, confirmed=confirmed)
    # More than can be shown to who signs.
    with pytest.raises(Refusal, match="PURPOSE_MALFORMED"):
        await officer.commit(preview.import_id, confirmed=["x" * 5000])
    assert (await officer.commit(preview.import_id, confirmed=["ROSTER_MANY_GONE"])).gone == 3
    assert await registry.query("SELECT asked, confirmed FROM roster_imports WHERE made_version = 2") == [
        (["ROSTER_MANY_GONE"], ["ROSTER_MANY_GONE"])
    ]


@pytest.mark.requirement("QUA-12")
async def test_last_months_file_and_another_agencys_are_asked(registry: RunningQualificationRegistry) -> None:
    officer = registry.officer
    last_month, this_month = roster(*numbered(10)), roster(*numbered(11))
    await officer.import_roster(last_month)
    await officer.import_roster(this_month)
    (question,) = (await officer.preview(last_month)).questions
    assert (question.reason, dict(question.metadata)) == (
        "ROSTER_FILE_SEEN_BEFORE",
        {"version": "1", "day": "2026-11-27"},
    )
    # Every line is of the city alone.
    (question,) = (await officer.preview(roster(*numbered(11, agencies="例示市")))).questions
    assert (question.reason, dict(question.metadata)) == (
        "ROSTER_AGENCIES_MISSING",
        {"agencies": "例示県", "count": "1"},
    )


async def test_first_list_has_to_name_the_responsible_agency(registry: RunningQualificationRegistry) -> None:
    preview = await registry.officer.preview(roster(*numbered(2, agencies="例示市、例示町")))
    assert list_questions(preview) == ["ROSTER_AGENCIES_MISSING"]
    await registry.officer.commit(preview.import_id, confirmed=["ROSTER_AGENCIES_MISSING"])
    # It is the roster's from now on.
    assert not (await registry.officer.preview(roster(*numbered(3, agencies="例示市、例示町")))).questions


@pytest.mark.requirement("QUA-12")
async def test_new_ids_with_the_old_names_are_asked(registry: RunningQualificationRegistry) -> None:
    officer = registry.officer
    await officer.import_roster(roster(*numbered(6)))
    renumbered = [line.replace("10000000", "20000000", 1) for line in numbered(6)]
    preview = await officer.preview(roster(*renumbered))
    asked = {question.reason: dict(question.metadata) for question in preview.questions}
    assert set(asked) == {"ROSTER_MANY_GONE", "ROSTER_BIDDERS_RENUMBERED"}
    assert asked["ROSTER_BIDDERS_RENUMBERED"]["count"] == "6"
    assert "1000000001 → 2000000001" in asked["ROSTER_BIDDERS_RENUMBERED"]["ids"]
    # One of many, which is too few to be a share, and a name in variant characters.
    one = [*numbered(5), row("2000000006", "㈱例示６")]
    assert list_questions(await officer.preview(roster(*one))) == ["ROSTER_BIDDERS_RENUMBERED"]


@pytest.mark.requirement("QUA-12")
async def test_variant_characters_and_other_numbers_are_never_silently_the_same(
    registry: RunningQualificationRegistry,
) -> None:
    officer = registry.officer
    await officer.import_roster(
        roster(unnumbered("株式会社渡辺組"), unnumbered("株式会社例示", ONE), unnumbered("株式会社見本", TWO)),
        WITHOUT_IDS,
    )
    ids = {name: bidder_id for bidder_id, name in await registry.query("SELECT bidder_id, name FROM roster_lines")}
    content = roster(
        unnumbered("㈱渡邊組"),
        unnumbered("㈱例示", THREE),
        unnumbered("株式会社見本", TWO),
    )
    preview = await officer.preview(content, WITHOUT_IDS)
    assert list(map(describe, preview.undecided)) == [
        (2, "ROSTER_ROW_PERHAPS_SAME", ""),
        (3, "ROSTER_ROW_PERHAPS_SAME", ""),
    ]
    assert [[alike.bidder_id for alike in undecided.alike] for undecided in preview.undecided] == [
        [ids["株式会社渡辺組"]],
        [ids["株式会社例示"]],
    ]
    confirmed = list_questions(preview)
    with pytest.raises(Refusal, match="ROSTER_ROWS_UNDECIDED") as caught:
        await officer.commit(preview.import_id, accept_suggestions=True, confirmed=confirmed)
    assert caught.value.metadata == {"rows": "2, 3", "count": "2"}
    decisions = [(2, ids["株式会社渡辺組"]), (3, ids["株式会社例示"])]
    commit = await officer.commit(preview.import_id, decisions=decisions, confirmed=confirmed)
    assert (commit.new, commit.changed, commit.gone) == (0, 2, 0)
    # The bidder has both numbers now, in every roster.
    both = roster(unnumbered("株式会社例示", ONE))
    assert (await officer.preview(both, OTHER_WITHOUT_IDS)).undecided_row_count == 0
    both = roster(unnumbered("株式会社例示", THREE))
    await officer.import_roster(both, OTHER_WITHOUT_IDS)
    assert await registry.query("SELECT count(*) FROM bidders") == [(3,)]


@pytest.mark.requirement("QUA-12")
async def test_number_that_disappears_is_asked_with_the_bidder_it_was(registry: RunningQualificationRegistry) -> None:
    officer = registry.officer
    await officer.import_roster(roster(unnumbered("株式会社一", ONE), unnumbered("株式会社二", TWO)), WITHOUT_IDS)
    (one,) = await registry.query("SELECT bidder_id FROM roster_lines WHERE name = '株式会社一'")
    moved = roster(unnumbered("株式会社一", address="例示県九丁目"), unnumbered("株式会社二", TWO))
    preview = await officer.preview(moved, WITHOUT_IDS)
    assert list(map(describe, preview.undecided)) == [(2, "ROSTER_ROW_WITHOUT_NUMBER", one[0])]
    # Who says that it is a new bidder takes the old one off the roster, which is asked like any other loss.
    assert list_questions(preview) == []
    with pytest.raises(Refusal, match="ROSTER_NOT_CONFIRMED") as caught:
        await officer.commit(preview.import_id, decisions=[(2, "")])
    assert caught.value.metadata == {"reasons": "ROSTER_MANY_GONE"}
    commit = await officer.commit(preview.import_id, decisions=[(2, "")], confirmed=["ROSTER_MANY_GONE"])
    assert (commit.new, commit.gone) == (1, 1)


@pytest.mark.requirement("QUA-12")
async def test_new_number_of_no_alike_bidder_is_a_new_bidder(registry: RunningQualificationRegistry) -> None:
    officer = registry.officer
    await officer.import_roster(roster(unnumbered("株式会社一", ONE)), WITHOUT_IDS)
    # In its roster, and in another one: the same name elsewhere is another company.
    content = roster(unnumbered("株式会社一", ONE), unnumbered("株式会社一", TWO, address="例示県二丁目"))
    for name in (WITHOUT_IDS, OTHER_WITHOUT_IDS):
        preview = await officer.preview(content, name)
        assert (preview.undecided_row_count, list_questions(preview)) == (0, [])
        await officer.commit(preview.import_id)
    assert await registry.query("SELECT corporate_number, bidder_id FROM assigned_numbers ORDER BY 2") == [
        (ONE, "9000000001"),
        (TWO, "9000000002"),
    ]


@pytest.mark.requirement("QUA-12")
async def test_column_that_is_wrong_throughout_is_one_error(registry: RunningQualificationRegistry) -> None:
    names = [f"株式会社例示{number}" for number in range(6759)]
    await registry.officer.import_roster(
        roster(*(unnumbered(name, corporate_number(700_000_000_000 + at)) for at, name in enumerate(names[:20]))),
        WITHOUT_IDS,
    )
    for content, mapping_name, column, reason, metadata in (
        (
            roster(*(unnumbered(name, "$業者コード$") for name in names)),
            WITHOUT_IDS,
            "法人番号",
            "ROSTER_COLUMN_ONE_WORD",
            {"word": "$業者コード$", "rows": "6759"},
        ),
        (
            roster(*(row("$業者コード$", name) for name in names[:10])),
            WITH_IDS,
            "業者番号",
            "ROSTER_COLUMN_ONE_WORD",
            {"word": "$業者コード$", "rows": "10"},
        ),
        (
            roster(*(row(f"x{number}", name) for number, name in enumerate(names[:600]))),
            WITH_IDS,
            "業者番号",
            "ROSTER_COLUMN_WRONG",
            {"rows": "600"},
        ),
        (
            # Leading zeros that a spreadsheet removed.
            roster(*(row(f"{number}", name) for number, name in enumerate(names[:600]))),
            WITH_IDS,
            "業者番号",
            "ROSTER_BIDDER_ID_SHORT",
            {"pattern": "[0-9]{10}"},
        ),
        (
            roster(*(row(f"{1_000_000_000 + number}", "") for number in range(30))),
            WITH_IDS,
            "商号",
            "ROSTER_COLUMN_EMPTY",
            {"rows": "30"},
        ),
    ):
        preview = await registry.officer.preview(content, mapping_name)
        assert [(error.row, error.column, error.reason, dict(error.metadata)) for error in preview.errors] == [
            (0, column, reason, metadata)
        ]
        assert preview.error_count == 1
    assert await registry.query("SELECT count(*) FROM bidders") == [(20,)]

"""Small files with the faults of real rosters, through Saitama's own mappings (QUA-12)."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from instance_profile import load_profile
from instance_profile.model import Profile
from refusals import Refusal
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import Officer, list_questions

INPUTS = Path(__file__).parent / "inputs"
STANDARD, STANDARD_CP932, KANTO = "saitama-standard", "saitama-standard-cp932", "kanto"
PREFECTURE, CITY = "saitama-prefecture", "kawagoe-city"
NAME, NUMBER = "商号又は名称", "法人番号"


def make_profile() -> Profile:
    """Returns Saitama's profile with the list of another bureau, which lacks the column of bridges."""
    profile = load_profile(Path(__file__).parents[3] / "profiles" / "saitama.yaml")
    chugoku = profile.mapping("chugoku-construction")
    kanto = chugoku.model_copy(
        update={
            "name": KANTO,
            "roster": KANTO,
            "grades": tuple(grades for grades in chugoku.grades if grades.column != "bridgemaintenance_qualification"),
        }
    )
    return profile.model_copy(update={"roster_mappings": (*profile.roster_mappings, kanto)})


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    dsn = migrated_database("qualification_registry")
    async with running_qualification_registry(dsn, tmp_path, make_profile()) as running:
        yield running


def read(name: str) -> bytes:
    """Returns the content of an input."""
    return (INPUTS / f"{name}.csv").read_bytes()


async def list_current(registry: RunningQualificationRegistry) -> list[tuple[str, str, str | None]]:
    """Returns id, name and 法人番号 of the lines that count."""
    return await registry.query(
        "SELECT bidder_id, line.name, corporate_number FROM roster_lines line JOIN roster_imports import"
        " ON number = import_number AND made_version IS NOT NULL WHERE superseded_by IS NULL ORDER BY 1"
    )


@pytest.mark.requirement("QUA-12")
async def test_files_of_two_encodings_are_lists_of_one_roster(registry: RunningQualificationRegistry) -> None:
    officer: Officer = registry.operators_officer
    one, two, three = (f"100000000{number}" for number in (1, 2, 3))
    await officer.import_roster(read("same-form-1-utf8"), STANDARD)
    struck = await officer.import_roster(read("same-form-2-cp932-one-bidder-struck"), STANDARD_CP932)
    assert (struck.roster_version, struck.new, struck.gone, struck.unchanged) == (2, 0, 1, 1)
    assert await registry.list_agencies(one, two) == {one: [CITY, PREFECTURE], two: []}
    await officer.import_roster(read("same-form-3-cp932-renamed"), STANDARD_CP932)
    # The last list counts, whichever form it has.
    last = await officer.import_roster(read("same-form-4-utf8-later-old-name"), STANDARD)
    assert (last.roster_version, last.new, last.changed, last.gone) == (4, 2, 1, 0)
    assert await list_current(registry) == [
        (one, "見本建設株式会社", None),
        (two, "架空土木株式会社", None),
        (three, "三号株式会社", None),
    ]


@pytest.mark.requirement("QUA-12")
async def test_number_that_appears_later_is_asked_and_keeps_the_bidder(registry: RunningQualificationRegistry) -> None:
    officer = registry.operators_officer
    await officer.import_roster(read("blank-then-number-1"), KANTO)
    ids = dict(await registry.query("SELECT name, bidder_id FROM roster_lines"))
    preview = await officer.preview(read("blank-then-number-2"), KANTO)
    assert (preview.new, preview.gone, preview.unchanged, preview.undecided_row_count) == (0, 0, 1, 1)
    (undecided,) = preview.undecided
    assert (undecided.row, undecided.reason) == (2, "ROSTER_ROW_NUMBER_APPEARED")
    assert undecided.suggested_bidder_id == ids["見本設備（株）"]
    assert [(alike.bidder_id, alike.name, alike.corporate_number) for alike in undecided.alike] == [
        (ids["見本設備（株）"], "見本設備（株）", "")
    ]
    assert undecided == (await officer.list_undecided(preview.import_id))[0]
    with pytest.raises(Refusal, match="ROSTER_ROWS_UNDECIDED"):
        await officer.commit(preview.import_id)
    commit = await officer.commit(preview.import_id, accept_suggestions=True)
    assert (commit.new, commit.changed, commit.gone) == (0, 1, 0)
    # From now on the number is the bidder's.
    moved = read("blank-then-number-2").replace("見本町２－２６".encode(), "見本町９".encode())
    again = await officer.preview(moved, KANTO)
    assert (again.new, again.changed, again.undecided_row_count) == (0, 1, 0)
    assert await registry.query("SELECT count(*) FROM bidders") == [(2,)]


@pytest.mark.requirement("QUA-12")
async def test_numbers_and_names_are_read_refused_or_asked(registry: RunningQualificationRegistry) -> None:
    officer = registry.operators_officer
    for name, column, reason in (
        ("corp-exp", NUMBER, "ROSTER_CORPORATE_NUMBER_WRONG"),
        ("corp-wrong-check", NUMBER, "ROSTER_CORPORATE_NUMBER_WRONG"),
        ("name-fffd", NAME, "ROSTER_TEXT_BROKEN"),
        ("name-numeric-ref", NAME, "ROSTER_TEXT_BROKEN"),
    ):
        preview = await officer.preview(read(name), STANDARD)
        assert [(error.row, error.column, error.reason) for error in preview.errors] == [(2, column, reason)], name
    for name in ("name-geta", "name-question"):
        preview = await officer.preview(read(name), STANDARD)
        assert [(asked.reason, dict(asked.metadata)) for asked in preview.questions] == [
            ("ROSTER_TEXT_DOUBTFUL", {"count": "1", "rows": "2"})
        ]
        with pytest.raises(Refusal, match="ROSTER_NOT_CONFIRMED"):
            await officer.commit(preview.import_id)
    for name in ("corp-fullwidth", "corp-T-invoice"):
        preview = await officer.preview(read(name), STANDARD)
        await officer.commit(preview.import_id, confirmed=list_questions(preview))
        assert await list_current(registry) == [("1000000001", "見本建設株式会社", "4260001000102")]
    # What was confirmed is not asked again while it stays as it is.
    await officer.import_roster(read("name-geta"), STANDARD)
    unchanged = await officer.preview(read("name-geta") + b"\r\n", STANDARD)
    assert (unchanged.unchanged, list(unchanged.questions)) == (1, [])

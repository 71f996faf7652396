"""A column of a roster says whose place a bidder took (QUA-10, QUA-12)."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from refusals import Refusal
from tests.support.example_profile import BIDDER, OTHER_BIDDER, PREFECTURE, WORKS
from tests.support.history import make_key, seal_all
from tests.support.services.example_rosters import HEADER, mapping, roster, roster_profile, row
from tests.support.services.history import list_entries
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from toroku.qualification.v1 import bidder_pb2

THIRD, FOURTH = "1000000003", "1000000004"
NUMBER, WHY = "旧業者番号", "事由"
ROSTER, MERGERS = "with-predecessors", "mergers"
LINKS = "SELECT bidder_id, predecessor, kind FROM predecessors ORDER BY predecessor"
COLUMNS: dict[str, Any] = {
    "bidder_id": "業者番号",
    "agencies_column": "調達機関",
    "valid_from": "期間開始",
    "valid_until": "期間終了",
}
KINDS = {"失効後の再申請": "reapplication", "権限移譲": "transfer", "合併": "merger"}


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    by_row = {"bidder_id": NUMBER, "kind_column": WHY, "kinds": KINDS}
    mappings = [
        mapping(ROSTER, **COLUMNS, predecessor=by_row, digits={"bidder_id": 10}),
        mapping(MERGERS, **COLUMNS, predecessor={"bidder_id": NUMBER, "kind": "merger"}, optional_columns=[NUMBER]),
    ]
    profile = roster_profile(roster_mappings=mappings)
    async with running_qualification_registry(
        migrated_database("qualification_registry"), tmp_path, profile
    ) as running:
        yield running


def listed(bidder_id: str, predecessor: str = "", kind: str = "", **changes: str) -> str:
    """Returns a line of the example file with its predecessor."""
    return f"{row(bidder_id, f'株式会社見本{bidder_id[-1]}', **changes)},{predecessor},{kind}"


def file_of(*lines: str) -> bytes:
    """Returns a complete file with the columns of predecessors."""
    return roster(*lines, header=f"{HEADER},{NUMBER},{WHY}")


async def import_former(registry: RunningQualificationRegistry) -> None:
    """Imports a list in which nobody has a predecessor."""
    await registry.officer.import_roster(file_of(listed(BIDDER), listed(OTHER_BIDDER), listed(THIRD)), ROSTER)


async def errors_of(registry: RunningQualificationRegistry, *lines: str) -> list[tuple[int, str, str, dict[str, str]]]:
    """Returns the errors of a file, in which the first line is row 2."""
    preview = await registry.officer.preview(file_of(*lines), ROSTER)
    return [(error.row, error.column, error.reason, dict(error.metadata)) for error in preview.errors]


@pytest.mark.requirement("QUA-10")
async def test_roster_links_a_bidder_to_its_predecessor(registry: RunningQualificationRegistry) -> None:
    await import_former(registry)
    await registry.prove(BIDDER)
    lines = (
        listed(OTHER_BIDDER, "1000000001", "権限移譲"),
        listed(FOURTH, "１００００００００３", "失効後の再申請"),
        listed(THIRD),
    )
    preview = await registry.officer.preview(file_of(*lines), ROSTER)
    asked = {question.reason: dict(question.metadata) for question in preview.questions}
    assert asked["ROSTER_BIDDERS_LINKED"] == {
        "count": "2",
        "ids": f"{BIDDER} → {OTHER_BIDDER}, {THIRD} → {FOURTH}",
    }
    changed = (await registry.officer.list_lines(preview.import_id, bidder_pb2.LINE_KIND_CHANGED)).lines
    assert [(line.bidder_id, [(one.field, one.before, one.after) for one in line.changes]) for line in changed] == [
        (OTHER_BIDDER, [("predecessor", "", BIDDER), ("predecessor_kind", "", "transfer")])
    ]
    with pytest.raises(Refusal, match="ROSTER_NOT_CONFIRMED"):
        await registry.officer.commit(preview.import_id)
    assert await registry.query(LINKS) == []
    await registry.officer.commit(preview.import_id, confirmed=list(asked))
    assert await registry.query(LINKS) == [(OTHER_BIDDER, BIDDER, "transfer"), (FOURTH, THIRD, "reapplication")]
    with pytest.raises(Refusal, match="BIDDER_AUTHORITY_TRANSFERRED"):
        await registry.prove(BIDDER)
    with pytest.raises(Refusal, match="BIDDER_REAPPLIED"):
        await registry.prove(THIRD)
    await registry.prove(OTHER_BIDDER)
    versions = {line.company.bidder_id: line for line in (await registry.officer.list_version_lines(ROSTER, 2)).lines}
    assert (versions[FOURTH].predecessor, versions[FOURTH].predecessor_kind) == (THIRD, "reapplication")
    assert versions[THIRD].predecessor == ""


@pytest.mark.requirement("QUA-10")
async def test_later_list_without_the_predecessor_takes_nothing_back(registry: RunningQualificationRegistry) -> None:
    await import_former(registry)
    linked = file_of(listed(OTHER_BIDDER, BIDDER, "合併"), listed(THIRD))
    await registry.officer.import_roster(linked, ROSTER)
    await registry.officer.import_roster(file_of(listed(OTHER_BIDDER), listed(THIRD)), ROSTER)
    await registry.officer.import_roster(file_of(listed(THIRD)), ROSTER)
    with pytest.raises(Refusal, match="BIDDER_MERGED"):
        await registry.prove(BIDDER)
    # What stands is not asked for again, and stays as it is.
    again = await registry.officer.preview(file_of(listed(OTHER_BIDDER, BIDDER, "権限移譲"), listed(THIRD)), ROSTER)
    assert "ROSTER_BIDDERS_LINKED" not in {question.reason for question in again.questions}
    await registry.officer.commit(again.import_id)
    assert await registry.query(LINKS) == [(OTHER_BIDDER, BIDDER, "merger")]


@pytest.mark.requirement("QUA-12")
async def test_predecessor_that_can_not_be_is_an_error_of_its_row(registry: RunningQualificationRegistry) -> None:
    await import_former(registry)
    await registry.officer.import_roster(
        file_of(listed(BIDDER), listed(OTHER_BIDDER, BIDDER, "合併"), listed(THIRD)), ROSTER
    )
    errors = await errors_of(
        registry,
        listed(BIDDER, THIRD, "合併"),
        listed(OTHER_BIDDER, OTHER_BIDDER, "合併"),
        listed(THIRD, BIDDER, "合併"),
        listed(FOURTH, "9999999999", "合併"),
        listed("1000000005", THIRD, "合併"),
        listed("1000000006", "x", "合併"),
        listed("1000000007", FOURTH, "分割"),
        listed("1000000008", FOURTH),
        listed("1000000009", "", "分割"),
    )
    assert errors == [
        (3, NUMBER, "ROSTER_PREDECESSOR_SAME", {}),
        (4, NUMBER, "ROSTER_PREDECESSOR_LINKED", {}),
        (5, NUMBER, "ROSTER_PREDECESSOR_UNKNOWN", {}),
        (6, NUMBER, "ROSTER_PREDECESSOR_TWICE", {"first_row": "2"}),
        (7, NUMBER, "ROSTER_BIDDER_ID_WRONG", {"pattern": "[0-9]{10}"}),
        (8, WHY, "ROSTER_PREDECESSOR_KIND_UNKNOWN", {"kind": "分割"}),
        (9, WHY, "FIELD_REQUIRED", {}),
    ]
    assert await registry.query(LINKS) == [(OTHER_BIDDER, BIDDER, "merger")]


async def test_circles_are_found_within_a_file_and_beside_what_stands(registry: RunningQualificationRegistry) -> None:
    await import_former(registry)
    assert await errors_of(
        registry,
        listed(BIDDER, THIRD, "合併"),
        listed(OTHER_BIDDER, BIDDER, "合併"),
        listed(THIRD, OTHER_BIDDER, "合併"),
    ) == [(4, NUMBER, "ROSTER_PREDECESSOR_CIRCULAR", {})]
    lines = (listed(BIDDER), listed(OTHER_BIDDER, BIDDER, "合併"), listed(THIRD))
    await registry.officer.import_roster(file_of(*lines), ROSTER)
    assert await errors_of(registry, listed(BIDDER, OTHER_BIDDER, "合併"), listed(OTHER_BIDDER), listed(THIRD)) == [
        (2, NUMBER, "ROSTER_PREDECESSOR_CIRCULAR", {})
    ]


async def test_bidders_linked_since_the_preview_outdate_it(registry: RunningQualificationRegistry) -> None:
    await import_former(registry)
    lines = (listed(BIDDER), listed(OTHER_BIDDER, BIDDER, "合併"), listed(THIRD))
    preview = await registry.officer.preview(file_of(*lines), ROSTER)
    mika, taro = [await registry.appoint(f"{PREFECTURE}/{name}", "binding") for name in ("mika", "taro")]
    await taro.approve(await mika.propose_link(THIRD, BIDDER))
    with pytest.raises(Refusal, match="ROSTER_PREVIEW_OUTDATED"):
        await registry.officer.commit(preview.import_id, confirmed=["ROSTER_BIDDERS_LINKED"])
    assert await registry.query(LINKS) == [(THIRD, BIDDER, "transfer")]


@pytest.mark.requirement("QUA-10")
async def test_predecessor_in_the_next_terms_list_counts_from_that_day(registry: RunningQualificationRegistry) -> None:
    days = {"valid_from": "", "valid_until": ""}
    now_listed = (listed(BIDDER, **days), listed(OTHER_BIDDER, **days))
    await registry.officer.import_roster(file_of(*now_listed), ROSTER, term=("2026-04-01", "2027-03-31"))
    linked = file_of(listed(OTHER_BIDDER, BIDDER, "失効後の再申請", **days))
    await registry.officer.import_roster(linked, ROSTER, term=("2027-04-01", ""))
    await registry.prove(BIDDER)
    # The last second of March in Japan, and the first one of April.
    registry.now[0] = datetime(2027, 3, 31, 14, 59, 59, tzinfo=UTC)
    await registry.prove(BIDDER)
    registry.pass_time(timedelta(seconds=1))
    with pytest.raises(Refusal, match="BIDDER_REAPPLIED"):
        await registry.prove(BIDDER)


async def test_list_of_the_current_term_makes_a_link_begin_earlier(registry: RunningQualificationRegistry) -> None:
    days = {"valid_from": "", "valid_until": ""}
    linked = file_of(listed(OTHER_BIDDER, BIDDER, "失効後の再申請", **days), listed(BIDDER, **days))
    former = file_of(listed(BIDDER, **days), listed(OTHER_BIDDER, **days))
    await registry.officer.import_roster(former, ROSTER, term=("2026-04-01", "2027-03-31"))
    await registry.officer.import_roster(linked, ROSTER, term=("2027-04-01", ""))
    await registry.officer.import_roster(linked, ROSTER, term=("2026-04-01", "2027-03-31"))
    with pytest.raises(Refusal, match="BIDDER_REAPPLIED"):
        await registry.prove(BIDDER)


@pytest.mark.requirement("LIF-05")
async def test_imported_link_is_in_the_history_of_both_bidders(registry: RunningQualificationRegistry) -> None:
    await import_former(registry)
    await registry.officer.import_roster(
        file_of(listed(BIDDER), listed(OTHER_BIDDER, BIDDER, "合併"), listed(THIRD)), ROSTER
    )
    await seal_all(registry.database, make_key())
    for bidder_id, side, other in ((OTHER_BIDDER, "predecessor", BIDDER), (BIDDER, "successor", OTHER_BIDDER)):
        (entry,) = await list_entries(registry.history, bidder_id=bidder_id)
        after = json.loads(entry.details.text)["after"]
        assert (entry.what, entry.who, entry.category) == (
            "bidder linked",
            f"officer {PREFECTURE}/hanako",
            WORKS,
        )
        assert (after[side], after["succession"], after["roster"]) == (other, "merger", ROSTER)
        assert after["since"] == registry.now[0].isoformat()


async def test_file_may_say_one_reason_for_all_and_lack_the_column(registry: RunningQualificationRegistry) -> None:
    both = (row(BIDDER), row(OTHER_BIDDER, "株式会社例示組"))
    await registry.officer.import_roster(roster(*both), MERGERS)
    header = f"{HEADER},{NUMBER}"
    await registry.officer.import_roster(roster(f"{both[0]},", f"{both[1]},{BIDDER}", header=header), MERGERS)
    assert await registry.query(LINKS) == [(OTHER_BIDDER, BIDDER, "merger")]


async def test_lost_zeros_of_a_predecessor_are_filled_as_those_of_the_bidder(
    registry: RunningQualificationRegistry,
) -> None:
    first, second = row("0000000012"), row("0000000013", "株式会社例示組")
    await registry.officer.import_roster(file_of(f"{first},,", f"{second},,"), ROSTER)
    await registry.officer.import_roster(file_of(f"{first},,", f"{second},12,合併"), ROSTER)
    assert await registry.query(LINKS) == [("0000000013", "0000000012", "merger")]

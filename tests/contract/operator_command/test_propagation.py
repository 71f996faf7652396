"""Officers follow from the terminal how far acts have come at the other agencies (SYN-05)."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.example_profile import CITY, PREFECTURE, TOWN, VILLAGE, example_profile
from tests.support.japanese_text import find_other_language
from tests.support.officers_desk import OfficersDesk
from tests.support.services.agency_sync import RunningAgencySync, card_state, running_agency_sync

TONIGHT = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    profile = example_profile(propagation="night", propagation_at="22:00")
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, profile) as running:
        await running.qualify(PREFECTURE, CITY, TOWN)
        yield running


@pytest.fixture
def desk(sync: RunningAgencySync, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> OfficersDesk:
    monkeypatch.setenv("TOROKU_AGENCY", PREFECTURE)
    return OfficersDesk({"agency-sync": sync.agency_address}, monkeypatch, capsys, instance="example")


@pytest.mark.requirement("SYN-05")
async def test_officer_sees_for_every_agency_when_it_is_planned_whether_it_is_done_and_why_not(
    sync: RunningAgencySync, desk: OfficersDesk
) -> None:
    registration_id = await sync.record(card_state())
    planned = await desk.run_with(sync.officer_files, "propagation", "show", registration_id)
    assert (planned.status, planned.err) == (0, "")
    assert planned.out.count("予定") == 3
    assert planned.out.count("2026年11月27日22時00分") == 3
    assert find_other_language(planned.out, "ja") == []
    sync.now[0] = TONIGHT
    await sync.propagate()
    ended = await desk.run_with(sync.officer_files, "propagation", "show", registration_id)
    assert ended.out.count("反映済み") == 2
    assert "入札参加資格がありません" in ended.out
    assert VILLAGE in ended.out
    english = await desk.run_with(sync.officer_files, "propagation", "show", registration_id, language="en")
    assert "Propagation of the registration" in english.out
    assert "You are not qualified" in english.out


@pytest.mark.requirement("SYN-05")
async def test_officer_sees_the_progress_of_the_agency(sync: RunningAgencySync, desk: OfficersDesk) -> None:
    for _ in range(2):
        await sync.record(card_state())
    before = await desk.run_with(sync.officer_files, "propagation", "progress")
    assert (before.status, before.err) == (0, "")
    assert "次の夜間処理：2026年11月27日22時00分" in before.out
    assert "予定の手続き：2件" in before.out
    sync.now[0] = TONIGHT
    await sync.propagate()
    after = await desk.run_with(sync.officer_files, "propagation", "progress", language="en")
    assert "Carried out in the last 24 hours: 2" in after.out
    assert "Agencies that refused one of those: 2" in after.out


async def test_what_is_unknown_or_of_another_agency_is_said_to_propagate_nothing(
    sync: RunningAgencySync, desk: OfficersDesk
) -> None:
    of_city = await sync.record(card_state(agency=CITY))
    for act_id in (of_city, uuid4(), "4711"):
        shown = await desk.run_with(sync.officer_files, "propagation", "show", act_id)
        assert (shown.status, "自動反映はありません" in shown.out) == (0, True)
    refused = await desk.run_with(sync.officer_files, "propagation", "show", of_city, "--agency", CITY)
    assert refused.status == 1

"""Officers suspend, confirm and resume bidders from the terminal, against qualification-registry."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.example_profile import BIDDER, OTHER_BIDDER, PREFECTURE, WORKS
from tests.support.japanese_text import find_other_language
from tests.support.officers_desk import OfficersDesk
from tests.support.services.example_rosters import HEADER, mapping, roster, roster_profile, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import WITH_IDS
from toroku.qualification.v1 import qualification_registry_pb2

REASON = "指名停止措置"


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        await running.officer.import_roster(roster(row(BIDDER), row(OTHER_BIDDER)))
        yield running


@pytest.fixture
def desk(
    registry: RunningQualificationRegistry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> OfficersDesk:
    addresses = {"qualification-registry": registry.office.address}
    return OfficersDesk(addresses, monkeypatch, capsys, instance=registry.profile.id)


@pytest.mark.requirement("LIF-04")
async def test_bidder_is_suspended_confirmed_and_resumed(
    registry: RunningQualificationRegistry, desk: OfficersDesk
) -> None:
    mika = await registry.office.enrol(f"{PREFECTURE}/mika", "suspension")
    taro = await registry.office.enrol(f"{PREFECTURE}/taro", "suspension")
    suspended = await desk.run(mika, "suspend", "bidder", BIDDER, "--category", WORKS, "--reason", REASON, "--yes")
    assert (suspended.status, suspended.err) == (0, "")
    assert "業者の利用を停止しました。" in suspended.out
    assert f"範囲：{PREFECTURE}" in suspended.out
    confirming = f"toroku suspend confirm --bidder {BIDDER} --category {WORKS}"
    assert confirming in suspended.out
    again = await desk.run(mika, "suspend", "bidder", BIDDER, "--category", WORKS, "--reason", REASON, "--yes")
    assert again.status == 1

    listed = await desk.run(taro, "suspend", "list")
    assert "状態：利用停止中（未確認）" in listed.out
    assert f"prefectureの職員 mika（{PREFECTURE}/mika）" in listed.out
    assert (await desk.run(mika, *confirming.split()[1:], "--yes")).status == 1
    confirmed = await desk.run(taro, *confirming.split()[1:], "--yes")
    assert (confirmed.status, confirmed.err) == (0, "")
    assert "状態：利用停止中（確認済み）" in confirmed.out

    proposed = await desk.run(
        taro, "resume", "bidder", BIDDER, "--category", WORKS, "--reason", "措置期間の終了", "--yes"
    )
    assert (proposed.status, proposed.err) == (0, "")
    assert "状態：利用停止中（確認済み）" in (await desk.run(mika, "suspend", "list")).out
    approved = await desk.run(mika, "approve", proposed.out.rpartition("toroku approve ")[2].strip(), "--yes")
    assert (approved.status, approved.err) == (0, "")
    assert "利用停止はありません。" in (await desk.run(mika, "suspend", "list", "--bidder", BIDDER)).out


async def test_bidder_that_is_not_suspended_is_not_resumed(
    registry: RunningQualificationRegistry, desk: OfficersDesk
) -> None:
    mika = await registry.office.enrol(f"{PREFECTURE}/mika", "suspension")
    for act in (
        ("resume", "bidder", BIDDER, "--reason", REASON),
        ("suspend", "confirm", "--bidder", BIDDER),
    ):
        refused = await desk.run(mika, *act, "--category", WORKS, "--yes")
        assert (refused.status, "toroku suspend list" in refused.err) == (1, True)
    assert "利用停止はありません。" in (await desk.run(mika, "suspend", "list")).out


@pytest.mark.requirement("QUA-10")
async def test_bidder_is_linked_to_its_predecessor_by_two_officers(
    registry: RunningQualificationRegistry, desk: OfficersDesk
) -> None:
    mika, taro = [await registry.office.enrol(f"{PREFECTURE}/{person}", "binding") for person in ("mika", "taro")]
    link = ("propose", "bidder-link", OTHER_BIDDER, "--predecessor", BIDDER, "--kind", "transfer", "--category", WORKS)
    proposed = await desk.run(mika, *link, "--reason", "契約権限の移譲の届出", "--yes")
    assert (proposed.status, proposed.err) == (0, "")
    assert f"　旧番号の業者：{BIDDER}\n" in proposed.out
    assert "契約権限の移譲" in proposed.out
    proposal = proposed.out.rpartition("toroku approve ")[2].strip()
    approved = await desk.run(taro, "approve", proposal, "--yes")
    assert (approved.status, approved.err) == (0, "")
    again = await desk.run(mika, *link, "--reason", "契約権限の移譲の届出", "--yes")
    assert (again.status, "既に後継の業者" in again.err) == (1, True)


@pytest.mark.requirement("QUA-08")
async def test_review_of_company_data_is_ended_from_the_terminal(
    migrated_database: Callable[[str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = {"bidder_id": "業者番号", "agencies_column": "調達機関", "optional_columns": ["備考"]}
    review = {"column": "備考", "under_review": ["審査中"]}
    profile = roster_profile(roster_mappings=[mapping(WITH_IDS, **columns, review=review)])
    async with running_qualification_registry(
        migrated_database("qualification_registry"), tmp_path, profile
    ) as running:
        await running.officer.import_roster(roster(row(BIDDER)))
        changed = roster(row(BIDDER, "株式会社新見本建設") + ",審査中", header=f"{HEADER},備考")
        await running.officer.import_roster(changed)
        desk = OfficersDesk(
            {"qualification-registry": running.office.address}, monkeypatch, capsys, instance=running.profile.id
        )
        mika = await running.office.enrol(f"{PREFECTURE}/mika", "roster")
        act = ("bidders", "end-review", BIDDER, "--category", WORKS, "--yes", "--reason")
        for language, reason in (("ja", "審査が終了したため"), ("en", "the review is done")):
            result = await desk.run(mika, *act, reason, language=language)
            said = "\n".join(line for line in (result.out + result.err).splitlines() if "toroku" not in line)
            assert find_other_language(said, language) == []
            if language == "ja":
                assert (result.status, result.err) == (0, "")
                assert "審査済としました。" in result.out
            else:
                # It has ended already.
                assert (result.status, "No company data of this bidder are under review" in result.err) == (1, True)
        request = qualification_registry_pb2.GetCompanyRequest(agency=PREFECTURE, category=WORKS, bidder_id=BIDDER)
        assert (await running.front_door.GetCompany(request)).company.name == "株式会社新見本建設"


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_everything_is_said_in_one_language(
    registry: RunningQualificationRegistry, desk: OfficersDesk, language: str
) -> None:
    mika = await registry.office.enrol(f"{PREFECTURE}/mika", "suspension", "binding")
    link = ("propose", "bidder-link", OTHER_BIDDER, "--predecessor", BIDDER, "--kind", "merger", "--category", WORKS)
    reason = REASON if language == "ja" else "excluded from tenders"
    for arguments in (
        ("suspend", "bidder", BIDDER, "--category", WORKS, "--reason", reason, "--yes"),
        ("suspend", "list"),
        ("suspend", "bidder", BIDDER, "--category", WORKS, "--reason", reason, "--yes"),
        ("resume", "bidder", BIDDER, "--category", WORKS, "--reason", reason, "--yes"),
        (*link, "--reason", reason, "--yes"),
    ):
        result = await desk.run(mika, *arguments, language=language)
        said = "\n".join(line for line in (result.out + result.err).splitlines() if "toroku" not in line)
        assert find_other_language(said, language) == []

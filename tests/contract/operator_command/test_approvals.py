"""Officers decide from the terminal about cards whose company can't be told to be the roster's."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.example_profile import BIDDER, PREFECTURE, WORKS, example_profile
from tests.support.japanese_text import find_other_language
from tests.support.officers_desk import OfficersDesk
from tests.support.services.example_rosters import roster, roster_profile, row
from tests.support.services.qualification_registry import (
    CARD,
    RunningQualificationRegistry,
    running_qualification_registry,
)
from toroku.qualification.v1.card_approvals_pb2 import AskForCardApprovalRequest
from toroku.qualification.v1.qualification_registry_pb2 import FindBidderRequest

NAME, IN_CERTIFICATE = "株式会社見本建設", "株式会社見木建設"
APPROVER = f"{PREFECTURE}/kenta"
REASON = "登記事項証明書で確認しました。"


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    rules = {"company_match": "officer"}
    agencies = [
        agency.model_dump() | (rules if agency.code == PREFECTURE else {}) for agency in example_profile().agencies
    ]
    profile = roster_profile(agencies=agencies)
    async with running_qualification_registry(
        migrated_database("qualification_registry"), tmp_path, profile
    ) as running:
        await running.officer.import_roster(roster(row(BIDDER, NAME)))
        yield running


@pytest.fixture
def desk(
    registry: RunningQualificationRegistry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> OfficersDesk:
    addresses = {"qualification-registry": registry.office.address}
    return OfficersDesk(addresses, monkeypatch, capsys, instance=registry.profile.id)


async def ask(registry: RunningQualificationRegistry) -> str:
    """Asks for an approval as a contractor does, and returns its number."""
    letters = await registry.officer.issue()
    search = FindBidderRequest(
        agency=PREFECTURE,
        category=WORKS,
        certificate_sha256=CARD,
        name=NAME,
        bidder_id=BIDDER,
        password=letters[BIDDER].password,
        certificate_company_name=IN_CERTIFICATE,
    )
    request = AskForCardApprovalRequest(search=search, mail_address="koji@contractor.example")
    return str((await registry.front_door_approvals.AskForCardApproval(request)).number)


@pytest.mark.requirement("QUA-05")
@pytest.mark.parametrize("language", ["ja", "en"])
async def test_queue_shows_both_names_and_takes_a_decision(
    registry: RunningQualificationRegistry, desk: OfficersDesk, language: str
) -> None:
    officer = await registry.office.enrol(APPROVER, "approval")
    number = await ask(registry)
    listed = await desk.run(officer, "approvals", "list", language=language)
    assert (listed.status, listed.err) == (0, "")
    for shown in (number, NAME, IN_CERTIFICATE, "木（U+6728）" if language == "ja" else "木 (U+6728)", CARD.hex()):
        assert shown in listed.out
    if language == "ja":
        assert find_other_language(listed.out, language) == []
    undecided = await desk.run(officer, "approvals", "decide", number, "approve", "--reason", REASON, language=language)
    assert (undecided.status, "--yes" in undecided.err) == (1, True)
    decided = await desk.run(
        officer, "approvals", "decide", number, "approve", "--reason", REASON, "--yes", language=language
    )
    assert (decided.status, decided.err) == (0, "")
    said = {"ja": "承認しました。問い合わせた方に", "en": "The card is approved. Who asked is told by mail"}
    assert said[language] in decided.out
    assert number not in (await desk.run(officer, "approvals", "list")).out
    assert number in (await desk.run(officer, "approvals", "list", "--only", "approved")).out


async def test_card_is_refused_once(registry: RunningQualificationRegistry, desk: OfficersDesk) -> None:
    officer = await registry.office.enrol(APPROVER, "approval")
    number = await ask(registry)
    refuse = ("approvals", "decide", number, "refuse", "--reason", "別の会社のため", "--yes")
    refused = await desk.run(officer, *refuse)
    assert "承認しませんでした。" in refused.out
    again = await desk.run(officer, *refuse)
    assert again.status == 1
    unknown = await desk.run(officer, "approvals", "decide", "1", "approve", "--reason", REASON, "--yes")
    assert "その番号の確認依頼はありません。" in unknown.err

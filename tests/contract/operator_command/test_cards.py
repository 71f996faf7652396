"""Officers suspend, confirm and resume cards and undo bindings from the terminal, against certificate-registry."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.example_profile import BIDDER, CITY, PREFECTURE, WORKS
from tests.support.japanese_text import find_other_language
from tests.support.officers_desk import OfficersDesk
from tests.support.services.card_officer import CardOfficer
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.services.running_certificate_registry import running_certificate_registry
from toroku.certificate.v1 import user_lookup_pb2

GOOD = user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD
SUSPENDED = user_lookup_pb2.ResolveUserResponse.VERDICT_CARD_SUSPENDED
REASON = "盗難の届出があったため"


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningCertificateRegistry]:
    async with running_certificate_registry(migrated_database("certificate_registry"), tmp_path) as running:
        yield running


@pytest.fixture
def desk(
    registry: RunningCertificateRegistry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> OfficersDesk:
    addresses = {"certificate-registry": registry.office.address}
    return OfficersDesk(addresses, monkeypatch, capsys, instance=registry.profile.id)


@pytest.fixture
async def visit(registry: RunningCertificateRegistry) -> Visit:
    """A card that is registered at the prefecture, and by propagation at the city."""
    visit, registration = await registry.register_new()
    await registry.propagate({CITY: [registration.registration_id]})
    await registry.run_jobs()
    return visit


async def appoint(registry: RunningCertificateRegistry, name: str, *roles: str) -> CardOfficer:
    return await registry.appoint(name, *(roles or ("suspension",)))


async def test_nothing_is_suspended_without_a_yes(
    registry: RunningCertificateRegistry, desk: OfficersDesk, visit: Visit
) -> None:
    officer = await appoint(registry, f"{CITY}/hanako")
    card = visit.card.sha256.hex()
    refused = await desk.run(officer.person, "suspend", "card", card, "--category", WORKS, "--reason", REASON)
    assert refused.status == 1
    assert "署名する内容\n" in refused.out
    assert f"　理由：{REASON}\n" in refused.out
    assert "--yes" in refused.err
    assert (await registry.resolve(visit, CITY)).verdict == GOOD


@pytest.mark.requirement("LIF-04")
async def test_card_is_suspended_confirmed_and_resumed(
    registry: RunningCertificateRegistry, desk: OfficersDesk, visit: Visit
) -> None:
    hanako, taro = await appoint(registry, f"{CITY}/hanako"), await appoint(registry, f"{CITY}/taro")
    card = visit.card.sha256.hex()
    suspended = await desk.run(hanako.person, "suspend", "card", card, "--category", WORKS, "--reason", REASON, "--yes")
    assert (suspended.status, suspended.err) == (0, "")
    assert "ICカードの利用を停止しました。" in suspended.out
    confirming = f"toroku suspend confirm --card {card} --category {WORKS}"
    assert confirming in suspended.out
    assert (await registry.resolve(visit, CITY)).verdict == SUSPENDED
    assert (await registry.resolve(visit, PREFECTURE)).verdict == GOOD

    listed = await desk.run(taro.person, "cards", "list", "--card", card, "--category", WORKS)
    assert f"業者の番号：{BIDDER}" in listed.out
    assert f"cityの職員 hanako（{CITY}/hanako）、理由「{REASON}」、未確認のため" in listed.out

    own = await desk.run(hanako.person, *confirming.split()[1:], "--yes")
    assert own.status == 1
    confirmed = await desk.run(taro.person, *confirming.split()[1:], "--yes")
    assert (confirmed.status, confirmed.err) == (0, "")
    assert "利用停止を確認しました。" in confirmed.out

    proposed = await desk.run(taro.person, "resume", "card", card, "--category", WORKS, "--reason", "発見", "--yes")
    assert (proposed.status, proposed.err) == (0, "")
    proposal = proposed.out.rpartition("toroku approve ")[2].strip()
    shown = await desk.run(hanako.person, "propose", "show", proposal, "--details")
    assert "状態：承認待ち" in shown.out
    assert f"{CITY}/taro" in shown.out
    approved = await desk.run(hanako.person, "approve", proposal, "--yes")
    assert (approved.status, approved.err) == (0, "")
    assert "承認し、実行しました。" in approved.out
    assert (await registry.resolve(visit, CITY)).verdict == GOOD
    again = await desk.run(hanako.person, "approve", proposal, "--yes")
    assert again.status == 1
    listed = await desk.run(hanako.person, "propose", "list", "--only", "approved")
    assert f"提案 {proposal}" in listed.out
    assert "状態：承認済み（実行済み）" in listed.out


@pytest.mark.requirement("CRD-06")
async def test_binding_is_undone_by_two_officers(
    registry: RunningCertificateRegistry, desk: OfficersDesk, visit: Visit
) -> None:
    hanako = await appoint(registry, f"{PREFECTURE}/hanako", "binding")
    taro = await appoint(registry, f"{PREFECTURE}/taro", "binding")
    card = visit.card.sha256.hex()
    undo = ("binding", "undo", card, "--category", WORKS, "--reason", "別の業者の番号で登録した", "--yes")
    proposals = []
    for _ in range(2):
        proposed = await desk.run(hanako.person, *undo)
        assert (proposed.status, proposed.err) == (0, "")
        proposals.append(proposed.out.rpartition("toroku approve ")[2].strip())
    rejected = await desk.run(taro.person, "reject", proposals[0], "--reason", "二重の提案", "--yes")
    assert (rejected.status, rejected.err) == (0, "")
    shown = await desk.run(taro.person, "propose", "show", proposals[0], language="en")
    assert "  state: rejected\n" in shown.out
    assert "  reason: 二重の提案\n" in shown.out
    own = await desk.run(hanako.person, "approve", proposals[1], "--yes")
    assert (own.status, "自分の提案" in own.err) == (1, True)
    approved = await desk.run(taro.person, "approve", proposals[1], "--yes")
    assert (approved.status, approved.err) == (0, "")
    listed = await desk.run(taro.person, "cards", "list", "--bidder", BIDDER, "--category", WORKS)
    assert "業者との結び付き：取消し済み（再登録できます）" in listed.out


@pytest.mark.parametrize(("language", "reason"), [("ja", "盗難"), ("en", "theft")])
async def test_everything_is_said_in_one_language(
    registry: RunningCertificateRegistry, desk: OfficersDesk, visit: Visit, language: str, reason: str
) -> None:
    hanako = await appoint(registry, f"{CITY}/hanako")
    card = visit.card.sha256.hex()
    for arguments in (
        ("suspend", "card", card, "--category", WORKS, "--reason", reason, "--yes"),
        ("cards", "list", "--card", card, "--category", WORKS),
        ("resume", "card", card, "--category", WORKS, "--reason", reason, "--yes"),
        ("propose", "list"),
        ("cards", "list", "--bidder", "1", "--category", WORKS),
        ("approve", "1", "--yes"),
    ):
        result = await desk.run(hanako.person, *arguments, language=language)
        said = "\n".join(line for line in (result.out + result.err).splitlines() if "toroku" not in line)
        assert find_other_language(said, language) == []


async def test_card_that_is_not_registered_there_is_refused(
    registry: RunningCertificateRegistry, desk: OfficersDesk, visit: Visit
) -> None:
    officer = await appoint(registry, "town/hanako")
    card = visit.card.sha256.hex()
    refused = await desk.run(officer.person, "suspend", "card", card, "--category", WORKS, "--reason", REASON, "--yes")
    assert refused.status == 1
    assert "そのICカードの利用者登録がありません。" in refused.err
    assert "署名する内容" not in refused.out
    for wrong in (["abc"], ["abc", "--category", WORKS]):
        assert (await desk.run(officer.person, "suspend", "card", *wrong, "--reason", REASON)).status != 0

"""Officers undo renewals and link cards to expired ones from the terminal, against certificate-registry."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from tests.support.japanese_text import find_other_language
from tests.support.officers_desk import OfficersDesk
from tests.support.services.card_officer import CardOfficer
from tests.support.services.card_renewal import renew
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.services.running_certificate_registry import running_certificate_registry
from toroku.certificate.v1 import user_lookup_pb2

Verdict = user_lookup_pb2.ResolveUserResponse
HOUR = timedelta(hours=1)


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
async def officers(registry: RunningCertificateRegistry) -> tuple[CardOfficer, CardOfficer]:
    first, second = [await registry.appoint(f"{PREFECTURE}/{person}", "binding") for person in ("hanako", "taro")]
    return first, second


async def register_expired(registry: RunningCertificateRegistry) -> tuple[Visit, Visit]:
    """Returns a card that expired, and one whose contractor named it."""
    old, _ = await registry.register_new(registry.card(not_after=registry.now[0] + HOUR / 2))
    new = Visit(registry.card())
    serial = str(old.card.certificate.serial_number)
    await registry.log_in(new)
    await registry.sign_act(new, predecessor_serial=serial)
    await registry.register(new, predecessor_serial=serial)
    registry.pass_time(HOUR)
    return old, new


async def test_renewal_is_undone_by_two_officers(
    registry: RunningCertificateRegistry, desk: OfficersDesk, officers: tuple[CardOfficer, CardOfficer]
) -> None:
    hanako, taro = officers
    old, _ = await registry.register_new()
    renewal, _ = await renew(registry, old)
    card, new = old.card.sha256.hex(), renewal.new.card.sha256.hex()
    proposed = await desk.run(
        hanako.person, "propose", "reopening", card, "--category", WORKS, "--reason", "登録の誤り", "--yes"
    )
    assert (proposed.status, proposed.err) == (0, "")
    # The officer sees what became of the card, and signs both.
    assert f"更新後のICカード：{new}（{PREFECTURE}）" in proposed.out
    assert f"　更新前のICカード（証明書のSHA-256）：{card}\n" in proposed.out
    assert f"　更新後のICカード（証明書のSHA-256）：{new}\n" in proposed.out
    listed = await desk.run(taro.person, "cards", "list", "--card", new, "--category", WORKS)
    assert f"前のICカード：{card}（{PREFECTURE}）" in listed.out
    proposal = proposed.out.rpartition("toroku approve ")[2].strip()
    approved = await desk.run(taro.person, "approve", proposal, "--yes")
    assert (approved.status, approved.err) == (0, "")
    assert (await registry.resolve(old)).verdict == Verdict.VERDICT_GOOD
    assert (await registry.resolve(renewal.new)).verdict == Verdict.VERDICT_BINDING_ENDED


async def test_card_that_was_not_renewed_is_refused_before_anything_is_signed(
    registry: RunningCertificateRegistry, desk: OfficersDesk, officers: tuple[CardOfficer, CardOfficer]
) -> None:
    hanako, _ = officers
    visit, _ = await registry.register_new()
    arguments = ("propose", "reopening", visit.card.sha256.hex(), "--category", WORKS, "--reason", "誤り", "--yes")
    refused = await desk.run(hanako.person, *arguments)
    assert (refused.status, "--replaced-by" in refused.err) == (1, True)
    named = await desk.run(hanako.person, *arguments, "--replaced-by", "00" * 32)
    assert (named.status, "指定されたICカードに更新されていません。" in named.err) == (1, True)
    assert "署名する内容" not in refused.out


async def test_named_card_is_listed_and_linked(
    registry: RunningCertificateRegistry, desk: OfficersDesk, officers: tuple[CardOfficer, CardOfficer]
) -> None:
    hanako, _ = officers
    old, new = await register_expired(registry)
    listed = await desk.run(hanako.person, "cards", "named", "--category", WORKS)
    assert (listed.status, listed.err) == (0, "")
    assert f"業者の番号：{BIDDER}" in listed.out
    assert f"前のICカードの証明書のシリアル番号：{old.card.certificate.serial_number}" in listed.out
    linking = " ".join(listed.out.rpartition("toroku ")[2].split()).split()
    assert linking == [
        *("cards", "link", new.card.sha256.hex()),
        *("--predecessor", old.card.sha256.hex(), "--category", WORKS),
    ]
    linked = await desk.run(hanako.person, *linking, "--reason", "有効期限切れ", "--yes")
    assert (linked.status, linked.err) == (0, "")
    assert "前のICカードと関連付けました。" in linked.out
    assert (await registry.resolve(new)).predecessor == old.card.sha256
    again = await desk.run(hanako.person, *linking, "--reason", "有効期限切れ", "--yes")
    assert (again.status, "既にほかのICカードと関連付けられています。" in again.err) == (1, True)
    listed = await desk.run(hanako.person, "cards", "named", "--category", WORKS)
    assert "業者が指定した前のICカードはありません。" in listed.out


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_everything_is_said_in_one_language(
    registry: RunningCertificateRegistry,
    desk: OfficersDesk,
    officers: tuple[CardOfficer, CardOfficer],
    language: str,
) -> None:
    hanako, taro = officers
    old, new = await register_expired(registry)
    renewal, _ = await renew(registry, new)
    reason = "誤り" if language == "ja" else "mistake"
    for arguments in (
        ("propose", "reopening", new.card.sha256.hex(), "--category", WORKS, "--reason", reason, "--yes"),
        ("propose", "list"),
        ("propose", "reopening", old.card.sha256.hex(), "--category", WORKS, "--reason", reason, "--yes"),
        ("cards", "list", "--bidder", BIDDER, "--category", WORKS),
    ):
        result = await desk.run(hanako.person, *arguments, language=language)
        assert find_other_language(_leave_out_commands(result.out + result.err), language) == []
    await taro.approve(await hanako.propose_reopening(new, renewal.new))
    card, before = new.card.sha256.hex(), old.card.sha256.hex()
    for further in (
        ("cards", "named", "--category", WORKS),
        ("cards", "link", card, "--predecessor", before, "--category", WORKS, "--reason", reason, "--yes"),
        ("cards", "link", card, "--predecessor", before, "--category", WORKS, "--reason", reason, "--yes"),
        ("cards", "named", "--category", WORKS),
    ):
        result = await desk.run(hanako.person, *further, language=language)
        assert find_other_language(_leave_out_commands(result.out + result.err), language) == []


def _leave_out_commands(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "toroku" not in line)

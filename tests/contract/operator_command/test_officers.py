"""Officers are invited, enrolled, given roles and withdrawn from the terminal, against certificate-registry."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from servicekit.access import ListenerKind
from tests.support.example_profile import PREFECTURE
from tests.support.japanese_text import find_other_language
from tests.support.officers_desk import OfficersDesk
from tests.support.services.officers import RunningOfficers, fingerprint, running_officers

NAME = f"{PREFECTURE}/yamada"
AGENCY = ("--agency", PREFECTURE)


@pytest.fixture
async def officers(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningOfficers]:
    async with running_officers(migrated_database("certificate_registry"), tmp_path) as running:
        yield running


@pytest.fixture
def desk(
    officers: RunningOfficers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> OfficersDesk:
    addresses = {"certificate-registry": officers.addresses[ListenerKind.AGENCY]}
    return OfficersDesk(addresses, monkeypatch, capsys, instance=officers.instance)


def read_proposal(text: str) -> str:
    """Returns the id of the proposal that a command says how to approve."""
    return text.rpartition("toroku approve ")[2].strip()


@pytest.mark.requirement("LIF-08")
async def test_person_is_enrolled_and_given_roles(
    officers: RunningOfficers, desk: OfficersDesk, tmp_path: Path
) -> None:
    first, second = officers.first
    code = tmp_path / "code.txt"
    invited = await desk.run(
        first, "officer", "invite", "yamada", "--name", "山田 太郎", "--letter", code, *AGENCY, "--yes"
    )
    assert (invited.status, invited.err) == (0, "")
    assert "氏名：山田 太郎" in invited.out
    assert f"toroku officer accept yamada --agency {PREFECTURE}" in invited.out
    assert code.stat().st_mode & 0o777 == 0o600
    assert code.read_text().strip() not in invited.out

    person = await officers.connect(NAME)
    accept = ("officer", "accept", "yamada", *AGENCY, "--yes", "--code-file")
    (tmp_path / "wrong.txt").write_text("AAAA-AAAA-AAAA-AAAA")
    assert (await desk.run(person, *accept, tmp_path / "wrong.txt")).status == 1
    accepted = await desk.run(person, *accept, code)
    assert (accepted.status, accepted.err) == (0, "")
    shown = re.search(r"（指紋）：([0-9a-f ]+)", accepted.out)
    assert shown is not None
    assert bytes.fromhex(shown[1]) == fingerprint(person)

    waiting = await desk.run(second, "officer", "invitations", *AGENCY)
    assert "状態：管理者の確認待ち" in waiting.out
    unconfirmed = await desk.run(second, "officer", "confirm", "yamada", *AGENCY)
    assert unconfirmed.status == 1
    assert shown[1] in unconfirmed.out
    confirmed = await desk.run(second, "officer", "confirm", "yamada", *AGENCY, "--yes")
    assert (confirmed.status, confirmed.err) == (0, "")
    assert "権限：なし" in confirmed.out

    granted = await desk.run(
        first, "officer", "grant-role", "yamada", "suspension", "approval", "--reason", "着任", *AGENCY, "--yes"
    )
    assert (granted.status, granted.err) == (0, "")
    approved = await desk.run(second, "approve", read_proposal(granted.out), "--yes")
    assert (approved.status, approved.err) == (0, "")
    one = await desk.run(second, "officer", "show", "yamada", *AGENCY)
    assert "権限：ICカードの確認（approval）、利用停止と再開（suspension）" in one.out
    withdrawn = await desk.run(
        first, "officer", "withdraw-role", "yamada", "approval", "--reason", "担当の変更", *AGENCY, "--yes"
    )
    assert (withdrawn.status, withdrawn.err) == (0, "")
    assert "権限：利用停止と再開（suspension）\n" in withdrawn.out


@pytest.mark.requirement("LIF-08")
async def test_leaving_officers_are_withdrawn_by_the_list(
    officers: RunningOfficers, desk: OfficersDesk, tmp_path: Path
) -> None:
    for person in ("yamada", "suzuki", "tanaka"):
        await officers.enrol(f"{PREFECTURE}/{person}", "roster")
    administrator, file = officers.first[0], tmp_path / "officers.csv"
    listed = await desk.run(administrator, "officer", "list", *AGENCY, "--write", file)
    assert (listed.status, listed.err) == (0, "")
    lines = file.read_text("utf-8-sig").splitlines()
    assert lines[0].endswith(",利用の終了")
    assert [line.partition(",")[0] for line in lines[1:]] == ["suzuki", "tanaka", "yamada"]
    # As a spreadsheet saves it.
    marked = [line + ("はい" if line.startswith(("suzuki", "yamada")) else "") for line in lines[1:]]
    file.write_bytes("\r\n".join([lines[0], *marked]).encode("cp932"))
    withdraw = ("officer", "withdraw", "--file", file, "--reason", "4月の異動", *AGENCY)
    looked = await desk.run(administrator, *withdraw, "--preview-only")
    assert (looked.status, looked.err) == (0, "")
    assert "利用を終了する職員（2人）" in looked.out
    assert await officers.rows("SELECT count(*) FROM officer WHERE cardinality(roles) > 0") == [(3,)]
    unconfirmed = await desk.run(administrator, *withdraw)
    assert (unconfirmed.status, "--yes" in unconfirmed.err) == (1, True)
    withdrawn = await desk.run(administrator, *withdraw, "--yes")
    assert (withdrawn.status, withdrawn.err) == (0, "")
    assert "2人の利用を終了しました。" in withdrawn.out
    assert await officers.rows("SELECT person_id FROM officer WHERE cardinality(roles) > 0") == [("tanaka",)]
    again = await desk.run(administrator, *withdraw, "--yes")
    assert again.status == 1
    assert "利用を終了できない職員が2人含まれています（suzuki, yamada）。" in again.err
    file.write_text(file.read_text("cp932").replace("はい", "いいえ"), "utf-8")
    refused = await desk.run(administrator, *withdraw, "--yes")
    assert (refused.status, str(file) in refused.err) == (1, True)
    assert (
        "利用を終了する職員が指定されていません。"
        in (await desk.run(administrator, "officer", "withdraw", "--reason", "異動", *AGENCY, "--yes")).err
    )


async def test_invitation_is_cancelled(officers: RunningOfficers, desk: OfficersDesk) -> None:
    administrator = officers.first[0]
    mailed = ("officer", "invite", "yamada", "--name", "山田", "--mail", "yamada@example.jp", *AGENCY, "--yes")
    invited = await desk.run(administrator, *mailed, language="en")
    assert (invited.status, invited.err) == (0, "")
    invitation = re.search(r"invitation: ([0-9a-f-]{36})", invited.out)
    assert invitation is not None
    cancelled = await desk.run(
        administrator, "officer", "cancel", invitation[1], "--reason", "取りやめ", *AGENCY, "--yes"
    )
    assert (cancelled.status, cancelled.err) == (0, "")
    assert "招待はありません。" in (await desk.run(administrator, "officer", "invitations", *AGENCY)).out
    unknown = await desk.run(administrator, "officer", "confirm", "yamada", *AGENCY, "--yes")
    assert (unknown.status, "toroku officer invitations" in unknown.err) == (1, True)


async def test_all_sessions_are_ended(officers: RunningOfficers, desk: OfficersDesk) -> None:
    person = await officers.enrol(NAME, "roster")
    await officers.log_in(person)
    ended = await desk.run(officers.first[0], "officer", "end-sessions", "--reason", "鍵の漏えい", "--yes")
    assert (ended.status, ended.err) == (0, "")
    assert "全職員のログイン（1件）を終了しました。" in ended.out


async def test_expired_invitation_and_own_agency_are_explained(officers: RunningOfficers, desk: OfficersDesk) -> None:
    person = await officers.connect(NAME)
    # The certificate names neither agency nor instance.
    nameless = await desk.run_with(person.files, "officer", "list")
    assert (nameless.status, "--agency" in nameless.err) == (1, True)
    code = (await officers.invite(officers.first[0], NAME)).code
    officers.pass_time(timedelta(days=7, seconds=1))
    accept = ("officer", "accept", "yamada", *AGENCY, "--yes")
    without = await desk.run(person, *accept)
    assert (without.status, "--code-file" in without.err) == (1, True)
    file = officers.authority.callers.parent / "code.txt"
    file.write_text(code)
    assert (await desk.run(person, *accept, "--code-file", file)).status == 1


@pytest.mark.parametrize("language", ["ja", "en"])
async def test_everything_is_said_in_one_language(officers: RunningOfficers, desk: OfficersDesk, language: str) -> None:
    administrator = officers.first[0]
    name = "山田" if language == "ja" else "Yamada"
    for arguments in (
        ("officer", "invite", "yamada", "--name", name, "--mail", "yamada@example.jp", *AGENCY, "--yes"),
        ("officer", "invitations", *AGENCY),
        ("officer", "list", *AGENCY),
        ("officer", "confirm", "yamada", *AGENCY),
        ("officer", "withdraw", "nobody", "--reason", name, *AGENCY, "--yes"),
    ):
        result = await desk.run(administrator, *arguments, language=language)
        said = "\n".join(line for line in (result.out + result.err).splitlines() if "toroku" not in line)
        assert find_other_language(said, language) == []

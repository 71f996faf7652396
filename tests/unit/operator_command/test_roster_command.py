"""`toroku roster` as an officer, against a registry in this process over mTLS."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from refusals import Code, Refusal
from tests.support.in_process import Authority
from tests.support.japanese_text import find_other_language
from tests.support.terminal_dialogue import terminal_dialogue
from tests.unit.operator_command.desk import CONTENT, Desk, open_desk, registry_at
from toroku.qualification.v1.bidder_pb2 import RosterPreview, RowError, UndecidedRow


@pytest.fixture
async def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, monkeypatch, capsys) as desk:
        yield desk


async def test_roster_is_uploaded_shown_and_imported(desk: Desk) -> None:
    result = await desk.import_roster("--yes")
    assert (result.status, result.err) == (0, "")
    assert desk.registry.content == CONTENT
    assert desk.registry.header is not None
    assert (desk.registry.header.mapping, desk.registry.header.file_name) == ("works-list", "list.csv")
    assert desk.registry.largest_piece <= 1024 * 1024
    assert len(desk.registry.imported) == 1
    assert "第1版" in result.out
    assert not desk.registry.cancelled


async def test_everything_is_said_in_one_language(desk: Desk) -> None:
    seen = "ROSTER_FILE_SEEN_BEFORE"
    desk.registry.preview.questions.add(reason=seen, metadata={"version": "3", "day": "2026-10-01"})
    for arguments in ((), ("--preview-only",), ("--yes", "--confirm", seen)):
        for language in ("ja", "en"):
            result = await desk.run("import", desk.roster, "--mapping", "works-list", *arguments, language=language)
            assert find_other_language(result.out + result.err, language) == []


async def test_preview_that_is_not_imported_is_cancelled(desk: Desk) -> None:
    await desk.import_roster("--preview-only")
    assert desk.registry.cancelled == ["import-1"]
    # Without a terminal nobody can be asked.
    assert (await desk.import_roster()).status == 1
    assert desk.registry.cancelled == ["import-1", "import-1"]


async def test_progress_without_a_terminal_is_one_line_for_each_step(desk: Desk) -> None:
    result = await desk.import_roster("--yes")
    assert f"ファイルの送信：{len(CONTENT):,}" in result.out
    assert "検査：60,000 / 60,000" in result.out
    assert "取込み：60,000 / 60,000" in result.out
    assert "\x1b" not in result.out


async def test_preview_only_imports_nothing(desk: Desk) -> None:
    result = await desk.import_roster("--preview-only")
    assert result.status == 0
    assert "59,998" in result.out
    assert not desk.registry.commits


async def test_unconfirmed_roster_is_not_imported(desk: Desk) -> None:
    result = await desk.import_roster()
    assert result.status == 1
    assert "--yes" in result.err
    assert not desk.registry.commits


async def test_roster_with_errors_is_shown_and_not_imported(desk: Desk) -> None:
    error = RowError(row=5, column="住所", reason="FIELD_TOO_LONG", metadata={"actual": "99", "most": "60"})
    desk.registry.preview = RosterPreview(import_id="import-1", rows=6, errors=[error], error_count=1)
    result = await desk.import_roster("--yes")
    assert result.status == 1
    assert "住所" in result.out
    assert "文字数が多すぎます" in result.out
    assert not desk.registry.commits


async def test_same_roster_again_changes_nothing(desk: Desk) -> None:
    desk.registry.preview.same_as_current = True
    result = await desk.import_roster("--yes")
    assert result.status == 0
    assert "何も変わりません" in result.out
    assert not desk.registry.commits


async def test_undecided_rows_need_the_officers_decision(desk: Desk) -> None:
    desk.registry.preview.undecided.extend(
        [UndecidedRow(row=7, name="共同企業体", suggested_bidder_id="9000000001"), UndecidedRow(row=12, name="組合")]
    )
    desk.registry.preview.undecided_row_count = 2
    result = await desk.import_roster("--yes")
    assert result.status == 1
    assert "共同企業体" in result.out
    assert not desk.registry.commits
    result = await desk.import_roster("--yes", "--decide", "7=9000000001", "--decide", "12=new")
    assert result.status == 0
    decisions = {decision.row: decision.bidder_id for decision in desk.registry.commits[0].decisions}
    assert decisions == {7: "9000000001", 12: ""}


async def test_suggestions_are_accepted_with_the_option(desk: Desk) -> None:
    desk.registry.preview.undecided.add(row=7, name="共同企業体", suggested_bidder_id="9000000001")
    desk.registry.preview.undecided_row_count = 1
    assert (await desk.import_roster("--yes", "--accept-suggestions")).status == 0
    assert desk.registry.commits[0].accept_suggestions


async def test_malformed_decision_is_refused_before_the_upload(desk: Desk) -> None:
    result = await desk.import_roster("--yes", "--decide", "seven=new")
    assert result.status == 1
    assert "--decide" in result.err
    assert desk.registry.header is None


async def test_commit_is_repeated_after_a_lost_answer(desk: Desk) -> None:
    desk.registry.answers_to_lose = 2
    result = await desk.import_roster("--yes")
    assert result.status == 0
    assert len(desk.registry.commits) == 3
    assert {commit.import_id for commit in desk.registry.commits} == {"import-1"}
    assert "第1版" in result.out


async def test_unreachable_registry_is_reported(desk: Desk) -> None:
    desk.registry.answers_to_lose = 99
    result = await desk.import_roster("--yes")
    assert result.status == 1
    assert "接続できませんでした" in result.err


async def test_refusal_of_the_registry_is_explained(desk: Desk) -> None:
    result = await desk.import_roster("--yes", mapping="potions")
    assert result.status == 1
    assert result.err.strip()
    assert "Traceback" not in result.err


async def test_too_large_roster_is_refused_during_the_upload(desk: Desk) -> None:
    desk.registry.most_bytes = 256 * 1024
    result = await desk.import_roster("--yes")
    assert result.status == 1
    assert len(desk.registry.content) < len(CONTENT)
    assert not desk.registry.commits


async def test_missing_roster_file_is_reported(desk: Desk) -> None:
    desk.roster.unlink()
    result = await desk.import_roster("--yes")
    assert result.status == 1
    assert str(desk.roster) in result.err


async def test_roster_file_that_is_a_folder_is_reported(desk: Desk) -> None:
    desk.roster.unlink()
    desk.roster.mkdir()
    assert "Is a directory" in (await desk.import_roster("--yes")).err


async def test_officer_without_the_role_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_bytes(CONTENT)
    async with registry_at(tmp_path, "password") as (registry, options):
        result = await Desk(registry, options, tmp_path, monkeypatch, capsys).import_roster("--yes")
    assert result.status == 1
    assert "prefecture/officer" in result.err
    assert registry.header is None


async def test_missing_certificate_is_reported(desk: Desk) -> None:
    desk.options[desk.options.index("--client-key") + 1] = str(desk.folder / "nowhere.key")
    result = await desk.import_roster("--yes")
    assert result.status == 1
    assert "nowhere.key" in result.err


async def test_missing_instance_is_reported_with_its_folder(desk: Desk) -> None:
    desk.options[:] = ["--state", str(desk.folder / "nothing")]
    result = await desk.import_roster("--yes")
    assert result.status == 1
    assert str(desk.folder / "nothing") in result.err


async def test_passwords_are_only_in_private_letters(desk: Desk) -> None:
    result = await desk.issue()
    assert (result.status, result.err) == (0, "")
    assert "3通" in result.out
    files = sorted(desk.letters.iterdir())
    assert [file.name for file in files] == [f"works-100000000{number}.txt" for number in (1, 2, 3)]
    for file, (bidder_id, password) in zip(files, sorted(desk.registry.passwords.items()), strict=True):
        assert f"：{bidder_id}\n" in file.read_text("utf-8")
        assert f"：{password}\n" in file.read_text("utf-8")
        assert file.stat().st_mode & 0o777 == 0o600
        assert password not in result.out


async def test_passwords_are_issued_for_the_agency_of_the_officers_certificate(desk: Desk) -> None:
    assert (await desk.issue()).status == 0
    assert desk.registry.issued_for == ["prefecture"]


async def test_operators_officer_names_the_agency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with registry_at(tmp_path, "password", officer="operator/officer") as (registry, options):
        registry.add("1000000001", "株式会社1")
        desk = Desk(registry, options, tmp_path, monkeypatch, capsys)
        result = await desk.issue()
        assert result.status == 1
        assert "--agency" in result.err
        assert not registry.passwords
        assert (await desk.issue("--agency", "town")).status == 0
        assert registry.issued_for == ["town"]


async def test_certificate_of_no_officer_names_no_agency(desk: Desk, tmp_path: Path) -> None:
    files = Authority(tmp_path, "example").named("nobody")
    desk.options[desk.options.index("--client-certificate") + 1] = str(files.certificate)
    desk.options[desk.options.index("--client-key") + 1] = str(files.private_key)
    result = await desk.issue()
    assert result.status == 1
    assert "--agency" in result.err
    (tmp_path / "broken.pem").write_text("nothing")
    desk.options[desk.options.index("--client-certificate") + 1] = str(tmp_path / "broken.pem")
    result = await desk.issue()
    assert result.status == 1
    assert "broken.pem" in result.err


async def test_only_the_named_bidder_gets_a_password(desk: Desk) -> None:
    assert (await desk.issue("--bidder-id", "1000000002")).status == 0
    assert list(desk.registry.passwords) == ["1000000002"]
    assert [file.name for file in desk.letters.iterdir()] == ["works-1000000002.txt"]


async def test_password_is_reissued_only_with_the_option(desk: Desk) -> None:
    await desk.issue("--bidder-id", "1000000002")
    first = desk.registry.passwords["1000000002"]
    assert (await desk.issue("--bidder-id", "1000000002")).status == 1
    assert desk.registry.passwords["1000000002"] == first
    assert (await desk.issue("--bidder-id", "1000000002", "--reissue")).status == 0
    text = (desk.letters / "works-1000000002.txt").read_text("utf-8")
    assert desk.registry.passwords["1000000002"] in text
    assert first not in text


async def test_reissue_for_all_bidders_is_refused(desk: Desk) -> None:
    result = await desk.issue("--reissue")
    assert result.status == 1
    assert "--bidder-id" in result.err
    assert not desk.registry.passwords


async def test_unwritable_folder_is_refused_before_a_password_is_issued(desk: Desk) -> None:
    desk.letters.write_text("in the way")
    result = await desk.issue()
    assert result.status == 1
    assert not desk.registry.passwords


async def test_unwritable_letter_is_named_and_the_others_are_kept(desk: Desk) -> None:
    desk.letters.mkdir()
    # A folder takes the letter's name.
    (desk.letters / "works-1000000002.txt").mkdir()
    result = await desk.issue()
    assert result.status == 1
    assert "1000000002" in result.err
    assert "--reissue" in result.err
    assert (desk.letters / "works-1000000001.txt").is_file()
    assert (desk.letters / "works-1000000003.txt").is_file()
    assert not [password for password in desk.registry.passwords.values() if password in result.err + result.out]


async def test_interruption_reports_the_number_of_letters_written(desk: Desk) -> None:
    def stop(bidder_id: str) -> None:
        if bidder_id == "1000000003":
            raise Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE, {"code": "UNAVAILABLE"})

    desk.registry.before_letter = stop
    result = await desk.issue()
    assert result.status == 1
    assert "2通" in result.err
    desk.registry.before_letter = None
    assert (await desk.issue()).status == 0
    assert len(list(desk.letters.iterdir())) == 3


async def test_broken_profile_is_refused_before_a_password_is_issued(desk: Desk) -> None:
    profile = desk.folder / "broken.yaml"
    profile.write_text("id: [")
    result = await desk.issue("--profile", str(profile))
    assert result.status == 1
    assert "broken.yaml" in result.err
    assert not desk.registry.passwords


async def test_letters_need_a_profile_before_a_password_is_issued(desk: Desk) -> None:
    result = await desk.run("issue-passwords", "--category", "works", "--letters", desk.letters)
    assert result.status == 1
    assert "--profile" in result.err
    assert not desk.registry.passwords
    assert not desk.letters.exists()


@pytest.mark.parametrize(("answer", "status", "imported"), [("y", 0, 1), ("ｙ", 0, 1), ("はい", 0, 1), ("n", 1, 0)])
async def test_officer_is_asked_at_a_terminal(desk: Desk, answer: str, status: int, imported: int) -> None:
    assert await import_at_a_terminal(desk, answer, "署名して実行しますか") == status
    assert len(desk.registry.imported) == imported
    assert len(desk.registry.cancelled) == 1 - imported


@pytest.mark.parametrize(("answer", "status", "kept"), [("y", 0, False), ("いいえ", 1, True)])
async def test_officer_is_asked_before_a_file_is_overwritten(desk: Desk, answer: str, status: int, kept: bool) -> None:
    file = desk.folder / "changes.csv"
    file.write_text("former")
    options = ("--preview-only", "--write", str(file))
    assert await import_at_a_terminal(desk, answer, "上書きしますか", *options) == status
    assert (file.read_text("utf-8-sig") == "former") == kept


async def test_only_yes_or_no_answers_and_only_after_the_question(desk: Desk) -> None:
    def import_it() -> tuple[int, str]:
        with terminal_dialogue(*import_command(desk), module="operator_command") as dialogue:
            # What is typed while the file is read must not consent to an import that nobody has seen.
            dialogue.type("y")
            dialogue.answer("署名して実行しますか（y：はい　n：いいえ）", "ok")
            dialogue.answer("yまたはnで答えてください。", "n")
            return dialogue.wait_for_end(), dialogue.transcript

    status, transcript = await asyncio.to_thread(import_it)
    assert status == 1
    assert "中止しました。何も変更していません。" in transcript
    assert not desk.registry.commits


def import_command(desk: Desk, *options: str) -> list[str]:
    command = ["roster", "import", str(desk.roster), "--mapping", "works-list"]
    return [*command, *options, *desk.options, "--language", "ja"]


async def import_at_a_terminal(desk: Desk, answer: str, question: str, *options: str) -> int:
    """Runs the import in a process with a terminal, and answers its only question; returns its exit status."""

    def import_it() -> int:
        with terminal_dialogue(*import_command(desk, *options), module="operator_command") as dialogue:
            dialogue.answer(question, answer)
            return dialogue.wait_for_end()

    return await asyncio.to_thread(import_it)

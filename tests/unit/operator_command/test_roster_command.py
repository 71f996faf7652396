"""`toroku roster` against a registry in this process, over mTLS, as an officer."""

import asyncio
import os
import pty
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from operator_command.__main__ import main
from refusals import Code, Refusal
from servicekit.access import ListenerKind
from tests.support.in_process import Authority, serving
from tests.support.peers.qualification_registry import QualificationRegistryPeer
from toroku.qualification.v1 import service_pb2
from toroku.qualification.v1.resources_pb2 import RosterPreview, RowError, UndecidedRow
from toroku.qualification.v1.service_pb2_grpc import add_QualificationRegistryServicer_to_server

SERVICE = service_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"]
CONTENT = "商号,住所\n".encode() + "株式会社甲,岡山県\n".encode() * 60_000


@dataclass(slots=True)
class Done:
    """What a command left behind."""

    status: int
    out: str
    err: str


@dataclass(slots=True)
class Desk:
    """An officer at a terminal that is none: commands, the registry behind them, a roster file, a letter folder."""

    registry: QualificationRegistryPeer
    options: list[str]
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def roster(self) -> Path:
        return self.folder / "list.csv"

    @property
    def letters(self) -> Path:
        return self.folder / "letters"

    async def run(self, *arguments: object) -> Done:
        """Runs `toroku roster …` with the connection's options."""
        words = ["toroku", "roster", *map(str, arguments), *self.options]
        self.monkeypatch.setattr(sys, "argv", words)
        self.capsys.readouterr()
        status = await asyncio.to_thread(_status)
        out, err = self.capsys.readouterr()
        return Done(status, out, err)

    async def import_roster(self, *options: str, mapping: str = "works-list") -> Done:
        return await self.run("import", self.roster, "--mapping", mapping, *options)

    async def issue(self, *options: str) -> Done:
        return await self.run("issue-passwords", "--category", "works", "--letters", self.letters, *options)


def _status() -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@asynccontextmanager
async def registry_at(folder: Path, *roles: str) -> AsyncIterator[tuple[QualificationRegistryPeer, list[str]]]:
    authority = Authority(folder, "example")
    officer = authority.officer("prefecture/officer", *roles)
    registry = QualificationRegistryPeer()  # type: ignore[abstract]  # It answers what the command asks, and nothing else.
    services = {SERVICE: partial(add_QualificationRegistryServicer_to_server, registry)}
    name = "qualification-registry"
    async with serving(authority, name, services, instance="example", listener=ListenerKind.AGENCY) as address:
        files = {
            "--endpoint": address,
            "--client-certificate": officer.certificate,
            "--client-key": officer.private_key,
            "--trust": officer.trusted,
        }
        yield registry, [str(word) for pair in files.items() for word in pair]


@pytest.fixture
async def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Desk]:
    (tmp_path / "list.csv").write_bytes(CONTENT)
    async with registry_at(tmp_path, "roster", "password") as (registry, options):
        registry.preview.rows = 60_000
        registry.preview.new = 2
        registry.preview.unchanged = 59_998
        for number in (1, 2, 3):
            registry.add(f"100000000{number}", f"株式会社{number}")
        yield Desk(registry, options, tmp_path, monkeypatch, capsys)


@pytest.mark.requirement("QUA-12")
async def test_roster_is_sent_whole_shown_and_imported(desk: Desk) -> None:
    done = await desk.import_roster("--yes")
    assert (done.status, done.err) == (0, "")
    assert desk.registry.content == CONTENT
    assert desk.registry.header is not None
    assert (desk.registry.header.mapping, desk.registry.header.file_name) == ("works-list", "list.csv")
    assert desk.registry.largest_piece <= 1024 * 1024
    assert len(desk.registry.imported) == 1
    assert "第 1 版" in done.out
    assert "Imported as version 1" in done.out


async def test_progress_is_one_line_a_step_where_there_is_no_terminal(desk: Desk) -> None:
    done = await desk.import_roster("--yes")
    assert f"受信 receive: {len(CONTENT):,}" in done.out
    assert "検査 check: 60,000 / 60,000" in done.out
    assert "書込 write: 60,000 / 60,000" in done.out
    assert "\x1b" not in done.out


async def test_preview_only_imports_nothing(desk: Desk) -> None:
    done = await desk.import_roster("--preview-only")
    assert done.status == 0
    assert "59,998" in done.out
    assert not desk.registry.commits


async def test_without_a_word_nothing_is_imported(desk: Desk) -> None:
    done = await desk.import_roster()
    assert done.status == 1
    assert "--yes" in done.err
    assert not desk.registry.commits


@pytest.mark.requirement("QUA-12")
async def test_roster_with_errors_is_shown_and_not_imported(desk: Desk) -> None:
    error = RowError(row=5, column="住所", reason="FIELD_TOO_LONG", metadata={"actual": "99", "most": "60"})
    desk.registry.preview = RosterPreview(import_id="import-1", rows=6, errors=[error], error_count=1)
    done = await desk.import_roster("--yes")
    assert done.status == 1
    assert "住所" in done.out
    assert "長すぎます" in done.out
    assert not desk.registry.commits


@pytest.mark.requirement("QUA-12")
async def test_same_roster_again_changes_nothing(desk: Desk) -> None:
    desk.registry.preview.same_as_current = True
    done = await desk.import_roster("--yes")
    assert done.status == 0
    assert "何も変わりません" in done.out
    assert not desk.registry.commits


@pytest.mark.requirement("QUA-12")
async def test_undecided_rows_need_the_officers_word(desk: Desk) -> None:
    desk.registry.preview.undecided.extend(
        [UndecidedRow(row=7, name="共同企業体", suggested_bidder_id="9000000001"), UndecidedRow(row=12, name="組合")]
    )
    done = await desk.import_roster("--yes")
    assert done.status == 1
    assert "共同企業体" in done.out
    assert not desk.registry.commits
    done = await desk.import_roster("--yes", "--decide", "7=9000000001", "--decide", "12=new")
    assert done.status == 0
    decided = {decision.row: decision.bidder_id for decision in desk.registry.commits[0].decisions}
    assert decided == {7: "9000000001", 12: ""}


async def test_suggestions_are_accepted_where_that_is_said(desk: Desk) -> None:
    desk.registry.preview.undecided.add(row=7, name="共同企業体", suggested_bidder_id="9000000001")
    assert (await desk.import_roster("--yes", "--accept-suggestions")).status == 0
    assert desk.registry.commits[0].accept_suggestions


async def test_decision_that_is_none_is_refused_before_anything_is_sent(desk: Desk) -> None:
    done = await desk.import_roster("--yes", "--decide", "seven=new")
    assert done.status == 1
    assert "--decide" in done.err
    assert desk.registry.header is None


async def test_lost_answer_to_the_import_is_asked_for_again(desk: Desk) -> None:
    desk.registry.answers_to_lose = 2
    done = await desk.import_roster("--yes")
    assert done.status == 0
    assert len(desk.registry.commits) == 3
    assert {commit.import_id for commit in desk.registry.commits} == {"import-1"}
    assert "第 1 版" in done.out


async def test_registry_that_stays_away_is_said_so(desk: Desk) -> None:
    desk.registry.answers_to_lose = 99
    done = await desk.import_roster("--yes")
    assert done.status == 1
    assert "接続できませんでした" in done.err
    assert "could not be reached" in done.err


async def test_refusal_of_the_registry_is_said_in_words(desk: Desk) -> None:
    done = await desk.import_roster("--yes", mapping="potions")
    assert done.status == 1
    assert done.err.strip()
    assert "Traceback" not in done.err


async def test_roster_that_is_too_large_is_refused_on_the_way(desk: Desk) -> None:
    desk.registry.most_bytes = 256 * 1024
    done = await desk.import_roster("--yes")
    assert done.status == 1
    assert len(desk.registry.content) < len(CONTENT)
    assert not desk.registry.commits


async def test_missing_roster_file_is_said_so(desk: Desk) -> None:
    desk.roster.unlink()
    done = await desk.import_roster("--yes")
    assert done.status == 1
    assert str(desk.roster) in done.err


async def test_roster_file_that_is_a_folder_is_said_so(desk: Desk) -> None:
    desk.roster.unlink()
    desk.roster.mkdir()
    assert "Is a directory" in (await desk.import_roster("--yes")).err


async def test_officer_without_the_role_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_bytes(CONTENT)
    async with registry_at(tmp_path, "password") as (registry, options):
        done = await Desk(registry, options, tmp_path, monkeypatch, capsys).import_roster("--yes")
    assert done.status == 1
    assert "prefecture/officer" in done.err
    assert registry.header is None


async def test_certificate_that_is_not_there_is_said_so(desk: Desk) -> None:
    desk.options[desk.options.index("--client-key") + 1] = str(desk.folder / "nowhere.key")
    done = await desk.import_roster("--yes")
    assert done.status == 1
    assert "nowhere.key" in done.err


async def test_without_any_connection_the_command_says_what_is_missing(desk: Desk) -> None:
    desk.options[:] = ["--state", str(desk.folder / "nothing")]
    done = await desk.import_roster("--yes")
    assert done.status == 1
    assert str(desk.folder / "nothing") in done.err


@pytest.mark.requirement("QUA-02")
async def test_passwords_come_as_closed_letters_and_nowhere_else(desk: Desk) -> None:
    done = await desk.issue()
    assert (done.status, done.err) == (0, "")
    assert "3 通" in done.out
    files = sorted(desk.letters.iterdir())
    assert [file.name for file in files] == [f"works-100000000{number}.txt" for number in (1, 2, 3)]
    for file, (bidder_id, password) in zip(files, sorted(desk.registry.passwords.items()), strict=True):
        assert f"：{bidder_id}\n" in file.read_text("utf-8")
        assert f"：{password}\n" in file.read_text("utf-8")
        assert file.stat().st_mode & 0o777 == 0o600
        assert password not in done.out


async def test_only_the_named_bidder_gets_a_password(desk: Desk) -> None:
    assert (await desk.issue("--bidder-id", "1000000002")).status == 0
    assert list(desk.registry.passwords) == ["1000000002"]
    assert [file.name for file in desk.letters.iterdir()] == ["works-1000000002.txt"]


async def test_password_is_issued_again_only_where_that_is_said(desk: Desk) -> None:
    await desk.issue("--bidder-id", "1000000002")
    first = desk.registry.passwords["1000000002"]
    assert (await desk.issue("--bidder-id", "1000000002")).status == 1
    assert desk.registry.passwords["1000000002"] == first
    assert (await desk.issue("--bidder-id", "1000000002", "--reissue")).status == 0
    text = (desk.letters / "works-1000000002.txt").read_text("utf-8")
    assert desk.registry.passwords["1000000002"] in text
    assert first not in text


async def test_nobody_gets_all_passwords_anew(desk: Desk) -> None:
    done = await desk.issue("--reissue")
    assert done.status == 1
    assert "--bidder-id" in done.err
    assert not desk.registry.passwords


async def test_folder_that_cannot_be_written_costs_no_password(desk: Desk) -> None:
    desk.letters.write_text("in the way")
    done = await desk.issue()
    assert done.status == 1
    assert not desk.registry.passwords


async def test_letter_that_cannot_be_written_is_named_and_the_others_are_kept(desk: Desk) -> None:
    desk.letters.mkdir()
    # A folder with the letter's name is in its way.
    (desk.letters / "works-1000000002.txt").mkdir()
    done = await desk.issue()
    assert done.status == 1
    assert "1000000002" in done.err
    assert "--reissue" in done.err
    assert (desk.letters / "works-1000000001.txt").is_file()
    assert (desk.letters / "works-1000000003.txt").is_file()
    assert not [password for password in desk.registry.passwords.values() if password in done.err + done.out]


async def test_interruption_says_how_many_letters_are_there(desk: Desk) -> None:
    def stop(bidder_id: str) -> None:
        if bidder_id == "1000000003":
            raise Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE, {"code": "UNAVAILABLE"})

    desk.registry.before_letter = stop
    done = await desk.issue()
    assert done.status == 1
    assert "2 通" in done.err
    desk.registry.before_letter = None
    assert (await desk.issue()).status == 0
    assert len(list(desk.letters.iterdir())) == 3


async def test_letters_use_the_words_of_the_profile(desk: Desk) -> None:
    profile = desk.folder / "broken.yaml"
    profile.write_text("id: [")
    done = await desk.issue("--profile", str(profile))
    assert done.status == 1
    assert "broken.yaml" in done.err
    assert not desk.registry.passwords


@pytest.mark.parametrize(("answer", "status", "imported"), [("y", 0, 1), ("n", 1, 0)])
async def test_at_a_terminal_the_officer_is_asked(desk: Desk, answer: str, status: int, imported: int) -> None:
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "operator_command", "roster", "import", str(desk.roster)]
    process = await asyncio.create_subprocess_exec(
        *command, "--mapping", "works-list", *desk.options, stdin=end, stdout=end, stderr=end
    )
    os.close(end)
    os.write(terminal, f"{answer}\n".encode())
    said = await asyncio.to_thread(_all_of, terminal)
    assert await process.wait() == status
    assert "Import it?" in said
    assert len(desk.registry.imported) == imported


def _all_of(terminal: int) -> str:
    pieces = []
    try:
        while piece := os.read(terminal, 65536):
            pieces.append(piece)
    except OSError:  # Linux says EIO where the other end was closed.
        pass
    os.close(terminal)
    return b"".join(pieces).decode()

"""`card-agent diagnose`: what a help desk asks, where all is well and where several things are not.

With the real pcscd and a front door in this process; the home has kanji and a blank, and there is no locale.
"""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from card_agent.log_file import find_log_file
from simulators.certificate_authorities import CertificateAuthority
from simulators.instance_overlay import card_authority as accept
from simulators.smart_card_service import READER, SECOND_READER
from tests.support.card_reader import CardReader
from tests.support.example_profile import example_profile
from tests.support.services.front_door import RunningFrontDoor, running_front_door

COMPANY, HOLDER = "髙﨑建設株式会社", "土木　太郎"
ALL_WELL, PROBLEMS = 0, 1


@pytest.fixture
async def server(card_authority: CertificateAuthority, tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    authority = accept(card_authority) | {"id": "test-ca", "name": {"ja": "試験認証局", "en": "Test CA"}}
    async with running_front_door(example_profile(card_authorities=[authority]), tmp_path) as server:
        server.clock.now = datetime.now(UTC)
        yield server


@pytest.fixture
def home(server: RunningFrontDoor, tmp_path: Path) -> Path:
    """The home of a person who trusts the front door."""
    folder = tmp_path / "山田 太郎" / ".config" / "toroku-card-agent"
    folder.mkdir(parents=True)
    (folder / "ca.pem").write_bytes(server.authority)
    trust(folder, example={"endpoint": server.address, "authority": "ca.pem"})
    return tmp_path / "山田 太郎"


def trust(folder: Path, **instances: dict[str, str]) -> None:
    (folder / "trust.yaml").write_text(yaml.safe_dump(instances))


async def diagnose(home: Path, *options: str) -> tuple[int, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "XDG_"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "card_agent", "diagnose", *options),
        env=environment | {"HOME": str(home), "LANG": "C", "PYTHONIOENCODING": "utf-8"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert errors == b""
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.requirement("CRD-09")
async def test_where_all_is_well_it_says_so_without_a_name_of_company_or_person(
    home: Path, reader: CardReader, card_authority: CertificateAuthority, tmp_path: Path
) -> None:
    issued = card_authority.issue(company=COMPANY, holder=HOLDER)
    card = reader.insert(issued, tries=10)
    report = tmp_path / "報告.txt"
    status, output = await diagnose(home, "--language", "ja", "--output", str(report))
    assert status == ALL_WELL, output
    content = report.read_text("utf-8")
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    for text in (output, content):
        for part in (
            "カードエージェントのバージョン: 0.",
            f"設定のフォルダー: {home}",
            f"{READER}: ICカードあり",
            f"{SECOND_READER}: ICカードなし",
            "試験認証局",
            f"シリアル番号{issued.certificate.serial_number}",
            f"{issued.certificate.not_valid_after_utc:%Y}/",
            "PIN入力の残り回数10",
            "接続: 接続できました",
            "サーバー証明書: 確認できました",
            "パソコンの時刻とサーバーの時刻の差: ",
            "問題は見つかりませんでした。",
        ):
            assert part in text
        for name in (COMPANY, HOLDER, "要確認"):
            assert name not in text
    assert card.piv.tries_left == 10
    log = find_log_file(home / ".config" / "toroku-card-agent").read_text("utf-8")
    assert "command 00 A4 04 00" in log
    assert COMPANY not in log


@pytest.mark.requirement("CRD-09")
async def test_each_thing_that_is_wrong_is_marked_with_its_advice(
    home: Path, server: RunningFrontDoor, reader: CardReader, tmp_path: Path
) -> None:
    folder = home / ".config" / "toroku-card-agent"
    server.clock.now = datetime.now(UTC) - timedelta(minutes=10)
    (folder / "other.pem").write_text(CertificateAuthority.create("Other CA").pem)
    port = server.address.rpartition(":")[2]
    trust(
        folder,
        example={"endpoint": server.address, "authority": "ca.pem"},
        strange={"endpoint": f"localhost:{port}", "authority": "other.pem"},
        away={"endpoint": "127.0.0.1:9", "authority": "ca.pem"},
    )
    (folder / "settings.yaml").write_text(yaml.safe_dump({"files": [str(tmp_path / "失効.p12")]}, allow_unicode=True))
    reader.insert(CertificateAuthority.create("Strange CA").issue(company=COMPANY))
    status, output = await diagnose(home)
    assert status == PROBLEMS
    for part in (
        "Clock of this PC against the server's: [to check] +60",
        "Set the date and time of this PC.",
        "Connection: [to check] The identity of the server could not be verified",
        "[ENDPOINT_NOT_TRUSTED]",
        "Certificate of the server: [to check] not verified",
        "[PEER_UNREACHABLE]",
        "Certificate of the server: [to check] can't be reached",
        "[CARD_FILE_NOT_FOUND]",
        "Cards of this certification authority (Strange CA) are not accepted here.",
        "Use: [to check] none of the certificates can be used",
    ):
        assert part in output, output
    assert COMPANY not in output
    reader.service.stop()
    (folder / "trust.yaml").unlink()
    status, output = await diagnose(home)
    assert status == PROBLEMS
    assert "[SMART_CARD_SERVICE_NOT_RUNNING]" in output
    assert "Trusted systems: [to check] none" in output

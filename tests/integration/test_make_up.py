"""`make up` as a newcomer meets it: what it prints is run as it stands, and a card is registered."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import Pin
from demo.card_ca import running_card_ca
from demo.preparation import EXAMPLE_MAPPING, PIN
from demo.up import lacks_card_authorities, write_certificate_file
from simulators.certificate_authorities import CertificateAuthority

SAITAMA = Path("profiles/saitama.yaml")
CONTACT = {
    "department": "工事部",
    "postal_code": "330-9301",
    "address": "埼玉県さいたま市浦和区高砂３－１５－１",
    "person_name": "見本　太郎",
    "telephone": "048-000-0000",
    "fax": "048-000-0001",
    "mail_address": "office@contractor.example",
    "mail_address_again": "office@contractor.example",
}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("make-up") / "state"


@pytest.fixture(scope="module")
def up(state: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "demo.up", "--state", str(state)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield process
    process.kill()
    process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    read = ""
    while text not in read:
        line = process.stdout.readline()
        assert line, read
        read += line
    return read


def line_with(said: str, text: str) -> str:
    """The last line that has the text, without its indentation."""
    return [line.strip() for line in said.splitlines() if text in line][-1]


def value_of(said: str, label: str) -> str:
    return line_with(said, f"  {label}：").partition("：")[2]


def run_in_shell(command: str) -> str:
    """The output of a command in a shell, as a person would paste it."""
    shell = ["sh", "-c", command]
    ended = subprocess.run(shell, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_printed_commands_register_the_card_and_ask_whose_it_is(
    up: subprocess.Popen[str], state: Path, tmp_path: Path
) -> None:
    said = read_until(up, "a new card and a new CA")
    assert "NO CARD CAN BE REGISTERED" not in said
    bidder_id = value_of(said, "ユーザID")
    form, pin, password = (tmp_path / name for name in ("form.yaml", "pin", "password"))
    agency = re.search(r"--agency (\S+) user-lookup", line_with(said, "ResolveUser"))
    assert agency is not None
    answers = {
        "agency": agency[1],
        "category": "works",
        "search": {"name": value_of(said, "商号又は名称"), "bidder_id": bidder_id},
        "card_contact": CONTACT,
        "representative_contact": CONTACT,
    }
    form.write_text(yaml.safe_dump(answers, allow_unicode=True), "utf-8")
    pin.write_text(value_of(said, "PIN"))
    password.write_text(value_of(said, "パスワード"))
    prepared = f"--form {form} --pin-file {pin} --password-file {password} --state-directory {tmp_path / 'own'} --yes"
    receipt = run_in_shell(f"{line_with(said, 'card-agent register')} {prepared}")
    assert bidder_id in receipt
    answer = run_in_shell(line_with(said, "ResolveUser"))
    assert "VERDICT_GOOD" in answer
    assert bidder_id in answer
    # The CA's key is in memory only: what is written names its certificates and no key.
    assert "PRIVATE KEY" not in (state / "overlay.yaml").read_text("utf-8")

    up.send_signal(signal.SIGINT)
    assert up.wait(timeout=30) == 0
    assert up.stdout is not None
    assert up.stdout.read().splitlines()[-1] == "stopped"


def test_only_a_profile_without_cas_gets_the_demos(tmp_path: Path) -> None:
    with running_card_ca() as card_ca:
        own = card_ca.write_overlay(tmp_path / "own.yaml")
    assert lacks_card_authorities(SAITAMA, None)
    assert not lacks_card_authorities(SAITAMA, own)
    named = tmp_path / "named.yaml"
    named.write_text("name: {ja: 例示システム, en: Example}\n", "utf-8")
    assert lacks_card_authorities(SAITAMA, named)
    # The example roster has columns of its own, and a profile with mistakes is refused by the start itself.
    other = tmp_path / "other.yaml"
    other.write_text(SAITAMA.read_text("utf-8").replace(f"name: {EXAMPLE_MAPPING}\n", "name: another\n"), "utf-8")
    assert not lacks_card_authorities(other, None)
    assert not lacks_card_authorities(tmp_path / "none.yaml", None)


def test_without_a_reader_the_card_is_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    card = CertificateAuthority.create().issue()
    write_certificate_file(CertificateAuthority.create().issue(), tmp_path)
    file = write_certificate_file(card, tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    with Pkcs12File(file).open() as token:
        token.verify_pin(Pin(PIN))
        assert [each.certificate for each in token.certificates()] == [card.certificate]

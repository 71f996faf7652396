"""The command `card-agent` as a separate process, with pcscd and a virtual card."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives import serialization

from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from simulators.smart_card_service import READER, SECOND_READER
from tests.support.card_reader import CardReader
from tests.support.japanese_text import find_other_language
from tests.support.terminal_dialogue import terminal_dialogue

REFUSED, WRONG_USAGE = 1, 2
FILE_PASSWORD = "file-password-3141"


@dataclass(frozen=True, slots=True)
class Result:
    """The exit status and output of a command."""

    status: int
    output: str
    errors: str


def run_card_agent(*arguments: str, descriptors: tuple[int, ...] = (), locale: str = "ja_JP.UTF-8") -> Result:
    completed = subprocess.run(
        [sys.executable, "-m", "card_agent", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONIOENCODING": "utf-8", "LC_ALL": locale},
        pass_fds=descriptors,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in completed.stderr, completed.stderr
    return Result(completed.returncode, completed.stdout, completed.stderr)


@pytest.fixture
def issued(card_authority: CertificateAuthority) -> IssuedCard:
    return card_authority.issue(company="髙﨑建設株式会社", address=None, key=new_ec_key())


@pytest.fixture
def certificate_file(issued: IssuedCard, tmp_path: Path) -> Path:
    path = tmp_path / "card.p12"
    path.write_bytes(issued.pkcs12(FILE_PASSWORD.encode()))
    return path


@pytest.mark.requirement("CRD-01")
def test_readers_are_listed_with_their_cards(reader: CardReader, issued: IssuedCard) -> None:
    reader.insert(issued)
    result = run_card_agent("readers")
    assert result.status == 0
    assert f"{READER}: ICカードあり" in result.output
    assert f"{SECOND_READER}: ICカードなし" in result.output


@pytest.mark.requirement("CRD-04")
def test_show_prints_the_certificate_without_a_pin(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued, tries=10)
    shown = run_card_agent("show")
    assert shown.status == 0, shown.errors
    for part in (
        "髙﨑建設株式会社",
        str(issued.certificate.serial_number),
        issued.certificate.issuer.rfc4514_string(),
        "ICカード企業住所: 証明書に記載なし",
        f"{issued.certificate.not_valid_after_utc.year}/",
        "PIN入力の残り回数: 10",
    ):
        assert part in shown.output
    assert "null" not in shown.output
    assert card.piv.tries_left == 10


@pytest.mark.requirement("CRD-02")
def test_show_reports_that_the_card_is_busy(reader: CardReader, issued: IssuedCard) -> None:
    reader.insert(issued)
    assert "ただいまICカードにアクセス中です" in run_card_agent("show").output


def test_only_slot_with_a_certificate_is_shown_unless_another_is_asked_for(
    reader: CardReader, issued: IssuedCard
) -> None:
    reader.insert(issued, slot=0x9C)
    assert run_card_agent("show").status == 0
    assert run_card_agent("show", "--slot", "9c").status == 0
    assert "[CARD_WITHOUT_CERTIFICATE]" in run_card_agent("show", "--slot", "9a").errors
    assert "[CHOICE_UNKNOWN]" in run_card_agent("show", "--slot", "9E").errors


@pytest.mark.requirement("CRD-09")
def test_refusals_are_on_the_error_stream(reader: CardReader) -> None:
    refused = run_card_agent("show")
    assert refused.status == REFUSED
    assert "ICカードが挿入されていません" in refused.errors
    assert "[CARD_NOT_INSERTED]" in refused.errors
    reader.service.stop()
    refused = run_card_agent("readers")
    assert refused.status == REFUSED
    assert "スマートカードサービスが動いていません" in refused.errors
    assert "[SMART_CARD_SERVICE_NOT_RUNNING]" in refused.errors


@pytest.mark.parametrize(
    ("options", "locale", "language"),
    [
        ((), "ja_JP.UTF-8", "ja"),
        ((), "C.UTF-8", "en"),
        (("--language", "ja"), "C.UTF-8", "ja"),
    ],
)
def test_one_language_is_shown_by_option_or_locale(
    reader: CardReader, card_authority: CertificateAuthority, options: tuple[str, ...], locale: str, language: str
) -> None:
    refused = run_card_agent("show", *options, locale=locale)
    reader.insert(card_authority.issue(company="Toroku Construction", holder=None, address=None, key=new_ec_key()))
    shown = run_card_agent("show", *options, locale=locale)
    for text in (refused.errors, shown.output):
        assert find_other_language(text, language) == []
    assert ("ICカードが挿入されていません" in refused.errors) == (language == "ja")
    assert ("There is no card in the reader" in refused.errors) == (language == "en")
    assert ("PIN入力の残り回数" if language == "ja" else "PIN tries left") in shown.output


def test_pin_typed_at_a_terminal_is_not_echoed(certificate_file: Path, issued: IssuedCard) -> None:
    with terminal_dialogue("show", "--pkcs12", str(certificate_file), "--language", "en") as dialogue:
        # The prompt appears after the echo is switched off: nothing typed from here on may be visible.
        dialogue.answer("Password of the certificate file: ", FILE_PASSWORD)
        assert dialogue.wait_for_end() == 0
    assert str(issued.certificate.serial_number) in dialogue.transcript
    assert FILE_PASSWORD not in dialogue.transcript


@pytest.mark.requirement("CRD-08")
def test_certificate_file_is_shown_with_its_password_from_file_or_descriptor(
    certificate_file: Path, issued: IssuedCard, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text(f"{FILE_PASSWORD}\n")
    from_file = run_card_agent("show", "--pkcs12", str(certificate_file), "--pin-file", str(password))
    with password.open() as stream:
        number = stream.fileno()
        options = ("--pkcs12", str(certificate_file), "--pin-fd", str(number))
        from_descriptor = run_card_agent("show", *options, descriptors=(number,))
    for shown in (from_file, from_descriptor):
        assert shown.status == 0, shown.errors
        assert str(issued.certificate.serial_number) in shown.output
        assert FILE_PASSWORD not in shown.output + shown.errors


def test_wrong_password_missing_file_and_closed_descriptor_are_refused(certificate_file: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong-password-2718")
    refused = run_card_agent("show", "--pkcs12", str(certificate_file), "--pin-file", str(wrong))
    assert (refused.status, "wrong-password-2718" in refused.errors) == (REFUSED, False)
    assert "[CARD_FILE_PASSWORD_WRONG]" in refused.errors
    missing = run_card_agent("show", "--pkcs12", str(tmp_path / "no.p12"), "--pin-file", str(wrong))
    assert "[CARD_FILE_NOT_FOUND]" in missing.errors
    assert "no.p12" in missing.errors
    closed = run_card_agent("show", "--pkcs12", str(certificate_file), "--pin-fd", "77")
    assert "[SECRET_UNREADABLE]" in closed.errors
    unreadable = run_card_agent("show", "--pkcs12", str(certificate_file), "--pin-file", str(tmp_path / "no"))
    assert "[FILE_UNREADABLE]" in unreadable.errors


def test_no_option_takes_a_pin_or_a_password() -> None:
    for option in ("--pin", "--password"):
        assert run_card_agent("show", option, "123456").status == WRONG_USAGE
        assert run_card_agent("register", "--endpoint", "localhost:1", option, "123456").status == WRONG_USAGE


def test_missing_pin_is_refused_without_a_terminal(certificate_file: Path) -> None:
    refused = run_card_agent("show", "--pkcs12", str(certificate_file))
    assert "[ANSWER_MISSING]" in refused.errors
    assert "--pin-file" in refused.errors


def test_unreachable_endpoint_is_refused_before_the_card_is_used(
    reader: CardReader, issued: IssuedCard, tmp_path: Path
) -> None:
    card = reader.insert(issued)
    trust = tmp_path / "trust.pem"
    trust.write_bytes(issued.chain[0].public_bytes(serialization.Encoding.PEM))
    refused = run_card_agent("register", "--endpoint", "127.0.0.1:9", "--trust", str(trust))
    assert (refused.status, "[PEER_UNREACHABLE]" in refused.errors) == (REFUSED, True)
    assert card.instructions == []


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("agency: [", "form.yaml"),
        ("- agency", "form.yaml"),
        ("agency: 1", "agency"),
        ("card_contact: {telephone: 480000000}", "card_contact.telephone"),
        ("pin: '123456'", "pin"),
        ("search: {password: 'Ab3dE6gH'}", "search.password"),
    ],
)
def test_refusal_of_a_wrong_form_file_names_the_path(content: str, path: str, tmp_path: Path) -> None:
    form = tmp_path / "form.yaml"
    form.write_text(content)
    refused = run_card_agent("register", "--endpoint", "127.0.0.1:9", "--form", str(form))
    assert (refused.status, "[FORM_FILE_INVALID]" in refused.errors) == (REFUSED, True)
    assert path in refused.errors
    assert "Ab3dE6gH" not in refused.errors


def test_unwritable_receipt_is_refused_before_the_registration(tmp_path: Path) -> None:
    receipt = tmp_path / "missing" / "receipt.txt"
    refused = run_card_agent("register", "--endpoint", "127.0.0.1:9", "--receipt", str(receipt))
    assert "[FILE_UNWRITABLE]" in refused.errors


def test_failed_registration_leaves_no_receipt_and_an_earlier_one_as_it_is(tmp_path: Path) -> None:
    receipt = tmp_path / "receipt.txt"
    command = ("register", "--endpoint", "127.0.0.1:9", "--receipt", str(receipt))
    assert "[PEER_UNREACHABLE]" in run_card_agent(*command).errors
    assert list(tmp_path.iterdir()) == []
    receipt.write_text("earlier")
    assert "[PEER_UNREACHABLE]" in run_card_agent(*command).errors
    assert receipt.read_text() == "earlier"


def test_trust_file_says_where_an_instance_is(tmp_path: Path, issued: IssuedCard) -> None:
    (tmp_path / "ca.pem").write_bytes(issued.chain[0].public_bytes(serialization.Encoding.PEM))
    file = tmp_path / "trust.yaml"
    file.write_text("saitama: {endpoint: '127.0.0.1:9', authority: ca.pem}\n")
    reached: list[tuple[str, ...]] = [(), ("--instance", "saitama"), ("--endpoint", "127.0.0.1:9")]
    for options in reached:
        refused = run_card_agent("register", "--trust-file", str(file), *options)
        assert "[PEER_UNREACHABLE]" in refused.errors
    for options, reason in (
        (("--instance", "chiba"), "INSTANCE_NOT_TRUSTED"),
        (("--instance", "chiba", "--endpoint", "127.0.0.1:9"), "INSTANCE_DIFFERS"),
    ):
        assert f"[{reason}]" in run_card_agent("register", "--trust-file", str(file), *options).errors
    assert "[INSTANCE_NOT_CHOSEN]" in run_card_agent("register", "--trust-file", str(tmp_path / "no.yaml")).errors


def test_missing_trust_file_is_refused(tmp_path: Path) -> None:
    refused = run_card_agent("register", "--endpoint", "127.0.0.1:9", "--trust", str(tmp_path / "no.pem"))
    assert "[FILE_UNREADABLE]" in refused.errors


def test_virtual_card_runs_as_a_process(reader: CardReader, issued: IssuedCard, tmp_path: Path) -> None:
    encoding, private, plain = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "card.pem").write_bytes(issued.certificate.public_bytes(encoding))
    (tmp_path / "card.key").write_bytes(issued.key.private_bytes(encoding, private, plain))
    (tmp_path / "pin").write_text("123456\n")
    files = ("--certificate", "card.pem", "--key", "card.key", "--pin-file", "pin")
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-m", "simulators.virtual_card", *files, "--port", str(reader.service.port)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": root},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inserted\n"
        shown = run_card_agent("show")
        process.terminate()
        assert process.wait(10) == 0
    assert str(issued.certificate.serial_number) in shown.output


def test_form_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    form = tmp_path / "form.yaml"
    content = {"agency": "a", "card_contact": {"person_name": "髙﨑 太郎"}}
    form.write_text("\ufeff" + yaml.safe_dump(content, allow_unicode=True), "utf-8")
    refused = run_card_agent("register", "--endpoint", "127.0.0.1:9", "--form", str(form))
    assert "[PEER_UNREACHABLE]" in refused.errors

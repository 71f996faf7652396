"""The Debian package of the card agent, installed in a folder with this machine's list of packages, and started."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from PyInstaller.archive.readers import CArchiveReader  # type: ignore[import-untyped]  # comes without types

from card_agent.release import Release, sign_release
from card_agent.release_notices import NOTICE_FILE
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from simulators.smart_card_service import READER
from tests.support.card_reader import CardReader
from tests.support.pkcs11_modules import SoftToken
from tools.build_agent import CHECKOUT, NAME, build_deb, build_tree, read_version
from tools.sign_release import main as sign

FILE_PASSWORD = "file-password-3141"
OWN_PACKAGES = {"card_agent", "refusals", "signed_acts", "toroku"}


@dataclass(frozen=True, slots=True)
class Machine:
    """A Debian machine's files in a folder, with the package manager's own; and the home of a person there."""

    root: Path
    administration: Path
    home: Path

    def dpkg(self, *arguments: str | Path) -> str:
        """Runs the package manager on these files; raises CalledProcessError."""
        places = [f"--instdir={self.root}", f"--admindir={self.administration}", f"--log={self.administration}/log"]
        # Triggers of other packages would run programs that are not in the folder.
        command = ["dpkg", *places, "--force-not-root", "--force-unsafe-io", "--no-triggers", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @property
    def configuration(self) -> Path:
        """The folder of the person's settings."""
        return self.home / ".config" / NAME

    def start(self, *arguments: str, variables: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Starts the installed command in an empty environment, with the locale C."""
        service = {name: value for name, value in os.environ.items() if name.startswith("PCSCLITE_")}
        environment = {"HOME": str(self.home), "LANG": "C", "PATH": "/nonexistent"} | service | (variables or {})
        return subprocess.Popen(
            [str(self.root / "usr" / "bin" / "card-agent"), *arguments],
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, *arguments: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs the installed command to its end."""
        process = self.start(*arguments, variables=variables)
        try:
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
        assert "Traceback" not in errors, errors
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def list_files(self) -> set[Path]:
        """Returns the files below the root."""
        return {path for path in self.root.rglob("*") if not path.is_dir()}


@dataclass(frozen=True, slots=True)
class Session:
    """A person's session with a running agent, and the file with the addresses that the browser was opened with."""

    machine: Machine
    port: int
    opened: Path

    def read_page(self) -> str:
        """Returns the agent's first page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
            return str(answer.read().decode())


def read_command(entry: Path) -> list[str]:
    """Returns the words of the command in a desktop file."""
    (command,) = [line for line in entry.read_text("utf-8").splitlines() if line.startswith("Exec=")]
    return command.removeprefix("Exec=").split()


def wait_for(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds."""
    ends_at = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


@pytest.fixture(scope="module")
def release_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, release_key: Ed25519PrivateKey) -> Path:
    """The Debian package, built once for all tests."""
    folder = tmp_path_factory.mktemp("package")
    keys = folder / "keys.pem"
    keys.write_bytes(release_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return build_deb(build_tree(folder, keys), folder)


@pytest.fixture(scope="module")
def machine(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with the packages of this one, where the agent's is installed too."""
    folder = tmp_path_factory.mktemp("machine")
    # What is installed here is what the dependencies are held against.
    administration = folder / "administration"
    shutil.copytree("/var/lib/dpkg", administration, ignore=shutil.ignore_patterns("lock*", "triggers"))
    (administration / "triggers").mkdir()
    home = folder / "home" / "山田 太郎"
    home.mkdir(parents=True)
    machine = Machine(folder / "root", administration, home)
    machine.root.mkdir()
    machine.dpkg("--install", package)
    yield machine
    machine.dpkg("--purge", NAME)
    assert machine.list_files() == set(), "the package left files behind"


@pytest.fixture(scope="module")
def issued(card_authority: CertificateAuthority) -> IssuedCard:
    return card_authority.issue(company="髙﨑建設株式会社", address=None, key=new_ec_key())


def test_package_is_installed_with_what_it_depends_on(machine: Machine) -> None:
    assert "Status: install ok installed" in machine.dpkg("--status", NAME)
    assert machine.run("--version").stdout == f"card-agent {read_version()}\n"


@pytest.mark.requirement("CRD-01")
def test_installed_command_finds_reader_and_card(machine: Machine, reader: CardReader, issued: IssuedCard) -> None:
    reader.insert(issued)
    listed = machine.run("readers", "--language", "ja")
    assert listed.returncode == 0, listed.stderr
    assert f"{READER}: ICカードあり" in listed.stdout
    shown = machine.run("show", "--language", "ja")
    assert shown.returncode == 0, shown.stderr
    assert "髙﨑建設株式会社" in shown.stdout


def test_installed_command_reads_a_file_with_kanji_in_its_path(machine: Machine, issued: IssuedCard) -> None:
    file = machine.home / "電子証明書 髙﨑.p12"
    file.write_bytes(issued.pkcs12(FILE_PASSWORD.encode()))
    password = machine.home / "暗証番号.txt"
    password.write_text(FILE_PASSWORD)
    shown = machine.run("show", "--language", "ja", "--pkcs12", str(file), "--pin-file", str(password))
    assert shown.returncode == 0, shown.stderr
    assert "髙﨑建設株式会社" in shown.stdout


@pytest.mark.requirement("CRD-08")
def test_installed_command_serves_a_module_in_a_process_of_its_own(machine: Machine, soft_token: SoftToken) -> None:
    module = machine.home / "認証局 ソフト" / "module.so"
    module.parent.mkdir()
    module.symlink_to(soft_token.module)
    shown = machine.run("show", "--pkcs11", str(module), variables=soft_token.environment)
    assert shown.returncode == 0, shown.stderr
    assert str(soft_token.card.certificate.serial_number) in shown.stdout


def test_installed_command_has_what_a_help_desk_asks_for(machine: Machine, reader: CardReader) -> None:
    diagnosis = machine.run("diagnose", "--language", "ja")
    assert f"カードエージェントのバージョン: {read_version()}" in diagnosis.stdout
    # Nothing is trusted yet.
    assert diagnosis.returncode == 1


def test_installed_command_refuses_in_words(machine: Machine, reader: CardReader) -> None:
    refused = machine.run("show")
    assert refused.returncode == 1
    assert "[CARD_NOT_INSERTED]" in refused.stderr


def test_program_holds_the_pinned_libraries_and_nothing_of_a_server(machine: Machine) -> None:
    program = machine.root / "usr" / "lib" / NAME
    modules = CArchiveReader(str(program / "card-agent")).open_embedded_archive("PYZ.pyz").toc
    pinned = set(re.findall(r"^([a-z0-9-]+)==", (CHECKOUT / "requirements" / "card-agent.txt").read_text(), re.M))
    installed = {
        package: {re.sub(r"[-_.]+", "-", name).lower() for name in names}
        for package, names in packages_distributions().items()
    }
    strangers = {
        package
        for package in {module.partition(".")[0] for module in modules} - OWN_PACKAGES - sys.stdlib_module_names
        if not installed.get(package, {"nothing"}) & pinned and not package.startswith(("pyi", "_pyi", "_sysconfig"))
    }
    assert strangers == set()
    # The client library of the smart-card service is the machine's.
    assert not list(program.rglob("libpcsclite*"))
    notices = (program / "NOTICES.txt").read_text("utf-8")
    assert all(f"\n{name} " in notices for name in ("grpcio", "cryptography", "Python"))


@contextlib.contextmanager
def running_session(machine: Machine, folder: Path) -> Iterator[Session]:
    """Starts the agent as the autostart does, until the end of the block."""
    opened, browser = folder / "opened", folder / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s %s\\n" "$1" "$LD_LIBRARY_PATH" >> {opened}\n')
    browser.chmod(0o755)
    command = read_command(machine.root / "etc" / "xdg" / "autostart" / f"{NAME}.desktop")
    running = machine.start(*command[1:], variables={"BROWSER": f"{browser} %s"})
    state = machine.configuration / "serve.json"
    try:
        # There may be one of an earlier session.
        wait_for(lambda: state.exists() and json.loads(state.read_text())["pid"] == running.pid)
        yield Session(machine, json.loads(state.read_text())["port"], opened)
    finally:
        running.terminate()
        errors = running.communicate(timeout=10)[1]
    assert "Traceback" not in errors, errors


@pytest.fixture
def session(machine: Machine, tmp_path: Path) -> Iterator[Session]:
    """A person's session, in which the autostart has started the agent."""
    with running_session(machine, tmp_path) as session:
        yield session


def test_trust_file_that_is_broken_is_told_on_the_first_page(machine: Machine, tmp_path: Path) -> None:
    trust_file = machine.configuration / "trust.yaml"
    trust_file.parent.mkdir(parents=True, exist_ok=True)
    trust_file.write_text("saitama: {endpoint: 1}\n")
    try:
        with running_session(machine, tmp_path) as session:
            assert "trust.yaml" in session.read_page()
    finally:
        trust_file.unlink()


@pytest.mark.requirement("CRD-01")
def test_link_has_the_agent_that_the_session_started_open_its_page(session: Session) -> None:
    page = session.read_page()
    assert read_version() in page
    # The autostart opens nothing.
    assert not session.opened.exists()
    entry = session.machine.root / "usr" / "share" / "applications" / f"{NAME}.desktop"
    link = [word.replace("%u", "toroku:start") for word in read_command(entry)]
    started = session.machine.run(*link[1:])
    assert started.returncode == 0, started.stderr
    wait_for(session.opened.exists)
    # The browser has its own libraries, not the program's.
    assert session.opened.read_text() == f"http://127.0.0.1:{session.port}/ \n"


def test_menu_entry_opens_links_and_the_session_starts_the_agent(machine: Machine) -> None:
    applications = machine.root / "usr" / "share" / "applications"
    autostart = machine.root / "etc" / "xdg" / "autostart" / f"{NAME}.desktop"
    entry = applications / f"{NAME}.desktop"
    checked = subprocess.run(["desktop-file-validate", entry, autostart], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")
    # What Debian's trigger of the folder runs.
    subprocess.run(["update-desktop-database", applications], check=True)
    cache = applications / "mimeinfo.cache"
    assert f"x-scheme-handler/toroku={NAME}.desktop;" in cache.read_text()
    cache.unlink()
    for file in (entry, autostart):
        lines = file.read_text("utf-8").splitlines()
        assert (machine.root / "usr" / "bin" / read_command(file)[0]).resolve().is_file()
        (icon,) = [line.partition("=")[2] for line in lines if line.startswith("Icon=")]
        assert (machine.root / "usr/share/icons/hicolor/scalable/apps" / f"{icon}.svg").is_file()
    assert (machine.root / "usr/share/man/ja/man1/card-agent.1.gz").is_file()


def test_what_an_administrator_wrote_into_the_autostart_stays_after_a_removal(machine: Machine, package: Path) -> None:
    autostart = machine.root / "etc" / "xdg" / "autostart" / f"{NAME}.desktop"
    original = autostart.read_text("utf-8")
    autostart.write_text(original + "Hidden=true\n", "utf-8")
    machine.dpkg("--remove", NAME)
    assert machine.list_files() == {autostart}
    machine.dpkg("--install", "--force-confold", package)
    assert autostart.read_text("utf-8").endswith("Hidden=true\n")
    autostart.write_text(original, "utf-8")


def test_agent_says_that_it_is_old_once_a_signed_release_says_so(
    session: Session, package: Path, release_key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    machine = session.machine
    assert "99.0" not in session.read_page()
    key = tmp_path / "key.pem"
    key.write_bytes(release_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    notice = machine.configuration / NOTICE_FILE
    sign(["--key", str(key), "--version", "99.0", "--released-on", "2026-01-05", "--out", str(notice), str(package)])
    told = machine.run("--version", variables={"LANG": "ja_JP.UTF-8"})
    assert told.stdout == f"card-agent {read_version()}\n"
    assert "新しいバージョン（99.0、2026年1月5日公開）があります" in told.stderr
    assert "99.0" in session.read_page()
    assert f"{package.name} is of version 99.0" in machine.run("check-update", str(package)).stdout
    assert "[PACKAGE_NOT_OF_RELEASE]" in machine.run("check-update", str(key)).stderr
    # A notice that somebody else signed says nothing.
    notice.write_bytes(sign_release(Release("99.0", date(2026, 1, 5)), Ed25519PrivateKey.generate()))
    assert machine.run("--version").stderr == ""
    assert "[RELEASE_UNKNOWN]" in machine.run("check-update", str(package)).stderr
    assert "99.0" not in session.read_page()

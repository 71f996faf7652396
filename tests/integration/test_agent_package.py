"""The Debian package of the card agent, installed in a folder with this machine's list of packages, and started."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
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

    def run(self, *arguments: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs the installed command in an empty environment, with the locale C."""
        service = {name: value for name, value in os.environ.items() if name.startswith("PCSCLITE_")}
        environment = {"HOME": str(self.home), "LANG": "C", "PATH": "/nonexistent"} | service | (variables or {})
        command = [str(self.root / "usr" / "bin" / "card-agent"), *arguments]
        completed = subprocess.run(
            command, env=environment, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )
        streams = (completed.stdout.decode("utf-8"), completed.stderr.decode("utf-8"))
        assert "Traceback" not in streams[1], streams[1]
        return subprocess.CompletedProcess(command, completed.returncode, *streams)

    def list_files(self) -> set[Path]:
        """Returns the files below the root."""
        return {path for path in self.root.rglob("*") if not path.is_dir()}


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
        (command,) = [line.partition("=")[2].split() for line in lines if line.startswith("Exec=")]
        assert (machine.root / "usr" / "bin" / command[0]).resolve().is_file()
        # Nothing of a link reaches the command line.
        assert not any("%" in word for word in command)
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


def test_command_says_that_it_is_old_once_a_signed_release_says_so(
    machine: Machine, package: Path, release_key: Ed25519PrivateKey, tmp_path: Path
) -> None:
    configuration = machine.home / ".config" / NAME
    configuration.mkdir(parents=True)
    key = tmp_path / "key.pem"
    key.write_bytes(release_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    notice = configuration / NOTICE_FILE
    sign(["--key", str(key), "--version", "99.0", "--released-on", "2026-01-05", "--out", str(notice), str(package)])
    told = machine.run("--version", variables={"LANG": "ja_JP.UTF-8"})
    assert told.stdout == f"card-agent {read_version()}\n"
    assert "新しい版（99.0、2026年1月5日公開）があります" in told.stderr
    # A notice that somebody else signed says nothing.
    notice.write_bytes(sign_release(Release("99.0", date(2026, 1, 5)), Ed25519PrivateKey.generate()))
    assert machine.run("--version").stderr == ""

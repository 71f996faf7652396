"""`card-agent media`: what is used beside the cards in readers."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from card_agent.command import application
from simulators.certificate_authorities import CertificateAuthority, new_ec_key

REFUSED = 1
LIBRARY = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(44)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a person whose name is in kanji."""
    home = tmp_path / "山田 太郎"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(application, ["media", *arguments, "--language", "en"])


def test_file_and_module_are_added_by_what_they_are_and_removed(folder: Path) -> None:
    file, module = folder / "証明書.p12", folder / "認証局.so"
    file.write_bytes(CertificateAuthority.create(key=new_ec_key()).issue(key=new_ec_key()).pkcs12(b"secret"))
    module.write_bytes(LIBRARY)
    assert "Nothing beside the readers" in run("list").output
    for path in (file, module, file):
        assert run("add", str(path)).exit_code == 0
    listed = run("list").output
    assert f"PKCS#11 modules\n  1: {module}\n" in listed
    assert f"Certificate files\n  1: {file}\n" in listed
    assert "2: " not in listed
    removed = run("remove", str(module))
    assert (removed.exit_code, str(module) in removed.output, str(file) in removed.output) == (0, False, True)
    assert module.exists()


def test_relative_path_is_used_in_any_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "module.so").write_bytes(LIBRARY)
    monkeypatch.chdir(folder)
    assert f"1: {folder / 'module.so'}\n" in run("add", "module.so").output
    assert "module.so" not in run("remove", "module.so").output


def test_what_is_neither_or_not_there_or_not_listed_is_refused(folder: Path) -> None:
    text = folder / "text"
    text.write_text("neither")
    for arguments, reason in (
        (("add", str(text)), "MEDIUM_UNKNOWN"),
        (("add", str(folder / "no")), "FILE_UNREADABLE"),
        (("remove", str(text)), "MEDIUM_NOT_LISTED"),
    ):
        refused = run(*arguments)
        assert (refused.exit_code, f"[{reason}]" in refused.stderr) == (REFUSED, True)

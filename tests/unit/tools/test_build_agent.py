"""The package for Windows, from a folder that stands in for the one that PyInstaller makes there; and the man pages."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer

from card_agent.command import application
from tools.build_agent import PACKAGING, BuildError, build_msi, list_components, read_version

# A folder as PyInstaller makes it on Windows, with a name in which XML has signs of its own.
FILES = (
    "card-agent.exe",
    "card-agent-w.exe",
    "_internal/python311.dll",
    "_internal/base_library.zip",
    "_internal/grpc/_cython/cygrpc.cp311-win_amd64.pyd",
    "_internal/card_agent/a & b.html",
    "release-keys.pem",
)


def read_table(package: Path, table: str) -> Sequence[Mapping[str, str]]:
    exported = subprocess.run(["msiinfo", "export", package, table], capture_output=True, text=True, check=True).stdout
    # Names, types and the table with its keys come first.
    names, _, _, *rows = [line.split("\t") for line in exported.splitlines()]
    return [dict(zip(names, row, strict=True)) for row in rows]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("windows") / "card-agent"
    for name in FILES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    return tree


@pytest.fixture(scope="module")
def package(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_msi(tree, tmp_path_factory.mktemp("msi"))


def test_windows_package_installs_every_file_of_the_program(package: Path, tree: Path, tmp_path: Path) -> None:
    subprocess.run(["msiextract", "--directory", tmp_path, package], capture_output=True, check=True)
    installed = tmp_path / "Toroku card agent"
    assert {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()} == set(FILES)
    assert all((installed / name).read_text() == name for name in FILES)


def test_windows_package_is_for_the_whole_pc_and_replaces_older_ones(package: Path) -> None:
    properties = {row["Property"]: row["Value"] for row in read_table(package, "Property")}
    assert properties["ALLUSERS"] == "1"
    assert properties["ProductVersion"] == read_version()
    assert {
        row["Directory_Parent"] for row in read_table(package, "Directory") if row["Directory"] == "INSTALLDIR"
    } == {"ProgramFiles64Folder"}
    older, newer = read_table(package, "Upgrade")
    assert older["UpgradeCode"] == newer["UpgradeCode"] == properties["UpgradeCode"]
    assert (older["VersionMax"], newer["VersionMin"]) == (read_version(), read_version())
    actions = {row["Action"]: int(row["Sequence"]) for row in read_table(package, "InstallExecuteSequence")}
    assert actions["FindRelatedProducts"] < actions["RemoveExistingProducts"] < actions["InstallFiles"]


def test_windows_package_has_the_menu_entry(package: Path) -> None:
    (shortcut,) = read_table(package, "Shortcut")
    assert shortcut["Target"] == "[INSTALLDIR]card-agent-w.exe"
    assert shortcut["Arguments"] == "serve"
    assert shortcut["Directory_"] == "ProgramMenuFolder"


def test_windows_package_registers_links_and_autostart(package: Path) -> None:
    machine = "2"
    values = {
        (row["Key"], row["Name"]): row["Value"] for row in read_table(package, "Registry") if row["Root"] == machine
    }
    command = '"[INSTALLDIR]card-agent-w.exe" serve'
    assert ("Software\\Classes\\toroku", "URL Protocol") in values
    # Nothing of a link reaches the command line.
    assert values["Software\\Classes\\toroku\\shell\\open\\command", ""] == command
    assert values["Software\\Microsoft\\Windows\\CurrentVersion\\Run", "TorokuCardAgent"] == f"{command} --no-browser"


def test_components_are_known_again_in_the_next_version(package: Path, tmp_path: Path) -> None:
    (tmp_path / "card-agent.exe").write_text("of the next version")
    (same,) = ElementTree.fromstring(list_components(tmp_path, Path("program"))).iterfind(".//{*}Component")  # noqa: S314  # our own
    assert f"{{{same.attrib['Guid'].upper()}}}" in {row["ComponentId"] for row in read_table(package, "Component")}


def test_ids_have_the_form_that_windows_installer_compares(package: Path) -> None:
    components = read_table(package, "Component")
    ids = [row["ComponentId"] for row in components]
    assert len(set(ids)) == len(ids)
    assert all(one == one.upper() for one in ids)
    (upgrade_code,) = {row["UpgradeCode"] for row in read_table(package, "Upgrade")}
    assert upgrade_code == upgrade_code.upper()
    # 256: of a 64-bit program.
    assert all(int(row["Attributes"]) & 256 for row in components)


def test_folder_of_another_system_makes_no_windows_package(tmp_path: Path) -> None:
    (tmp_path / "card-agent").write_text("")
    with pytest.raises(BuildError, match="has no card-agent"):
        build_msi(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("page", ["card-agent.1", "card-agent.ja.1"])
def test_man_page_names_every_command(page: str) -> None:
    text = (PACKAGING / "linux" / page).read_text("utf-8")
    group = typer.main.get_command(application)
    assert isinstance(group, typer.core.TyperGroup)
    assert {name for name in group.commands if not re.search(rf"\b{name}\b", text)} == set()

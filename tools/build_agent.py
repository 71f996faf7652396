"""Builds the packages of the card agent: a folder with the program, a .deb of it, and an .msi of one from Windows.

    .venv/bin/python -m tools.build_agent tree   the program in one folder, by PyInstaller, for this system
    .venv/bin/python -m tools.build_agent deb    the folder, and a Debian package of it
    .venv/bin/python -m tools.build_agent msi --tree <folder that `tree` made on Windows>

Everything goes to build/agent. `make agent` makes folder and Debian package. How a package for Windows comes about:
docs/howto/install-on-windows.md.
"""

import argparse
import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import uuid
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from xml.etree import ElementTree

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGING = CHECKOUT / "card-agent" / "packaging"
OUT = CHECKOUT / "build" / "agent"
NAME = "toroku-card-agent"
PROGRAM = "card-agent"
# What the program starts or calls on a Debian machine: the service of the readers, and what opens the browser.
DEPENDS = ("pcscd", "xdg-utils")
KEYS_FILE = "release-keys.pem"
# A file of the same path is the same component in every version, as Windows Installer wants it.
_COMPONENTS = uuid.UUID("1e0be2f7-52ad-5b8f-8c6f-8d8f1f0f6a00")
_WIX = "http://schemas.microsoft.com/wix/2006/wi"


class BuildError(Exception):
    """A failure of a tool that builds; the text holds the end of its output."""


def read_version() -> str:
    """Returns the version of the card agent in this checkout."""
    project = tomllib.loads((CHECKOUT / "card-agent" / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def build_tree(out: Path, release_keys: Path | None = None) -> Path:
    """Builds the program, and returns its folder. `release_keys`: public keys that sign releases, in PEM."""
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--clean", "--log-level=WARN"]
    folders = ["--distpath", str(out), "--workpath", str(out / "work")]
    # Its cache too stays in the checkout.
    _run([*command, *folders, str(PACKAGING / "card-agent.spec")], PYINSTALLER_CONFIG_DIR=str(out / "work"))
    tree = out / PROGRAM
    (tree / "NOTICES.txt").write_text(collect_notices(), "utf-8")
    if release_keys is not None:
        shutil.copyfile(release_keys, tree / KEYS_FILE)
    return tree


def build_deb(tree: Path, out: Path) -> Path:
    """Builds the Debian package of a program's folder, and returns it. It has no scripts: files are all it installs."""
    architecture = _run(["dpkg", "--print-architecture"]).strip()
    root = out / "deb"
    shutil.rmtree(root, ignore_errors=True)
    library = root / "usr" / "lib" / NAME
    shutil.copytree(tree, library, symlinks=True)
    # The files of the system, beside the program: where each goes in the package.
    linux = PACKAGING / "linux"
    for source, target in (
        (linux / f"{NAME}.desktop", f"usr/share/applications/{NAME}.desktop"),
        (linux / "autostart.desktop", f"etc/xdg/autostart/{NAME}.desktop"),
        (linux / f"{NAME}.svg", f"usr/share/icons/hicolor/scalable/apps/{NAME}.svg"),
        (CHECKOUT / "LICENSE", f"usr/share/doc/{NAME}/copyright"),
        (tree / "NOTICES.txt", f"usr/share/doc/{NAME}/NOTICES"),
    ):
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, root / target)
    for source, target in ((linux / "card-agent.1", "man1"), (linux / "card-agent.ja.1", "ja/man1")):
        page = root / "usr" / "share" / "man" / target / "card-agent.1.gz"
        page.parent.mkdir(parents=True)
        page.write_bytes(gzip.compress(source.read_bytes(), mtime=0))
    command = root / "usr" / "bin" / PROGRAM
    command.parent.mkdir()
    command.symlink_to(f"../lib/{NAME}/{PROGRAM}")
    _set_modes(root)
    _write_control(root, architecture)
    package = out / f"{NAME}_{read_version()}_{architecture}.deb"
    # Fast, and a fifth larger than the smallest.
    _run(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z3", "--build", str(root), str(package)])
    shutil.rmtree(root)
    return package


def build_msi(tree: Path, out: Path) -> Path:
    """Builds the package for Windows of a program's folder from there, and returns it."""
    for program in (f"{PROGRAM}.exe", f"{PROGRAM}-w.exe"):
        if not (tree / program).is_file():
            raise BuildError(f"{tree} has no {program}: is it what `tree` made on Windows?")
    # wixl takes no absolute paths, so that all it needs lies in one folder.
    folder = out / "msi"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PACKAGING / "windows", folder)
    (folder / "program").symlink_to(tree.resolve(), target_is_directory=True)
    (folder / "files.wxs").write_bytes(list_components(tree, Path("program")))
    package = out / f"{NAME}_{read_version()}_x64.msi"
    target = ["--arch", "x64", "-D", f"Version={read_version()}", "--output", str(package.resolve())]
    _run(["wixl", *target, "card-agent.wxs", "files.wxs"], folder)
    shutil.rmtree(folder)
    return package


def list_components(tree: Path, source: Path) -> bytes:
    """Returns the part of a .wxs that has each file of a folder as a component; `source` is where wixl finds it."""
    wix = ElementTree.Element("Wix", xmlns=_WIX)
    fragment = ElementTree.SubElement(wix, "Fragment")
    folders = {Path(): ElementTree.SubElement(fragment, "DirectoryRef", Id="INSTALLDIR")}
    components: list[str] = []
    for path in sorted(tree.rglob("*")):
        place = path.relative_to(tree)
        key = "i" + hashlib.sha256(place.as_posix().encode()).hexdigest()[:24]
        if path.is_dir():
            folders[place] = ElementTree.SubElement(folders[place.parent], "Directory", Id="d" + key, Name=place.name)
            continue
        guid = str(uuid.uuid5(_COMPONENTS, place.as_posix()))
        component = ElementTree.SubElement(folders[place.parent], "Component", Id="c" + key, Guid=guid, Win64="yes")
        ElementTree.SubElement(
            component, "File", Id="f" + key, Source=str(source / place), Name=place.name, KeyPath="yes"
        )
        components.append("c" + key)
    group = ElementTree.SubElement(fragment, "ComponentGroup", Id="ProgramFiles")
    for key in components:
        ElementTree.SubElement(group, "ComponentRef", Id=key)
    content: bytes = ElementTree.tostring(wix, encoding="utf-8", xml_declaration=True)
    return content


def list_system_libraries() -> Sequence[str]:
    """Returns the Debian packages of the libraries that the program's folder leaves to the machine."""
    libraries = json.loads((PACKAGING / "linux" / "system-libraries.json").read_text("utf-8"))
    return sorted(set(libraries.values()))


def collect_notices() -> str:
    """Returns the licences of all that is in the program's folder but is not ours."""
    pinned = {
        line.partition("==")[0]
        for line in (CHECKOUT / "requirements" / "card-agent.txt").read_text("utf-8").splitlines()
        if "==" in line
    }
    parts = ["The card agent's packages hold Python, OpenSSL and these libraries, each under its own licence.\n"]
    # On Windows it lies beside the program.
    for python in (Path(sysconfig.get_path("stdlib"), "LICENSE.txt"), Path(sys.base_prefix, "LICENSE.txt")):
        if python.is_file():
            parts.append(f"Python {sys.version.split()[0]}\n\n{python.read_text('utf-8')}")
    for distribution in sorted(distributions(), key=lambda one: one.metadata["Name"].lower()):
        if distribution.metadata["Name"].lower().replace("_", "-").replace(".", "-") in pinned:
            title = f"{distribution.metadata['Name']} {distribution.version}"
            parts.append("\n\n".join([title, *_read_licences(distribution)]))
    return ("\n" + "=" * 72 + "\n").join(parts)


def _read_licences(distribution: Distribution) -> Iterator[str]:
    for file in distribution.files or ():
        if file.name.upper().startswith(("LICEN", "COPYING", "NOTICE")) and file.suffix in ("", ".txt", ".md", ".rst"):
            yield Path(str(file.locate())).read_text("utf-8", errors="replace")


def _set_modes(root: Path) -> None:
    for path in root.rglob("*"):
        if not path.is_symlink():
            is_program = path.is_dir() or path.name == PROGRAM
            path.chmod(0o755 if is_program else 0o644)


def _write_control(root: Path, architecture: str) -> None:
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and not path.is_symlink()) // 1024
    libc = os.confstr("CS_GNU_LIBC_VERSION") if hasattr(os, "confstr") else ""
    depends = [f"libc6 (>= {(libc or 'glibc 2.36').split()[-1]})", *list_system_libraries(), *DEPENDS]
    folder = root / "DEBIAN"
    folder.mkdir()
    (folder / "control").write_text(
        f"""Package: {NAME}
Version: {read_version()}
Architecture: {architecture}
Maintainer: Toroku
Installed-Size: {size}
Depends: {", ".join(depends)}
Section: utils
Priority: optional
Description: reads IC cards for the registration of Japanese public e-bidding
 The card agent runs on a contractor's PC. It opens the registration portal of
 a trusted instance, shows what an IC card is to sign, has it signed, and sends
 the browser back. PIN and private key never leave the PC.
""",
        "utf-8",
    )
    # An administrator may change the autostart, or empty it; an update keeps that.
    (folder / "conffiles").write_text(f"/etc/xdg/autostart/{NAME}.desktop\n")


def _run(command: Sequence[str], folder: Path = CHECKOUT, **variables: str) -> str:
    environment = os.environ | variables
    completed = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if completed.returncode != 0:
        raise BuildError(f"{command[0]}: {(completed.stdout + completed.stderr)[-2000:]}")
    return completed.stdout


def main() -> None:
    """Runs the command line: exit status 1 with the end of a tool's output where it failed."""
    parser = argparse.ArgumentParser(prog="tools.build_agent", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("tree", "deb", "msi"))
    parser.add_argument("--tree", type=Path, help="take this folder instead of building one")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--release-keys", type=Path, help="public keys that sign releases (PEM), for the package")
    options = parser.parse_args()
    if options.what == "msi" and options.tree is None:
        parser.error("msi needs --tree: PyInstaller builds only for the system on which it runs")
    try:
        made = options.tree or build_tree(options.out, options.release_keys)
        if options.what != "tree":
            made = (build_deb if options.what == "deb" else build_msi)(made, options.out)
    except BuildError as error:
        sys.exit(f"build_agent: {error}")
    print(made)


if __name__ == "__main__":
    main()

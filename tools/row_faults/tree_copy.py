"""A copy of the repository whose own code runs, also in the processes that its tests start.

The copy has a virtual environment of its own. That sees the copy's distributions and the packages that are installed
here, but not the links by which our distributions are installed here as editable.
"""

import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools.row_faults.fault import Fault

# Compiled code is taken for that of a source of the same size and second, as a fault may have.
_NOT_COMPILED = "import sys; sys.dont_write_bytecode = True"
# Prints the folder of each package of which it gets the name.
_WHERE = (
    "import importlib, sys; print(*(importlib.import_module(name).__path__[0] for name in sys.argv[1:]), sep='\\n')"
)


@dataclass(frozen=True, slots=True)
class TreeCopy:
    """A copy of the repository in a folder."""

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter of the copy's own environment."""
        return self.folder / ".venv" / "bin" / "python"

    @contextmanager
    def having(self, fault: Fault) -> Iterator[None]:
        """Puts a fault into the copy until the end of the block. Raises ValueError where its place is not found."""
        file = self.folder / fault.file
        original = file.read_bytes()
        source = original.decode("utf-8")
        if source.count(fault.old) != 1:
            raise ValueError(f"{fault.file} has the text to replace {source.count(fault.old)} times")
        file.write_text(source.replace(fault.old, fault.new), "utf-8", newline="")
        try:
            yield
        finally:
            file.write_bytes(original)


def copy_tree(root: Path, folder: Path) -> TreeCopy:
    """Copies the repository at `root`, as it is in its working tree, into a new folder.

    Raises RuntimeError if the copy's interpreter would import a package of our own from elsewhere.
    """
    listing = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, capture_output=True, check=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        # What was deleted and not committed yet is listed too.
        if (root / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name, follow_symlinks=False)
    # What checks pages in a browser; it is installed, and in no version.
    (folder / "tools" / "node_modules").symlink_to(root / "tools" / "node_modules")
    # A test may run PostgreSQL as another user, who has to get through here.
    folder.chmod(0o755)
    copy = TreeCopy(folder)
    _make_environment(copy)
    return copy


def _make_environment(copy: TreeCopy) -> None:
    venv.EnvBuilder(symlinks=True).create(copy.folder / ".venv")
    distributions = [file.parent for file in sorted(copy.folder.glob("*/**/pyproject.toml"))]
    installed = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    query = [str(copy.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(query, capture_output=True, check=True, text=True).stdout.strip())
    # The paths of a .pth file follow each other on sys.path; .pth files of the folders that it names are not read.
    (packages / "copy.pth").write_text("\n".join([_NOT_COMPILED, *map(str, distributions), *installed]) + "\n", "utf-8")
    own = [package.parent for at in distributions for package in at.glob("*/__init__.py")]
    where = [str(copy.python), "-c", _WHERE, *(package.name for package in own)]
    found = subprocess.run(where, capture_output=True, check=True, text=True, cwd=copy.folder).stdout.splitlines()
    if foreign := [path for path, package in zip(found, own, strict=True) if Path(path) != package]:
        raise RuntimeError(f"the copy in {copy.folder} would run other code: {', '.join(foreign)}")

"""Files that only their owner may read, complete or not there."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from card_agent.private_files import check_writable, write_private


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("earlier", [None, 0o644])
def test_only_the_owner_can_read_the_file(tmp_path: Path, earlier: int | None) -> None:
    file = tmp_path / "receipt.txt"
    if earlier is not None:
        file.touch()
        file.chmod(earlier)
    write_private(file, "控え")
    assert (file.read_text("utf-8"), mode(file)) == ("控え", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_earlier_file_stays_whole_if_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "receipt.txt"
    write_private(file, "earlier")
    with pytest.raises(UnicodeEncodeError):
        write_private(file, "half \ud800")
    assert file.read_text("utf-8") == "earlier"
    assert list(tmp_path.iterdir()) == [file]


def test_link_goes_on_leading_to_its_file(tmp_path: Path) -> None:
    link, file = tmp_path / "link", tmp_path / "receipt.txt"
    link.symlink_to(file)
    write_private(link, "text")
    assert link.is_symlink()
    assert (file.read_text("utf-8"), mode(file)) == ("text", 0o600)


def test_device_is_written_to(tmp_path: Path) -> None:
    check_writable(Path("/dev/null"))
    write_private(Path("/dev/null"), "text")
    assert not Path("/dev/null").is_file()


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(tmp_path / "receipt.txt")
    assert list(tmp_path.iterdir()) == []
    for wrong in (tmp_path, tmp_path / "missing" / "receipt.txt"):
        with pytest.raises(OSError):  # noqa: PT011 (each has an error of its own)
            check_writable(wrong)

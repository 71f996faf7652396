"""Files with personal data or with traces of it: only their owner may read them, and they are complete or not there."""

import os
import tempfile
from pathlib import Path


def check_writable(file: Path) -> None:
    """Checks that `write_private` can write the file, and leaves nothing behind; raises OSError."""
    if _is_special(file):
        return
    if file.is_dir():
        raise IsADirectoryError(str(file))
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=file.resolve().parent)
    os.close(descriptor)
    Path(name).unlink()


def write_private(file: Path, text: str) -> None:
    """Writes UTF-8 text with the mode 0600, whatever the umask is and the mode of an earlier file was; raises OSError.

    The file survives a power failure after the return, and keeps its earlier content if something fails. What is no
    file, such as a terminal or a pipe, is only written to.
    """
    write_private_bytes(file, text.replace("\n", os.linesep).encode("utf-8"))


def write_private_bytes(file: Path, content: bytes) -> None:
    """Writes bytes as `write_private` does; raises OSError."""
    if _is_special(file):
        file.write_bytes(content)
        return
    # A link to a file goes on leading there.
    target = file.resolve()
    # mkstemp creates a new file, with this mode from the start.
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _is_special(file: Path) -> bool:
    return file.exists() and not file.is_file() and not file.is_dir()

"""Files with personal data or secrets: readable by their owner only, and complete or not there at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def open_private_file(file: Path) -> Iterator[BinaryIO]:
    """Opens a new file (0600), which gets its name when the block has ended and all of it is synced to disk.

    An exception in the block leaves what was there before. Raises OSError.
    """
    new_file = file.with_name(f".{file.name}.new")
    new_file.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(new_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        new_file.replace(file)
    except BaseException:
        new_file.unlink(missing_ok=True)
        raise


def write_atomically(file: Path, content: bytes) -> None:
    """Writes a file as `open_private_file` does."""
    with open_private_file(file) as stream:
        stream.write(content)

"""A roster file as it is stored: its bytes compressed (gzip, RFC 1952), in rows of a table (QUA-12)."""

import zlib
from collections.abc import Iterator, Sequence

from qualification_registry.domain.roster_content import RosterContent

# A row of this many bytes still fits into one page of 8 KiB.
ROW_BYTES = 8000
# The fastest: a list repeats so much that it becomes a fifth and less, in the time in which it would be written.
_LEVEL = 1
# For zlib: a window of 32 KiB, with the header and the check sum of gzip.
_GZIP = 16 + zlib.MAX_WBITS
# Of a file that is read again, in one message; clients receive 4 MiB at most unless they say otherwise.
_MOST_EXPANDED_BYTES = 512 * 1024


def compress_file(content: RosterContent) -> Sequence[bytes]:
    """Returns a complete file in rows. Takes its time, almost all of it without the interpreter's lock."""
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP)
    compressed = b"".join((*map(compressor.compress, content.read_pieces()), compressor.flush()))
    return [compressed[start : start + ROW_BYTES] for start in range(0, len(compressed), ROW_BYTES)]


class FileExpansion:
    """Turns the rows of one file, in their order, into its bytes again, never much at a time."""

    def __init__(self) -> None:
        self._decompressor = zlib.decompressobj(wbits=_GZIP)

    def expand(self, rows: bytes) -> Iterator[bytes]:
        """Yields the bytes that the next rows have."""
        while rows:
            if content := self._decompressor.decompress(rows, _MOST_EXPANDED_BYTES):
                yield content
            rows = self._decompressor.unconsumed_tail

    def finish(self) -> bytes:
        """Returns the bytes that are left after the last row."""
        return self._decompressor.flush()

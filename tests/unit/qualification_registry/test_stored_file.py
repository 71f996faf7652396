"""A file is stored compressed, and read again byte for byte."""

import gzip
from hashlib import shake_256

from hypothesis import given
from hypothesis import strategies as st

from qualification_registry.domain.roster_content import RosterContent
from qualification_registry.domain.stored_file import ROW_BYTES, FileExpansion, compress_file


@given(st.binary(max_size=40), st.integers(0, 30_000), st.integers(0, 70_000), st.integers(1, 8))
def test_stored_file_expands_to_its_bytes(part: bytes, count: int, incompressible: int, at_once: int) -> None:
    content = part * count + shake_256(part).digest(incompressible)
    rows = compress_file(RosterContent.of(content))
    assert all(0 < len(row) <= ROW_BYTES for row in rows)
    assert gzip.decompress(b"".join(rows)) == content
    expansion = FileExpansion()
    read = [b"".join(rows[start : start + at_once]) for start in range(0, len(rows), at_once)]
    pieces = [piece for joined in read for piece in expansion.expand(joined)]
    assert all(0 < len(piece) <= 512 * 1024 for piece in pieces)
    assert b"".join((*pieces, expansion.finish())) == content

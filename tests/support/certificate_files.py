"""Certificate files (PKCS#12) that no library writes."""

from collections.abc import Sequence

from asn1crypto import cms, pkcs12  # type: ignore[import-untyped]  # it has no type hints


def join_files(files: Sequence[bytes]) -> bytes:
    """Returns one file with the keys and certificates of all; RFC 7292 allows it to have no MAC."""
    parts = [part for file in files for part in pkcs12.Pfx.load(file).authenticated_safe]
    content = pkcs12.AuthenticatedSafe(parts).dump()
    joined = pkcs12.Pfx({"version": "v3", "auth_safe": cms.ContentInfo({"content_type": "data", "content": content})})
    return bytes(joined.dump())

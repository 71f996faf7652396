"""Verifies a signed snapshot: first the manifest, then that the content is the one of which it speaks.

Signed is DSSE's pre-authentication encoding of the manifest, with Ed25519. Nothing in a snapshot is trusted before
that, nor the content before its hash was computed to the end.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from google.protobuf.message import DecodeError

from toroku.agencysync.v1.feed_pb2 import Change, SignedManifest
from toroku_feed.store import Feed, Position, Progress

PAYLOAD_TYPE = b"application/vnd.toroku.feed-snapshot+json"
# The content: entries of this message, each behind its length as a varint.
SCHEMA = "toroku.agencysync.v1.Change/1"
# How far the instance's clock may be ahead of ours.
CLOCK_TOLERANCE = timedelta(minutes=1)
_MOST_MANIFEST_BYTES = 4 * 1024
# An entry has some hundred bytes.
_MOST_ENTRY_BYTES = 64 * 1024
_BATCH = 500
_PEM_BLOCK = re.compile(rb"-----BEGIN (PUBLIC KEY|CERTIFICATE)-----.*?-----END \1-----", re.DOTALL)


class SnapshotRefused(Exception):
    """A snapshot that must not be used. `reason` is a word for programs."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Trust:
    """Which snapshots are accepted: of this feed, signed by any of these keys; there are two while one is replaced."""

    feed: Feed
    public_keys: Sequence[Ed25519PublicKey]


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that was verified."""

    position: Position
    issued_at: datetime
    expires_at: datetime
    sha256: str
    size: int
    rows: int

    @property
    def progress(self) -> Progress:
        """How far a copy has come that was made of this snapshot."""
        return Progress(self.position, self.issued_at, self.expires_at - self.issued_at)


def load_public_keys(pem: bytes) -> Sequence[Ed25519PublicKey]:
    """Returns the public keys of a PEM file, of keys or of certificates, whose issuer and validity do not count.

    Raises ValueError where one is not Ed25519, or none is there.
    """
    keys = [
        load_pem_x509_certificate(block[0]).public_key()
        if block[1] == b"CERTIFICATE"
        else load_pem_public_key(block[0])
        for block in _PEM_BLOCK.finditer(pem)
    ]
    ed25519_keys = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not keys or len(ed25519_keys) < len(keys):
        raise ValueError("a file of keys that verify snapshots has Ed25519 public keys in PEM, one or more")
    return ed25519_keys


def verify_manifest(
    signed: SignedManifest, trust: Trust, *, now: datetime, at_least: Position | None = None
) -> Manifest:
    """Returns the manifest of a snapshot that may be used; raises SnapshotRefused.

    SIGNATURE_INVALID, MANIFEST_UNREADABLE, SCHEMA_UNKNOWN, OTHER_FEED, NOT_YET_ISSUED, EXPIRED, and OLDER where it is
    behind `at_least`, the position that the copy has already.
    """
    _check_signature(signed, trust.public_keys)
    try:
        fields: dict[str, Any] = json.loads(signed.manifest)
        schema, feed = fields["schema"], Feed(fields["instance"], fields["agency"], fields["category"])
        manifest = Manifest(
            position=Position(_read_number(fields, "epoch"), _read_number(fields, "number")),
            issued_at=_read_instant(fields, "issued_at"),
            expires_at=_read_instant(fields, "expires_at"),
            sha256=str(fields["sha256"]),
            size=_read_number(fields, "size"),
            rows=_read_number(fields, "rows"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise SnapshotRefused("MANIFEST_UNREADABLE", str(error)) from error
    if schema != SCHEMA:
        raise SnapshotRefused("SCHEMA_UNKNOWN", str(schema))
    if feed != trust.feed:
        raise SnapshotRefused("OTHER_FEED", f"{feed.instance} {feed.agency} {feed.category}")
    if manifest.issued_at > now + CLOCK_TOLERANCE:
        raise SnapshotRefused("NOT_YET_ISSUED", manifest.issued_at.isoformat())
    if manifest.expires_at <= now:
        raise SnapshotRefused("EXPIRED", manifest.expires_at.isoformat())
    if at_least is not None and manifest.position < at_least:
        raise SnapshotRefused("OLDER", f"{manifest.position} is before {at_least}")
    return manifest


class ContentFile:
    """The content of a snapshot as it arrives: written to a file, so that memory stays bounded, and checked."""

    def __init__(self, manifest: Manifest, file: IO[bytes]) -> None:
        self._manifest = manifest
        self._file = file
        self._hash = sha256()
        self._size = 0

    def write(self, piece: bytes) -> None:
        """Takes the next bytes; raises SnapshotRefused (SIZE_DIFFERS) where they are more than the manifest says."""
        self._size += len(piece)
        if self._size > self._manifest.size:
            raise SnapshotRefused("SIZE_DIFFERS", f"more than {self._manifest.size} bytes")
        self._hash.update(piece)
        self._file.write(piece)

    def check(self) -> None:
        """Checks that the content is there to the end; raises SnapshotRefused (SIZE_DIFFERS, CONTENT_DIFFERS)."""
        if self._size != self._manifest.size:
            raise SnapshotRefused("SIZE_DIFFERS", f"{self._size} of {self._manifest.size} bytes")
        if self._hash.hexdigest() != self._manifest.sha256:
            raise SnapshotRefused("CONTENT_DIFFERS")

    def read_batches(self) -> Iterator[Sequence[Change]]:
        """Yields the entries in batches, once; raises SnapshotRefused (CONTENT_UNREADABLE, ROWS_DIFFER)."""
        self._file.seek(0)
        rows = 0
        batch: list[Change] = []
        while (length := _read_length(self._file)) is not None:
            batch.append(_read_entry(self._file.read(length), length))
            rows += 1
            if len(batch) == _BATCH:
                yield batch
                batch = []
        if rows != self._manifest.rows:
            raise SnapshotRefused("ROWS_DIFFER", f"{rows} of {self._manifest.rows}")
        if batch:
            yield batch


def compute_key_id(key: Ed25519PublicKey) -> str:
    """Returns the id by which a manifest hints at its key."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:16]


def _check_signature(signed: SignedManifest, keys: Sequence[Ed25519PublicKey]) -> None:
    if len(signed.manifest) > _MOST_MANIFEST_BYTES:
        raise SnapshotRefused("MANIFEST_UNREADABLE", "too long")
    encoded = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(signed.manifest), signed.manifest)
    # The key id is a hint: it decides which key is tried first, never which one is trusted.
    for key in sorted(keys, key=lambda key: compute_key_id(key) != signed.key_id):
        try:
            key.verify(signed.signature, encoded)
        except InvalidSignature:
            continue
        return
    raise SnapshotRefused("SIGNATURE_INVALID", f"by none of {len(keys)} keys; its hint is {signed.key_id[:16]}")


def _read_number(fields: dict[str, Any], name: str) -> int:
    value = fields[name]
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is no number")
    return value


def _read_instant(fields: dict[str, Any], name: str) -> datetime:
    instant = datetime.fromisoformat(fields[name])
    if instant.tzinfo is None:
        raise ValueError(f"{name} has no time zone")
    return instant


def _read_length(file: IO[bytes]) -> int | None:
    """Returns the next length (varint); None at the end."""
    length = shift = 0
    while byte := file.read(1):
        length |= (byte[0] & 0x7F) << shift
        if length > _MOST_ENTRY_BYTES:
            break
        if byte[0] < 0x80:
            return length
        shift += 7
    if shift or length:
        raise SnapshotRefused("CONTENT_UNREADABLE", "an entry is cut off or too long")
    return None


def _read_entry(encoded: bytes, length: int) -> Change:
    try:
        entry = Change.FromString(encoded)
    except DecodeError as error:
        raise SnapshotRefused("CONTENT_UNREADABLE", str(error)) from error
    if len(encoded) != length or len(entry.certificate_sha256) != 32:
        raise SnapshotRefused("CONTENT_UNREADABLE", "an entry is cut off or names no card")
    return entry

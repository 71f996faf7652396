"""The snapshot of a feed: how long it counts, and what of it is signed."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

# A new one is made only when somebody asks, and the newest one is older than this.
FRESH = timedelta(hours=1)
# A worker that was asked is not asked again for this long: its job is tried again by itself.
ASKED = timedelta(minutes=10)
# For how long a copy counts without news. An outage of a night and the working day after it closes no agency's doors;
# a card that was stopped meanwhile gets in no longer than that.
VALIDITY = timedelta(hours=24)
# Bytes of a piece.
PIECE = 256 * 1024
PAYLOAD_TYPE = b"application/vnd.toroku.feed-snapshot+json"
# The content: entries of this message, each behind its length as a varint.
SCHEMA = "toroku.agencysync.v1.Change/1"


@dataclass(frozen=True, slots=True)
class Content:
    """What a manifest says of the content."""

    sha256: str
    # Bytes.
    size: int
    rows: int


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """A manifest (JSON) with its signature."""

    manifest: bytes
    signature: bytes
    key_id: str


@dataclass(frozen=True, slots=True)
class KeptSnapshot:
    """The newest snapshot of a feed, without its content."""

    snapshot_id: UUID
    pieces: int
    issued_at: datetime
    signed: SignedManifest

    def is_fresh(self, now: datetime) -> bool:
        """Returns whether it may still be given to who begins."""
        return now < self.issued_at + FRESH


class SnapshotKey:
    """The Ed25519 key that signs manifests."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.key_id = sha256(public).hexdigest()[:16]

    @classmethod
    def from_pem(cls, pem: bytes) -> "SnapshotKey":
        """Returns the key in a PEM file (PKCS#8, not encrypted). Raises ValueError, which does not show the content."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("a key that signs snapshots is no Ed25519 private key in PEM without a password")
        return cls(key)

    def sign(self, manifest: bytes) -> SignedManifest:
        """Returns a manifest with the signature over DSSE's pre-authentication encoding of its type and it."""
        encoded = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(manifest), manifest)
        return SignedManifest(manifest, self._key.sign(encoded), self.key_id)


def write_manifest(
    *, instance: str, agency: str, category: str, epoch: int, number: int, issued_at: datetime, content: Content
) -> bytes:
    """Returns the manifest of a snapshot, in JSON."""
    return json.dumps(
        {
            "instance": instance,
            "agency": agency,
            "category": category,
            "epoch": epoch,
            "number": number,
            "issued_at": issued_at.astimezone(UTC).isoformat(),
            "expires_at": (issued_at + VALIDITY).astimezone(UTC).isoformat(),
            "sha256": content.sha256,
            "size": content.size,
            "rows": content.rows,
            "schema": SCHEMA,
        },
        separators=(",", ":"),
    ).encode()

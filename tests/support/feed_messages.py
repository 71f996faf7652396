"""Changes, heartbeats and signed snapshots of a feed, as an instance that can be wrong makes them."""

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp

from toroku.agencysync.v1 import feed_pb2
from toroku_feed import Feed

FEED = Feed("saitama", "11000", "construction")
NOON = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
TYPE = "application/vnd.toroku.feed-snapshot+json"


def write_time(instant: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(instant)
    return message


def name_card(number: int) -> bytes:
    """The hash of the certificate of a card."""
    return sha256(b"card %d" % number).digest()


def change(
    number: int,
    *,
    card: int | None = None,
    epoch: int = 1,
    state: feed_pb2.Change.State.ValueType = feed_pb2.Change.STATE_GOOD,
    reason: str = "",
    bidder_id: str = "1100000001",
    qualified: Sequence[tuple[datetime | None, datetime | None]] = ((None, None),),
) -> feed_pb2.Change:
    """The entry at a position; of the card with that number where no other is named."""
    return feed_pb2.Change(
        position=feed_pb2.FeedPosition(epoch=epoch, number=number),
        certificate_sha256=name_card(number if card is None else card),
        bidder_id=bidder_id,
        state=state,
        reason=reason,
        certificate_not_before=write_time(NOON - YEAR),
        certificate_not_after=write_time(NOON + YEAR),
        qualified=[
            feed_pb2.QualifiedTime(
                qualified_from=write_time(begin) if begin else None, qualified_until=write_time(end) if end else None
            )
            for begin, end in qualified
        ],
    )


def write_content(entries: Sequence[feed_pb2.Change]) -> bytes:
    """The content of a snapshot: each entry behind its length."""
    return b"".join(_write_length(entry.ByteSize()) + entry.SerializeToString() for entry in entries)


def write_manifest(content: bytes, **changed: Any) -> dict[str, Any]:
    """The fields of a good manifest of this content, with some changed."""
    return {
        "instance": FEED.instance,
        "agency": FEED.agency,
        "category": FEED.category,
        "epoch": 1,
        "number": 10,
        "issued_at": NOON.isoformat(),
        "expires_at": (NOON + timedelta(hours=24)).isoformat(),
        "sha256": sha256(content).hexdigest(),
        "size": len(content),
        "rows": 2,
        "schema": "toroku.agencysync.v1.Change/1",
    } | changed


def sign_manifest(
    fields: dict[str, Any], key: Ed25519PrivateKey, *, key_id: str = "", payload_type: str = TYPE
) -> feed_pb2.SignedManifest:
    """The manifest with the signature that DSSE describes."""
    manifest = json.dumps(fields).encode()
    encoded = b" ".join(
        [b"DSSEv1", str(len(payload_type)).encode(), payload_type.encode(), str(len(manifest)).encode(), manifest]
    )
    return feed_pb2.SignedManifest(manifest=manifest, signature=key.sign(encoded), key_id=key_id)


def write_snapshot(
    key: Ed25519PrivateKey, entries: Sequence[feed_pb2.Change], **changed: Any
) -> Iterator[feed_pb2.GetSnapshotResponse]:
    """The messages of a snapshot."""
    content = write_content(entries)
    fields = write_manifest(content, rows=len(entries)) | changed
    yield feed_pb2.GetSnapshotResponse(manifest=sign_manifest(fields, key))
    for place in range(0, len(content), 100):
        yield feed_pb2.GetSnapshotResponse(content=content[place : place + 100])


def heartbeat(number: int, as_of: datetime, *, epoch: int = 1, **more: Any) -> feed_pb2.Heartbeat:
    """A heartbeat with its head."""
    head = feed_pb2.FeedPosition(epoch=epoch, number=number)
    return feed_pb2.Heartbeat(head=head, as_of=write_time(as_of), **more)


def encode(value: bytes) -> str:
    """Base 64, for the lines of a process."""
    return base64.b64encode(value).decode()


def _write_length(length: int) -> bytes:
    groups = bytearray()
    while length >= 0x80:
        groups.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*groups, length])

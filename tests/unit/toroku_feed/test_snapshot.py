"""A snapshot is used only if it is what the instance signed, for this agency, now, and newer than the copy."""

import io
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.feed_messages import FEED, NOON, change, sign_manifest, write_content, write_manifest
from toroku.agencysync.v1 import feed_pb2
from toroku_feed.snapshot import (
    ContentFile,
    Manifest,
    SnapshotRefused,
    Trust,
    compute_key_id,
    load_public_keys,
    verify_manifest,
)
from toroku_feed.store import Position

KEY = Ed25519PrivateKey.generate()
TRUST = Trust(FEED, [KEY.public_key()])
ENTRIES = [change(1), change(2)]
CONTENT = write_content(ENTRIES)


def verify(signed: feed_pb2.SignedManifest, trust: Trust = TRUST, at_least: Position | None = None) -> Manifest:
    return verify_manifest(signed, trust, now=NOON + timedelta(hours=1), at_least=at_least)


def take_content(content: bytes, **changed: Any) -> list[feed_pb2.Change]:
    manifest = verify(sign_manifest(write_manifest(CONTENT, **changed), KEY))
    taken = ContentFile(manifest, io.BytesIO())
    for place in range(0, len(content), 7):
        taken.write(content[place : place + 7])
    taken.check()
    return [entry for batch in taken.read_batches() for entry in batch]


def test_what_was_signed_is_taken() -> None:
    manifest = verify(sign_manifest(write_manifest(CONTENT), KEY))
    assert (manifest.position, manifest.rows, manifest.size) == (Position(1, 10), 2, len(CONTENT))
    assert manifest.progress.valid_until == NOON + timedelta(hours=24)
    assert take_content(CONTENT) == ENTRIES


def test_any_of_the_keys_may_have_signed_and_the_hint_decides_nothing() -> None:
    other = Ed25519PrivateKey.generate()
    both = Trust(FEED, [other.public_key(), KEY.public_key()])
    for key in (KEY, other):
        for hint in ("", compute_key_id(KEY.public_key()), compute_key_id(other.public_key()), "0" * 5000):
            assert verify(sign_manifest(write_manifest(CONTENT), key, key_id=hint), both).rows == 2


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"agency": "11100"}, "OTHER_FEED"),
        ({"category": "goods"}, "OTHER_FEED"),
        ({"instance": "chiba"}, "OTHER_FEED"),
        ({"schema": "toroku.agencysync.v1.Change/2"}, "SCHEMA_UNKNOWN"),
        ({"issued_at": (NOON + timedelta(hours=2)).isoformat()}, "NOT_YET_ISSUED"),
        ({"expires_at": (NOON + timedelta(hours=1)).isoformat()}, "EXPIRED"),
        ({"issued_at": "2026-11-27T12:00:00"}, "MANIFEST_UNREADABLE"),
        ({"number": "10"}, "MANIFEST_UNREADABLE"),
        ({"number": True}, "MANIFEST_UNREADABLE"),
        ({"size": -1}, "MANIFEST_UNREADABLE"),
        ({"more": "x" * 5000}, "MANIFEST_UNREADABLE"),
    ],
)
def test_a_signed_manifest_of_something_else_is_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(SnapshotRefused) as refused:
        verify(sign_manifest(write_manifest(CONTENT, **changed), KEY))
    assert refused.value.reason == reason


def test_a_manifest_without_a_field_is_refused() -> None:
    fields = write_manifest(CONTENT)
    for name in fields:
        with pytest.raises(SnapshotRefused, match="MANIFEST_UNREADABLE"):
            verify(sign_manifest({other: value for other, value in fields.items() if other != name}, KEY))


def test_a_signature_of_another_key_or_kind_is_refused() -> None:
    fields = write_manifest(CONTENT)
    good = sign_manifest(fields, KEY)
    tampered = feed_pb2.SignedManifest(
        manifest=good.manifest.replace(b'"rows": 2', b'"rows": 3'), signature=good.signature
    )
    foreign = sign_manifest(fields, Ed25519PrivateKey.generate(), key_id=compute_key_id(KEY.public_key()))
    of_other_type = sign_manifest(fields, KEY, payload_type="application/json")
    plain = feed_pb2.SignedManifest(manifest=good.manifest, signature=KEY.sign(good.manifest))
    for signed in (tampered, foreign, of_other_type, plain, feed_pb2.SignedManifest(manifest=good.manifest)):
        with pytest.raises(SnapshotRefused, match="SIGNATURE_INVALID"):
            verify(signed)
    with pytest.raises(SnapshotRefused, match="SIGNATURE_INVALID"):
        verify(good, Trust(FEED, []))


def test_an_older_snapshot_is_refused() -> None:
    signed = sign_manifest(write_manifest(CONTENT), KEY)
    assert verify(signed, at_least=Position(1, 10)).position == Position(1, 10)
    for newer in (Position(1, 11), Position(2, 0)):
        with pytest.raises(SnapshotRefused, match="OLDER"):
            verify(signed, at_least=newer)
    restored = sign_manifest(write_manifest(CONTENT, epoch=2, number=1), KEY)
    assert verify(restored, at_least=Position(1, 500)).position == Position(2, 1)


def test_content_that_is_cut_off_longer_or_another_is_refused() -> None:
    for content, reason in (
        (CONTENT[:-1], "SIZE_DIFFERS"),
        (b"", "SIZE_DIFFERS"),
        (CONTENT + b"\x00", "SIZE_DIFFERS"),
        (CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]), "CONTENT_DIFFERS"),
    ):
        with pytest.raises(SnapshotRefused) as refused:
            take_content(content)
        assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("content", "rows", "reason"),
    [
        (CONTENT, 3, "ROWS_DIFFER"),
        (CONTENT, 1, "ROWS_DIFFER"),
        (CONTENT[:-1], 2, "CONTENT_UNREADABLE"),
        (CONTENT + b"\x80", 2, "CONTENT_UNREADABLE"),
        (b"\xff\xff\xff\xff\x0f" + CONTENT, 2, "CONTENT_UNREADABLE"),
        (b"\x03abc", 1, "CONTENT_UNREADABLE"),
        (write_content([feed_pb2.Change(certificate_sha256=b"short")]), 1, "CONTENT_UNREADABLE"),
    ],
)
def test_signed_content_that_is_no_list_of_cards_is_refused(content: bytes, rows: int, reason: str) -> None:
    fields = write_manifest(content)
    with pytest.raises(SnapshotRefused) as refused:
        take_content(content, sha256=fields["sha256"], size=fields["size"], rows=rows)
    assert refused.value.reason == reason


def test_a_file_of_keys_has_ed25519_keys_only() -> None:
    other = Ed25519PrivateKey.generate()
    pem = [
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for key in (KEY, other, generate_private_key(SECP256R1()))
    ]
    assert len(load_public_keys(pem[0] + pem[1])) == 2
    for wrong in (b"", pem[0] + pem[2]):
        with pytest.raises(ValueError, match="Ed25519"):
            load_public_keys(wrong)

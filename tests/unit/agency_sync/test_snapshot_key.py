"""The key that signs snapshots: what it signs, and that one which can't be used is named by its setting."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from agency_sync.domain.snapshot import Content, write_manifest
from agency_sync.settings import WorkerSettings
from servicekit.exceptions import CommandFailed
from toroku.agencysync.v1.feed_pb2 import SignedManifest
from toroku_feed.snapshot import Trust, verify_manifest
from toroku_feed.store import Feed, Position

PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
NOON = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)


def read_settings(file: Path) -> WorkerSettings:
    others: dict[str, Any] = dict.fromkeys(WorkerSettings.model_fields, "unused")
    return WorkerSettings.model_construct(**others | {"feed_key": file})


def test_what_it_signs_is_what_an_agency_verifies(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    file = tmp_path / "feed.key"
    file.write_bytes(private.private_bytes(*PEM))
    manifest = write_manifest(
        instance="saitama",
        agency="city",
        category="works",
        epoch=2,
        number=7,
        issued_at=NOON,
        content=Content(sha256().hexdigest(), 0, 0),
    )
    signed = read_settings(file).load_feed_key().sign(manifest)
    message = SignedManifest(manifest=signed.manifest, signature=signed.signature, key_id=signed.key_id)
    trust = Trust(Feed("saitama", "city", "works"), [private.public_key()])
    read = verify_manifest(message, trust, now=NOON)
    assert (read.position, read.issued_at, read.expires_at) == (Position(2, 7), NOON, NOON + timedelta(hours=24))
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert signed.key_id == sha256(public).hexdigest()[:16]


def test_key_that_cannot_be_used_is_named_by_its_setting(tmp_path: Path) -> None:
    file = tmp_path / "feed.key"
    with pytest.raises(CommandFailed, match=r"TOROKU_FEED_KEY: .*No such file.*feed\.key"):
        read_settings(file).load_feed_key()
    for content in (ec.generate_private_key(ec.SECP256R1()).private_bytes(*PEM), b"no key"):
        file.write_bytes(content)
        with pytest.raises(CommandFailed, match=r"TOROKU_FEED_KEY: .*no Ed25519 private key"):
            read_settings(file).load_feed_key()

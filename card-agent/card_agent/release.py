"""The version of this agent, and the signed notice by which it knows that a newer one exists.

A notice is an envelope of DSSE: the release as JSON, signed with Ed25519 over its pre-authentication encoding. The
agent only reads it. It downloads and installs no program, and where there is no notice it says nothing.
"""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card_agent.console.words import Words

PAYLOAD_TYPE = "application/vnd.toroku.card-agent-release+json"
# A notice of ten files has 3 KB.
MOST_NOTICE_BYTES = 64 * 1024
# How far the signer's clock may be ahead of this PC's.
CLOCK_TOLERANCE = timedelta(days=1)
_VERSION = re.compile(r"[0-9]{1,5}(\.[0-9]{1,5}){1,3}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~-]{0,127}")


class NoticeRefused(Exception):
    """A notice that says nothing. `reason` is a word for programs: UNREADABLE, SIGNATURE_INVALID, NOT_YET_ISSUED."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """A file of a release, by name, with its size in bytes and its SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Release:
    """A release: its version, the day on which it was signed, and its files."""

    version: str
    released_on: date
    files: tuple[ReleasedFile, ...] = ()


@cache
def read_version() -> str:
    """Returns this agent's version."""
    return version("toroku-card-agent")


def is_newer(one: str, other: str) -> bool:
    """Returns whether one version is newer than another; raises ValueError where one is no version."""
    return _split(one) > _split(other)


def sign_release(release: Release, key: Ed25519PrivateKey) -> bytes:
    """Returns the notice of a release; raises ValueError where a value is not one that `read_notice` takes."""
    payload = json.dumps(
        {
            "version": release.version,
            "released_on": release.released_on.isoformat(),
            "files": [{"name": file.name, "size": file.size, "sha256": file.sha256} for file in release.files],
        },
        indent=1,
    ).encode()
    try:
        _read_release(payload)
    except NoticeRefused as error:
        raise ValueError(str(error)) from error
    signature = {"keyid": compute_key_id(key.public_key()), "sig": _encode(key.sign(_encode_before_signing(payload)))}
    envelope = {"payloadType": PAYLOAD_TYPE, "payload": _encode(payload), "signatures": [signature]}
    return (json.dumps(envelope, indent=1) + "\n").encode()


def read_notice(notice: bytes, keys: Sequence[Ed25519PublicKey], *, now: datetime) -> Release:
    """Returns the release of which a notice speaks, once any of the keys has signed it; raises NoticeRefused."""
    if len(notice) > MOST_NOTICE_BYTES:
        raise NoticeRefused("UNREADABLE", "too long")
    try:
        envelope: dict[str, Any] = json.loads(notice)
        if envelope["payloadType"] != PAYLOAD_TYPE:
            raise ValueError("another payload type")
        payload = _decode(envelope["payload"])
        signatures = [_decode(entry["sig"]) for entry in envelope["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoticeRefused("UNREADABLE", str(error)) from error
    encoded = _encode_before_signing(payload)
    # The key id is a hint for people; every key is tried.
    if not any(_verifies(key, signature, encoded) for key in keys for signature in signatures[:8]):
        raise NoticeRefused("SIGNATURE_INVALID", f"by none of {len(keys)} keys")
    release = _read_release(payload)
    if release.released_on > (now + CLOCK_TOLERANCE).date():
        raise NoticeRefused("NOT_YET_ISSUED", release.released_on.isoformat())
    return release


def say_newer(release: Release | None, current: str) -> Words | None:
    """Returns the sentence that a newer version exists; None where the release is not newer."""
    if release is None or not is_newer(release.version, current):
        return None
    day = release.released_on
    return Words(
        f"カードエージェントの新しいバージョン（{release.version}、{day.year}年{day.month}月{day.day}日公開）があります。"
        f"お使いのバージョンは{current}です。配布元の案内に従って更新してください。",
        f"A newer version of the card agent ({release.version}, released on {day.isoformat()}) is available. "
        f"You are using {current}. Update it as described where you got it.",
    )


def compute_key_id(key: Ed25519PublicKey) -> str:
    """Returns the id by which a notice hints at its key: 16 hexadecimal digits."""
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:16]


def _split(text: str) -> tuple[int, ...]:
    if not _VERSION.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no version such as 1.2.3")
    numbers = [int(number) for number in text.split(".")]
    # 1.2 and 1.2.0 are the same.
    return tuple(numbers + [0] * (4 - len(numbers)))


def _read_release(payload: bytes) -> Release:
    try:
        fields: dict[str, Any] = json.loads(payload)
        release = Release(
            version=fields["version"],
            released_on=date.fromisoformat(fields["released_on"]),
            files=tuple(_read_file(entry) for entry in fields["files"]),
        )
        _split(release.version)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise NoticeRefused("UNREADABLE", str(error)) from error
    return release


def _read_file(entry: dict[str, Any]) -> ReleasedFile:
    file = ReleasedFile(entry["name"], entry["size"], entry["sha256"])
    if not _NAME.fullmatch(file.name) or type(file.size) is not int or not _SHA256.fullmatch(file.sha256):
        raise ValueError("a file without name, size and SHA-256")
    return file


def _encode_before_signing(payload: bytes) -> bytes:
    """Returns DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _verifies(key: Ed25519PublicKey, signature: bytes, encoded: bytes) -> bool:
    try:
        key.verify(signature, encoded)
    except InvalidSignature:
        return False
    return True


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)

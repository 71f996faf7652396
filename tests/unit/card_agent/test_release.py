"""The notice of a release: what it says once a key of the package has signed it, and everything that is refused."""

import base64
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card_agent.release import (
    MOST_NOTICE_BYTES,
    NoticeRefused,
    Release,
    ReleasedFile,
    is_newer,
    read_notice,
    read_version,
    say_newer,
    sign_release,
)
from card_agent.release_notices import KEYS_FILE, NOTICE_FILE, find_newest, read_keys, say_what_is_newer
from card_agent.trust import read_trust_file
from card_agent.trust_offer import add_trusted, read_offer
from refusals import Refusal

NOW = datetime(2025, 12, 1, tzinfo=UTC)
RELEASE = Release("99.1.0", date(2025, 12, 1), (ReleasedFile("toroku-card-agent.deb", 5, "ab" * 32),))
KEY, OTHER_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
NOTICE = sign_release(RELEASE, KEY)


def refuse(notice: bytes, *, now: datetime = NOW) -> str:
    with pytest.raises(NoticeRefused) as refused:
        read_notice(notice, [KEY.public_key()], now=now)
    return refused.value.reason


def change(**values: Any) -> bytes:
    return json.dumps(json.loads(NOTICE) | values).encode()


def write_keys(folder: Path, *keys: Ed25519PrivateKey) -> None:
    pem = b"".join(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) for key in keys)
    (folder / KEYS_FILE).write_bytes(b"# keys that sign releases\n" + pem)


def test_notice_is_read_that_one_of_the_keys_has_signed() -> None:
    assert read_notice(NOTICE, [OTHER_KEY.public_key(), KEY.public_key()], now=NOW) == RELEASE


def test_signature_is_over_the_pre_authentication_encoding_of_dsse() -> None:
    envelope = json.loads(NOTICE)
    payload = base64.b64decode(envelope["payload"])
    kind = b"application/vnd.toroku.card-agent-release+json"
    signed = b"DSSEv1 46 " + kind + b" " + str(len(payload)).encode() + b" " + payload
    KEY.public_key().verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed)


def test_altered_notice_says_nothing() -> None:
    payload = base64.b64decode(json.loads(NOTICE)["payload"]).replace(b"99.1.0", b"99.1.1")
    assert refuse(change(payload=base64.b64encode(payload).decode())) == "SIGNATURE_INVALID"
    assert refuse(change(signatures=[])) == "SIGNATURE_INVALID"
    assert refuse(sign_release(RELEASE, OTHER_KEY)) == "SIGNATURE_INVALID"


@pytest.mark.parametrize(
    "notice",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b"[" * 50_000,
        b" " * (MOST_NOTICE_BYTES + 1),
        change(payloadType="application/json"),
        change(payload="%"),
        change(payload=1),
        change(signatures=[1]),
        change(signatures=1),
    ],
)
def test_what_is_no_notice_is_unreadable(notice: bytes) -> None:
    assert refuse(notice) == "UNREADABLE"


@pytest.mark.parametrize("version", ["", "1", "1.x", "1.2.3.4.5", "1.2-rc1", "１.２"])
def test_release_needs_a_version_of_numbers(version: str) -> None:
    with pytest.raises(ValueError, match="no version"):
        sign_release(Release(version, date(2025, 12, 1)), KEY)


def test_release_names_no_file_outside_of_its_folder() -> None:
    with pytest.raises(ValueError, match="a file without"):
        sign_release(Release("1.0", date(2025, 12, 1), (ReleasedFile("../x.deb", 5, "ab" * 32),)), KEY)


def test_notice_of_a_day_to_come_is_refused() -> None:
    assert refuse(NOTICE, now=datetime(2025, 11, 29, tzinfo=UTC)) == "NOT_YET_ISSUED"


def test_versions_are_compared_by_their_numbers() -> None:
    assert is_newer("0.10.0", "0.9.9")
    assert not is_newer("1.2", "1.2.0")
    assert not is_newer("0.1.0", "0.1.1")


def test_newer_version_is_told_with_its_day() -> None:
    newer = say_newer(RELEASE, "0.1.0")
    assert newer is not None
    assert "新しいバージョン（99.1.0、2025年12月1日公開）" in newer.ja
    assert "お使いのバージョンは0.1.0です" in newer.ja
    assert "99.1.0, released on 2025-12-01" in newer.en
    assert say_newer(RELEASE, "99.1.0") is None
    assert say_newer(None, "0.1.0") is None


def test_newest_notice_of_both_folders_counts(tmp_path: Path) -> None:
    program, configuration = tmp_path / "program", tmp_path / "山田"
    for folder, release in ((program, Release("0.2.0", date(2025, 1, 1))), (configuration, RELEASE)):
        folder.mkdir()
        (folder / NOTICE_FILE).write_bytes(sign_release(release, KEY))
    write_keys(program, OTHER_KEY, KEY)
    assert find_newest(program, configuration, now=NOW) == RELEASE
    (configuration / NOTICE_FILE).write_bytes(sign_release(RELEASE, Ed25519PrivateKey.generate()))
    newest = find_newest(program, configuration, now=NOW)
    assert newest is not None
    assert newest.version == "0.2.0"
    said = say_what_is_newer(program, configuration)
    assert said is not None
    assert f"You are using {read_version()}." in said.en


def test_trust_file_names_where_releases_are_announced(tmp_path: Path) -> None:
    file = tmp_path / "trust.yaml"
    file.write_text("saitama: {endpoint: 'toroku.example:443', releases: 'https://toroku.example/agent/release.json'}")
    (offer,) = read_offer(file)
    kept = tmp_path / "kept.yaml"
    add_trusted(kept, [offer])
    assert read_trust_file(kept)[0].releases == "https://toroku.example/agent/release.json"
    file.write_text("saitama: {endpoint: 'toroku.example:443', releases: 'http://toroku.example/agent/release.json'}")
    with pytest.raises(Refusal) as refused:
        read_trust_file(file)
    assert refused.value.metadata["part"] == "saitama.releases"


def test_without_keys_or_notice_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / NOTICE_FILE).write_bytes(NOTICE)
    assert say_what_is_newer(tmp_path, tmp_path) is None
    (tmp_path / KEYS_FILE).write_bytes(b"-----BEGIN PUBLIC KEY-----\nxx\n-----END PUBLIC KEY-----\n")
    assert read_keys(tmp_path) == ()
    write_keys(tmp_path, KEY)
    (tmp_path / NOTICE_FILE).unlink()
    assert say_what_is_newer(tmp_path, tmp_path) is None

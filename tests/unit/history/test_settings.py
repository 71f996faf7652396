"""The key that a worker seals with is a file, and one that can't be used is named."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from history.settings import SealingSettings
from servicekit.exceptions import CommandFailed
from servicekit.signed_statement import compute_key_id

PEM = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_key_that_seals_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = Ed25519PrivateKey.generate()
    file = tmp_path / "history.key"
    file.write_bytes(key.private_bytes(*PEM))
    monkeypatch.setenv("TOROKU_HISTORY_KEY", str(file))
    assert SealingSettings.read().load_history_key().key_id == compute_key_id(key.public_key())


def test_key_that_cannot_be_used_is_named_by_its_setting(tmp_path: Path) -> None:
    file = tmp_path / "history.key"
    settings = SealingSettings(history_key=file)
    with pytest.raises(CommandFailed, match=r"TOROKU_HISTORY_KEY: .*No such file.*history\.key"):
        settings.load_history_key()
    file.write_bytes(ec.generate_private_key(ec.SECP256R1()).private_bytes(*PEM))
    with pytest.raises(CommandFailed, match=r"TOROKU_HISTORY_KEY: .*no Ed25519 private key"):
        settings.load_history_key()

"""A sealed secret is opened by its key alone, for its notice alone."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from servicekit.exceptions import CommandFailed
from servicekit.mailed_secrets import MailedSecretKey, MailedSecretSettings, SecretUnreadable

CODE = "K7QF-9PM2-招待"
NOTICE = UUID(int=1)


def new_key() -> MailedSecretKey:
    return MailedSecretKey(Ed25519PrivateKey.generate())


def write_key(file: Path, key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> Path:
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def test_two_processes_with_the_same_file_share_a_secret(tmp_path: Path) -> None:
    file = write_key(tmp_path / "key.pem", Ed25519PrivateKey.generate())
    seals, opens = (MailedSecretSettings(mailed_secret_key=file).load_mailed_secret_key() for _ in range(2))
    sealed = seals.seal(CODE, NOTICE)
    assert CODE.encode() not in sealed
    assert opens.open(sealed, NOTICE) == CODE
    assert seals.seal(CODE, NOTICE) != sealed, "the same code is not recognized"


def test_sealed_secret_of_another_key_notice_or_content_is_refused() -> None:
    key = new_key()
    sealed = key.seal(CODE, NOTICE)
    with pytest.raises(SecretUnreadable, match="sealed with another key"):
        new_key().open(sealed, NOTICE)
    altered = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for wrong, notice_id in ((sealed, uuid4()), (altered, NOTICE), (sealed[:20], NOTICE), (sealed[:9], NOTICE)):
        with pytest.raises(SecretUnreadable, match="altered, or is another one's"):
            key.open(wrong, notice_id)


@pytest.mark.parametrize("content", [None, b"", b"secret text", "another kind"])
def test_file_without_a_key_ends_the_process_and_is_not_quoted(tmp_path: Path, content: bytes | str | None) -> None:
    file = tmp_path / "key.pem"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        write_key(file, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(CommandFailed, match="TOROKU_MAILED_SECRET_KEY") as caught:
        MailedSecretSettings(mailed_secret_key=file).load_mailed_secret_key()
    assert "secret text" not in str(caught.value)

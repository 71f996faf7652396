"""PKCS#11 modules for tests: SoftHSM with a token of its own, OpenSC's over cards, and the stub with its faults."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from simulators.certificate_authorities import IssuedCard

PIN = "123456"
_LIBRARIES = Path("/usr/lib")


@dataclass(frozen=True, slots=True)
class SoftToken:
    """A token of SoftHSM with a card's key, certificate and chain; `environment` is what a process needs to see it."""

    module: Path
    environment: dict[str, str]
    label: str
    card: IssuedCard


def find_softhsm() -> Path:
    """Returns SoftHSM's module."""
    return next(_LIBRARIES.glob("**/softhsm/libsofthsm2.so"))


def find_opensc() -> Path:
    """Returns OpenSC's module."""
    return next(path for path in _LIBRARIES.glob("**/opensc-pkcs11.so") if path.parent.name != "pkcs11")


def make_soft_token(folder: Path, card: IssuedCard, label: str = "登録 太郎", pin: str = PIN) -> SoftToken:
    """Returns a new token in a folder that is its own; the chain is stored beside the card's certificate."""
    (folder / "tokens").mkdir(parents=True)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    token = SoftToken(find_softhsm(), {"SOFTHSM2_CONF": str(configuration)}, label, card)
    add_soft_token(token, card, label, pin)
    return token


def add_soft_token(token: SoftToken, card: IssuedCard, label: str, pin: str = PIN) -> None:
    """Adds another token to those that a process with the environment of `token` sees."""
    folder = Path(token.environment["SOFTHSM2_CONF"]).parent
    pins = ("--pin", pin, "--so-pin", "12345678")
    _run(token, "softhsm2-util", "--init-token", "--free", "--label", label, *pins)
    # A key of the test, in the test's own folder.
    key = folder / "key.pem"
    key.write_bytes(card.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _run(token, "softhsm2-util", "--import", str(key), "--token", label, "--label", "key", "--id", "01", "--pin", pin)
    key.unlink()
    for number, certificate in enumerate((card.certificate, *card.chain), 1):
        file = folder / "certificate.der"
        file.write_bytes(certificate.public_bytes(Encoding.DER))
        options = ("--write-object", str(file), "--type", "cert", "--id", f"{number:02}", "--login", "--pin", pin)
        _run(token, "pkcs11-tool", "--module", str(token.module), "--token-label", label, *options)


def build_stub(folder: Path) -> Path:
    """Returns the module of `stub_module.c`, in a folder with kanji and a space."""
    module = folder / "認証局 ソフト" / "stub.so"
    module.parent.mkdir(parents=True)
    source = Path(__file__).with_name("stub_module.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(module), str(source), "-ldl"], check=True, timeout=60)
    return module


def list_logins(log: Path) -> Sequence[str]:
    """Returns the types of user for which the stub was sent a PIN: 1 is the user, 2 the user again for one key."""
    return [line.split()[1] for line in log.read_text().splitlines()] if log.exists() else []


def _run(token: SoftToken, *command: str) -> None:
    environment = os.environ | token.environment | {"LC_ALL": "C.UTF-8"}
    subprocess.run(command, check=True, capture_output=True, env=environment, timeout=60)

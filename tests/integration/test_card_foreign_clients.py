"""The virtual card used by third-party programs, so that card and agent cannot share a mistake."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key, new_rsa_key
from simulators.virtual_piv import Key
from tests.support.card_reader import CardReader


def p384() -> Key:
    return new_ec_key(ec.SECP384R1())


def rsa_3072() -> Key:
    return new_rsa_key(3072)


KEYS: dict[str, Callable[[], Key]] = {
    "RSA-2048": new_rsa_key,
    "RSA-3072": rsa_3072,
    "P-256": new_ec_key,
    "P-384": p384,
}


def run(*command: str, typed: str = "") -> str:
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(
        command, input=typed, capture_output=True, text=True, errors="replace", env=environment, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(params=list(KEYS))
def issued(request: pytest.FixtureRequest, card_authority: CertificateAuthority) -> IssuedCard:
    key: Key = KEYS[request.param]()
    return card_authority.issue(key=key)


@pytest.fixture
def signed_by_pkcs11(tmp_path: Path) -> tuple[Path, Path]:
    data, signature = tmp_path / "data", tmp_path / "signature"
    data.write_bytes(b"toroku card signature v1\x00{}" * 40)
    return data, signature


def test_opensc_reads_the_certificate(reader: CardReader, issued: IssuedCard) -> None:
    reader.insert(issued)
    read = run("pkcs15-tool", "--read-certificate", "01")
    pem = issued.certificate.public_bytes(serialization.Encoding.PEM).decode()
    assert "".join(pem.split()) in "".join(read.split())


def test_opensc_reads_what_is_compressed_in_9d_and_the_issuers(
    reader: CardReader, card_authority: CertificateAuthority
) -> None:
    issued = card_authority.issue(key=new_rsa_key())
    issuer = issued.chain[0]
    card = reader.insert_piv({0x9D: issued.key}, {0x9D: issued.certificate, 0x82: issuer})
    card.piv.compressed = frozenset({0x9D})
    for number, certificate in (("03", issued.certificate), ("05", issuer)):
        pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
        assert "".join(pem.split()) in "".join(run("pkcs15-tool", "--read-certificate", number).split())


def test_opensc_signs_and_openssl_verifies(
    reader: CardReader, issued: IssuedCard, signed_by_pkcs11: tuple[Path, Path], tmp_path: Path
) -> None:
    reader.insert(issued)
    data, signature = signed_by_pkcs11
    digest = "sha384" if issued.key.key_size == 384 else "sha256"
    ecdsa = isinstance(issued.key, ec.EllipticCurvePrivateKey)
    mechanism = f"ECDSA-{digest.upper()}" if ecdsa else "SHA256-RSA-PKCS"
    files = ("--input-file", str(data), "--output-file", str(signature))
    run("pkcs11-tool", "--login", "--id", "01", "--sign", "--mechanism", mechanism, "--signature-format", "openssl",
        *files, "--pin", "123456")  # fmt: skip
    public = tmp_path / "public.pem"
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(issued.key.public_key().public_bytes(serialization.Encoding.PEM, form))
    verified = run("openssl", "dgst", f"-{digest}", "-verify", str(public), "-signature", str(signature), str(data))
    assert "Verified OK" in verified


def test_opensc_sees_the_remaining_tries(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued, tries=4)
    wrong = subprocess.run(
        ["pkcs15-tool", "--verify-pin", "--pin", "999999"], capture_output=True, text=True, timeout=30, check=False
    )
    assert wrong.returncode != 0
    assert card.piv.tries_left == 3
    run("pkcs15-tool", "--verify-pin", "--pin", "123456")
    assert card.piv.tries_left == 4


def test_yubicos_tool_reads_verifies_and_signs(
    reader: CardReader, card_authority: CertificateAuthority, tmp_path: Path
) -> None:
    issued = card_authority.issue(key=new_rsa_key())
    reader.insert(issued)
    tool = ("yubico-piv-tool", "--reader", "")
    status = run(*tool, "--action", "status")
    assert "Algorithm:\tRSA2048" in status
    assert "PIN tries left:\t3" in status
    certificate = tmp_path / "certificate.pem"
    certificate.write_text(run(*tool, "--action", "read-certificate", "--slot", "9a"))
    signing = (*tool, "--action", "verify-pin", "--action", "test-signature", "--slot", "9a")
    assert "Successful RSA verification" in run(*signing, "--input", str(certificate), typed="123456\n")


def test_slot_9c_requires_the_pin_right_before_signing(
    reader: CardReader, card_authority: CertificateAuthority, signed_by_pkcs11: tuple[Path, Path]
) -> None:
    issued = card_authority.issue(key=new_ec_key())
    card = reader.insert(issued, slot=0x9C)
    data, signature = signed_by_pkcs11
    run("pkcs11-tool", "--login", "--id", "02", "--sign", "--mechanism", "ECDSA-SHA256", "--signature-format",
        "openssl", "--input-file", str(data), "--output-file", str(signature), "--pin", "123456")  # fmt: skip
    verify, sign = 0x20, 0x87
    assert card.instructions[card.instructions.index(sign) - 1] == verify

"""Which mechanism of a PKCS#11 module signs, and with what (CRD-08)."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from card_agent.media.module_mechanisms import choose_mechanism
from refusals import Refusal
from signed_acts.signature import SignatureAlgorithm
from simulators.certificate_authorities import new_ec_key, new_rsa_key

RSA = new_rsa_key().public_key()
DATA = b"data"
DIGEST = hashlib.sha256(DATA).digest()


@pytest.mark.parametrize(
    ("mechanisms", "algorithm", "expected"),
    [
        ({"SHA256_RSA_PKCS", "RSA_PKCS"}, "RSA_PKCS1V15_SHA256", ("SHA256_RSA_PKCS", DATA, None)),
        ({"SHA512_RSA_PKCS_PSS"}, "RSA_PSS_SHA512", ("SHA512_RSA_PKCS_PSS", DATA, ("SHA512", 64))),
        ({"RSA_PKCS_PSS", "RSA_PKCS"}, "RSA_PSS_SHA256", ("RSA_PKCS_PSS", DIGEST, ("SHA256", 32))),
    ],
)
def test_module_hashes_where_it_can(
    mechanisms: set[str], algorithm: str, expected: tuple[str, bytes, tuple[str, int] | None]
) -> None:
    chosen = choose_mechanism(mechanisms, RSA, DATA, SignatureAlgorithm(algorithm))
    assert (chosen.name, chosen.data, chosen.parameter) == expected


@pytest.mark.parametrize("algorithm", ["RSA_PKCS1V15_SHA256", "RSA_PSS_SHA256"])
def test_whole_message_is_padded_for_a_module_that_only_computes(algorithm: str) -> None:
    chosen = choose_mechanism({"RSA_X_509", "ECDSA"}, RSA, DATA, SignatureAlgorithm(algorithm))
    assert (chosen.name, len(chosen.data)) == ("RSA_X_509", 256)


def test_digest_has_the_algorithms_length_for_a_curve() -> None:
    key = new_ec_key(ec.SECP384R1()).public_key()
    chosen = choose_mechanism({"ECDSA"}, key, DATA, SignatureAlgorithm.ECDSA_SHA384)
    assert (chosen.name, chosen.data) == ("ECDSA", hashlib.sha384(DATA).digest())


def test_key_or_module_that_cannot_sign_is_refused() -> None:
    weak = new_rsa_key(1024).public_key()
    curve = new_ec_key().public_key()
    for key, mechanisms, algorithm, kind in (
        (weak, {"SHA256_RSA_PKCS"}, "RSA_PKCS1V15_SHA256", "RSA-1024"),
        (RSA, {"ECDSA"}, "RSA_PKCS1V15_SHA256", "RSA-2048"),
        (RSA, {"ECDSA"}, "ECDSA_SHA256", "RSA-2048"),
        (curve, {"SHA256_RSA_PKCS"}, "ECDSA_SHA256", "ECDSA secp256r1"),
    ):
        with pytest.raises(Refusal) as refused:
            choose_mechanism(mechanisms, key, DATA, SignatureAlgorithm(algorithm))
        assert refused.value.metadata == {"key": kind}

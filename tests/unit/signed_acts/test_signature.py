"""Which signatures of a card are accepted."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from refusals import Refusal
from signed_acts.signature import (
    MOST_SIGNATURE_BYTES,
    SignatureAlgorithm,
    parse_signature_algorithm,
    prefix_purpose,
    verify_card_signature,
)
from simulators.certificate_authorities import Key, new_ec_key, new_rsa_key

PURPOSE = b'{"agency":"saitama-ken"}'
SIGNED = b"toroku card signature v1\x00" + PURPOSE
RSA_KEY, P256_KEY, P384_KEY = new_rsa_key(), new_ec_key(), new_ec_key(ec.SECP384R1())
HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


def _public(key: Key | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


PUBLIC = {id(key): _public(key) for key in (RSA_KEY, P256_KEY, P384_KEY)}


def _signed(algorithm: SignatureAlgorithm, data: bytes = SIGNED) -> tuple[bytes, bytes]:
    kind, _, name = algorithm.value.rpartition("_")
    algorithm_hash = HASHES[name]
    match kind:
        case "RSA_PKCS1V15":
            return PUBLIC[id(RSA_KEY)], RSA_KEY.sign(data, padding.PKCS1v15(), algorithm_hash)
        case "RSA_PSS":
            pss = padding.PSS(padding.MGF1(algorithm_hash), algorithm_hash.digest_size)
            return PUBLIC[id(RSA_KEY)], RSA_KEY.sign(data, pss, algorithm_hash)
    key = P256_KEY if name == "SHA256" else P384_KEY
    return PUBLIC[id(key)], key.sign(data, ec.ECDSA(algorithm_hash))


def _reason(key: bytes, algorithm: SignatureAlgorithm, purpose: bytes, signature: bytes) -> str:
    with pytest.raises(Refusal) as refused:
        verify_card_signature(key, algorithm, purpose, signature)
    return refused.value.reason


def test_signed_data_begins_with_the_prefix() -> None:
    assert prefix_purpose(PURPOSE) == SIGNED


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_signature_by_each_algorithm_is_accepted(algorithm: SignatureAlgorithm) -> None:
    key, signature = _signed(algorithm)
    verify_card_signature(key, algorithm, PURPOSE, signature)


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_signature_over_other_data_is_refused(algorithm: SignatureAlgorithm) -> None:
    key, signature = _signed(algorithm)
    assert _reason(key, algorithm, PURPOSE + b" ", signature) == "SIGNATURE_INVALID"
    assert _reason(key, algorithm, PURPOSE, signature[:-1] + bytes([signature[-1] ^ 1])) == "SIGNATURE_INVALID"
    assert _reason(key, algorithm, PURPOSE, signature[:-1]) == "SIGNATURE_INVALID"
    assert _reason(key, algorithm, PURPOSE, b"") == "SIGNATURE_INVALID"
    assert _reason(key, algorithm, PURPOSE, signature + bytes(MOST_SIGNATURE_BYTES)) == "SIGNATURE_INVALID"


@pytest.mark.parametrize("data", [PURPOSE, SIGNED[:-1], SIGNED.replace(b"\x00", b""), SIGNED.replace(b"v1", b"v2")])
@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_signature_without_the_prefix_is_refused(algorithm: SignatureAlgorithm, data: bytes) -> None:
    key, signature = _signed(algorithm, data)
    assert _reason(key, algorithm, PURPOSE, signature) == "SIGNATURE_INVALID"


@pytest.mark.parametrize("claimed", SignatureAlgorithm)
@pytest.mark.parametrize("used", SignatureAlgorithm)
def test_algorithm_must_be_the_one_that_signed(used: SignatureAlgorithm, claimed: SignatureAlgorithm) -> None:
    key, signature = _signed(used)
    if used is claimed:
        verify_card_signature(key, claimed, PURPOSE, signature)
    else:
        both_rsa = used.value.startswith("RSA") and claimed.value.startswith("RSA")
        expected = "SIGNATURE_INVALID" if both_rsa else "SIGNATURE_ALGORITHM_NOT_ACCEPTED"
        assert _reason(key, claimed, PURPOSE, signature) == expected


def test_salt_must_be_as_long_as_the_hash() -> None:
    for salt in (0, 20, 31, 222):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
        signature = RSA_KEY.sign(SIGNED, pss, hashes.SHA256())
        key = PUBLIC[id(RSA_KEY)]
        assert _reason(key, SignatureAlgorithm.RSA_PSS_SHA256, PURPOSE, signature) == "SIGNATURE_INVALID"


def test_signature_by_another_key_of_the_same_kind_is_refused() -> None:
    other = new_rsa_key()
    signature = other.sign(SIGNED, padding.PKCS1v15(), hashes.SHA256())
    key = PUBLIC[id(RSA_KEY)]
    assert _reason(key, SignatureAlgorithm.RSA_PKCS1V15_SHA256, PURPOSE, signature) == "SIGNATURE_INVALID"


@pytest.mark.parametrize(
    "name", ["RSA_PKCS1V15_SHA1", "RSA_PKCS1V15_MD5", "ECDSA_SHA1", "ECDSA_SHA512", "NONE", "", "SHA256" * 99]
)
def test_other_algorithms_are_not_accepted(name: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_signature_algorithm(name)
    assert refused.value.reason == "SIGNATURE_ALGORITHM_NOT_ACCEPTED"
    assert len(refused.value.metadata["algorithm"]) <= 64


def test_algorithms_are_found_by_name() -> None:
    assert [parse_signature_algorithm(algorithm.value) for algorithm in SignatureAlgorithm] == list(SignatureAlgorithm)


@pytest.mark.parametrize(
    "key",
    [new_rsa_key(1024), new_ec_key(ec.SECP256K1()), new_ec_key(ec.SECP521R1())],
    ids=["rsa-1024", "secp256k1", "secp521r1"],
)
def test_weak_key_is_refused(key: Key) -> None:
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = SignatureAlgorithm.RSA_PKCS1V15_SHA256
        signature = key.sign(SIGNED, padding.PKCS1v15(), hashes.SHA256())
    else:
        algorithm = SignatureAlgorithm.ECDSA_SHA256
        signature = key.sign(SIGNED, ec.ECDSA(hashes.SHA256()))
    assert _reason(_public(key), algorithm, PURPOSE, signature) == "CERTIFICATE_KEY_WEAK"


@pytest.mark.parametrize(
    "key", [_public(ed25519.Ed25519PrivateKey.generate()), b"", b"\x30\x00"], ids=["ed25519", "nothing", "empty"]
)
def test_key_of_another_kind_is_refused(key: bytes) -> None:
    assert _reason(key, SignatureAlgorithm.ECDSA_SHA256, PURPOSE, b"") == "CERTIFICATE_KEY_WEAK"

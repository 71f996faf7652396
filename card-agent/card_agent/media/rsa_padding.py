"""Encoded messages for cards that only perform the RSA private-key operation (RFC 8017, section 9)."""

import hashlib
import secrets

from signed_acts.signature import SignatureAlgorithm

# RFC 8017, 9.2, note 1: the DER encoding of DigestInfo before the digest.
_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


def encode_message(data: bytes, algorithm: SignatureAlgorithm, key_bits: int) -> bytes:
    """Returns the encoded message (EM) of `data` for a key of `key_bits` bits; it is as long as the modulus."""
    if "PSS" in algorithm.value:
        name = algorithm.hash_name
        return _encode_pss(hashlib.new(name, data).digest(), name, key_bits)
    info = encode_digest_info(data, algorithm)
    return b"\0\1" + b"\xff" * (key_bits // 8 - len(info) - 3) + b"\0" + info


def encode_digest_info(data: bytes, algorithm: SignatureAlgorithm) -> bytes:
    """Returns the DigestInfo of `data`, for cards and modules that pad it themselves."""
    return _DIGEST_INFO[algorithm.hash_name] + hashlib.new(algorithm.hash_name, data).digest()


def _encode_pss(digest: bytes, name: str, key_bits: int) -> bytes:
    # RFC 8017, 9.1.1, with a salt as long as the hash (FIPS 186-5, 5.4) and a modulus of whole bytes.
    salt = secrets.token_bytes(len(digest))
    inner = hashlib.new(name, bytes(8) + digest + salt).digest()
    length = key_bits // 8
    block = b"\0" * (length - 2 * len(digest) - 2) + b"\1" + salt
    mask = _mgf1(inner, len(block), name)
    masked = bytearray(one ^ two for one, two in zip(block, mask, strict=True))
    # emBits is one bit shorter than the modulus, so the first bit is zero.
    masked[0] &= 0x7F
    return bytes(masked) + inner + b"\xbc"


def _mgf1(seed: bytes, length: int, name: str) -> bytes:
    parts, counter = b"", 0
    while len(parts) < length:
        parts += hashlib.new(name, seed + counter.to_bytes(4, "big")).digest()
        counter += 1
    return parts[:length]

"""Accepted keys and signature algorithms of cards, CAs and CRLs (NIST SP 800-57 part 1).

Anything not listed here is refused. RSA from 2048 bits, P-256 and P-384 (CAs also P-521), SHA-2 from 256 bits.
"""

from datetime import datetime

from asn1crypto import algos, keys  # type: ignore[import-untyped]  # the library has no types
from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator.policy_decl import AlgorithmUsageConstraint, AlgorithmUsagePolicy
from typing_extensions import override

from certificate_registry.pki.certificate import PARSER_ERRORS, Certificate, PublicKey
from instance_profile.authority_certificates import AUTHORITY_CURVES, HASHES, LEAST_RSA_BITS, MOST_RSA_BITS
from refusals import Code, Refusal

CARD_CURVES = frozenset({"secp256r1", "secp384r1"})
_SIGNATURES = frozenset({"rsassa_pkcs1v15", "rsassa_pss", "ecdsa"})


def require_strong_card(certificate: Certificate) -> None:
    """Raises CERTIFICATE_KEY_WEAK, with `key` or `signature`, if a card's key or its CA's signature is too weak."""
    if not is_strong(certificate.key, CARD_CURVES):
        raise Refusal("CERTIFICATE_KEY_WEAK", Code.FAILED_PRECONDITION, {"key": str(certificate.key)})
    algorithm = certificate.parsed["signature_algorithm"]
    if find_weakness(algorithm) is not None:
        name = algorithm["algorithm"].native
        raise Refusal("CERTIFICATE_KEY_WEAK", Code.FAILED_PRECONDITION, {"signature": name})


def is_strong(key: PublicKey, curves: frozenset[str]) -> bool:
    """Returns whether a key is of an accepted kind and length."""
    if key.kind == "RSA":
        return LEAST_RSA_BITS <= key.bits <= MOST_RSA_BITS
    return key.kind == "EC" and key.curve in curves


def find_weakness(algorithm: algos.SignedDigestAlgorithm) -> str | None:
    """Returns why a signature algorithm is not accepted, or None if it is."""
    try:
        if algorithm.signature_algo not in _SIGNATURES:
            return f"signature mechanism {algorithm.signature_algo}"
        if algorithm.hash_algo not in HASHES:
            return f"hash {algorithm.hash_algo}"
        if algorithm.signature_algo == "rsassa_pss":
            mask = algorithm["parameters"]["mask_gen_algorithm"]["parameters"]["algorithm"].native
            return None if mask in HASHES else f"mask hash {mask}"
    except PARSER_ERRORS:
        return "an unknown signature algorithm"
    return None


class StrongAlgorithms(AlgorithmUsagePolicy):
    """These rules, in the form that the path validation library expects."""

    @override
    def digest_algorithm_allowed(
        self, algo: algos.DigestAlgorithm, moment: datetime | None
    ) -> AlgorithmUsageConstraint:
        """Returns whether a hash is accepted, at any time."""
        return AlgorithmUsageConstraint(algo["algorithm"].native in HASHES)

    @override
    def signature_algorithm_allowed(
        self, algo: algos.SignedDigestAlgorithm, moment: datetime | None, public_key: keys.PublicKeyInfo | None
    ) -> AlgorithmUsageConstraint:
        """Returns whether a CA's signature is accepted, by its algorithm and its key, at any time."""
        reason = find_weakness(algo)
        if reason is None and public_key is not None and not is_strong(read_key(public_key), AUTHORITY_CURVES):
            reason = "the key is too weak"
        return AlgorithmUsageConstraint(reason is None, failure_reason=reason)


class WeakSignatureError(InvalidSignature):
    """A signature by an algorithm or a key that is not accepted."""


def read_key(info: keys.PublicKeyInfo) -> PublicKey:
    """Returns the key of a SubjectPublicKeyInfo; of kind OTHER if it is not supported."""
    der = info.dump()
    try:
        if info.algorithm in ("rsa", "rsassa_pss"):
            return PublicKey("RSA", info.bit_size, None, der)
        if info.algorithm == "ec" and info.curve[0] == "named":
            return PublicKey("EC", info.bit_size, info.curve[1], der)
    except PARSER_ERRORS:
        pass
    return PublicKey("OTHER", 0, None, der)

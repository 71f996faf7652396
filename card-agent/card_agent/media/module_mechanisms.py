"""Which mechanism of a PKCS#11 module makes a signature (OASIS, PKCS #11 version 3.1, 6.1 and 6.3)."""

import hashlib
from collections.abc import Set
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from card_agent.media.rsa_padding import encode_digest_info, encode_message
from card_agent.media.token import refuse_key
from signed_acts.signature import SignatureAlgorithm


@dataclass(frozen=True, slots=True)
class MechanismRequest:
    """A mechanism by its name without CKM_, its parameter, and what it is given.

    The parameter is that of PSS: the name of the hash, which is also that of the mask, and the length of the salt.
    """

    name: str
    data: bytes = field(repr=False)
    parameter: tuple[str, int] | None = None


def choose_mechanism(
    mechanisms: Set[str], key: CertificatePublicKeyTypes, data: bytes, algorithm: SignatureAlgorithm
) -> MechanismRequest:
    """Returns the first mechanism that the module has. Raises CARD_KEY_NOT_SUPPORTED if it has none.

    Where the module hashes, it gets the data; otherwise the agent hashes and, at last, pads.
    """
    kind = algorithm.value.partition("_")[0]
    if isinstance(key, rsa.RSAPublicKey) and kind == "RSA" and key.key_size >= 2048:
        requests = _list_for_rsa(key, data, algorithm)
    elif isinstance(key, ec.EllipticCurvePublicKey) and kind == "ECDSA":
        # Every module with such keys has the one without a hash.
        requests = [MechanismRequest("ECDSA", hashlib.new(algorithm.hash_name, data).digest())]
    else:
        raise refuse_key(key)
    for request in requests:
        if request.name in mechanisms:
            return request
    raise refuse_key(key)


def _list_for_rsa(key: rsa.RSAPublicKey, data: bytes, algorithm: SignatureAlgorithm) -> list[MechanismRequest]:
    name = algorithm.hash_name.upper()
    if "PSS" in algorithm.value:
        digest = hashlib.new(algorithm.hash_name, data).digest()
        parameter = (name, len(digest))
        first = [
            MechanismRequest(f"{name}_RSA_PKCS_PSS", data, parameter),
            MechanismRequest("RSA_PKCS_PSS", digest, parameter),
        ]
    else:
        first = [
            MechanismRequest(f"{name}_RSA_PKCS", data),
            MechanismRequest("RSA_PKCS", encode_digest_info(data, algorithm)),
        ]
    return [*first, MechanismRequest("RSA_X_509", encode_message(data, algorithm, key.key_size))]

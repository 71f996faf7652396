"""The floor's argon2 verification, path validation and signatures, with the product's own functions.

`python -m benchmarks.floor_work COUNT` does the work of COUNT registrations and prints seconds and CPU seconds.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks import registration_floor as floor
from certificate_registry.pki.card_authorities import CardAuthority, RevocationRule
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import validate_certificate
from certificate_registry.pki.revocation_list import parse_revocation_list
from certificate_registry.pki.trust_store import build_trust_store
from qualification_registry.adapters.password_hashing import PasswordHashing
from signed_acts.signature import PURPOSE_PREFIX, SignatureAlgorithm, verify_card_signature
from simulators.certificate_authorities import CertificateAuthority

# About as long as an act and a bidder proof.
_PURPOSE, _PROOF = b"p" * 2000, b"s" * 300


async def work(registrations: int) -> tuple[float, float]:
    """Returns the seconds, and the CPU seconds of this process, for so many registrations."""
    root = CertificateAuthority.create("Floor Root")
    issuing = CertificateAuthority.create("Floor CA", parent=root)
    authority = CardAuthority(
        "floor", frozenset({root.key_sha256}), (root.der, issuing.der), revocation=RevocationRule()
    )
    trust_store = build_trust_store([authority], [parse_revocation_list(ca.crl()) for ca in (root, issuing)])
    card = issuing.issue()
    signature = card.sign(PURPOSE_PREFIX + _PURPOSE)
    key = Ed25519PrivateKey.generate()
    proof, public = key.sign(_PROOF), key.public_key()
    hashing = PasswordHashing()
    password = await hashing.hash("password")
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(registrations):
        for _ in range(floor.VALIDATIONS):
            await validate_certificate(parse_certificate(card.der), (), trust_store, datetime.now(UTC))
        for _ in range(floor.VERIFICATIONS):
            if not await hashing.matches(password, "password"):
                raise RuntimeError("the password is right")
        for _ in range(floor.CARD_SIGNATURES):
            key_der = parse_certificate(card.der).key.der
            verify_card_signature(key_der, SignatureAlgorithm.RSA_PKCS1V15_SHA256, _PURPOSE, signature)
        for _ in range(floor.PROOFS_SIGNED):
            key.sign(_PROOF)
        for _ in range(floor.PROOFS_VERIFIED):
            public.verify(proof, _PROOF)
    took = time.perf_counter() - began, time.process_time() - cpu
    hashing.close()
    return took


if __name__ == "__main__":
    print(*asyncio.run(work(int(sys.argv[1]))))

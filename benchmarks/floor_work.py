"""The floor's argon2 verification, path validation and signatures, with the product's own functions.

`python -m benchmarks.floor_work NAME COUNT` does the work of COUNT operations and prints seconds and CPU seconds.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.floor.entries import Floor
from benchmarks.floors import FLOORS
from certificate_registry.pki.card_authorities import CardAuthority, RevocationRule
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import validate_certificate
from certificate_registry.pki.revocation_list import parse_revocation_list
from certificate_registry.pki.trust_store import build_trust_store
from qualification_registry.adapters.password_hashing import PasswordHashing
from signed_acts.signature import PURPOSE_PREFIX, SignatureAlgorithm, verify_card_signature
from simulators.certificate_authorities import CertificateAuthority

# About as long as an act and a bidder proof.
_PURPOSE, _STATEMENT = b"p" * 2000, b"s" * 300


async def work(floor: Floor, operations: int) -> tuple[float, float]:
    """Returns the seconds, and the CPU seconds of this process, for so many operations."""
    root = CertificateAuthority.create("Floor Root")
    issuing = CertificateAuthority.create("Floor CA", parent=root)
    authority = CardAuthority(
        "floor", frozenset({root.key_sha256}), (root.der, issuing.der), revocation=RevocationRule()
    )
    trust_store = build_trust_store([authority], [parse_revocation_list(ca.crl()) for ca in (root, issuing)])
    card = issuing.issue()
    signature = card.sign(PURPOSE_PREFIX + _PURPOSE)
    key = Ed25519PrivateKey.generate()
    proof, public = key.sign(_STATEMENT), key.public_key()
    hashing = PasswordHashing()
    password = await hashing.hash("password")
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(operations):
        for _ in range(floor.validations):
            await validate_certificate(parse_certificate(card.der), (), trust_store, datetime.now(UTC))
        for _ in range(floor.verifications):
            if not await hashing.matches(password, "password"):
                raise RuntimeError("the password is right")
        for _ in range(floor.card_signatures):
            key_der = parse_certificate(card.der).key.der
            verify_card_signature(key_der, SignatureAlgorithm.RSA_PKCS1V15_SHA256, _PURPOSE, signature)
        for _ in range(floor.statements_signed):
            key.sign(_STATEMENT)
        for _ in range(floor.statements_verified):
            public.verify(proof, _STATEMENT)
    took = time.perf_counter() - began, time.process_time() - cpu
    hashing.close()
    return took


if __name__ == "__main__":
    print(*asyncio.run(work(FLOORS[sys.argv[1]], int(sys.argv[2]))))

"""The certificate authorities that these tests share; keys are slow to generate, so they are generated once."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from certificate_registry.pki.card_authorities import CardAuthority, RevocationRule
from certificate_registry.pki.revocation_list import parse_revocation_list
from certificate_registry.pki.trust_store import TrustStore, build_trust_store
from simulators.certificate_authorities import CertificateAuthority, new_rsa_key

NOW = datetime(2026, 4, 1, 3, 0, tzinfo=UTC)
ROOT_URL = "http://crl.example/root.crl"
CARD_URL = "http://crl.example/cards.crl"


@dataclass(frozen=True)
class CaHierarchy:
    """A root whose key is pinned, and the CA below it that issues the cards."""

    root: CertificateAuthority
    issuing: CertificateAuthority

    def authority(self, **changes: object) -> CardAuthority:
        """Returns its description, as in a profile."""
        description: dict[str, object] = {
            "id": "test-ca",
            "key_sha256": frozenset({self.root.key_sha256}),
            "certificates": (self.root.der, self.issuing.der),
            "revocation": RevocationRule(),
        }
        return CardAuthority(**(description | changes))  # type: ignore[arg-type]  # a test says what it changes

    def trust_store(self, *lists: bytes, **changes: object) -> TrustStore:
        """Returns the trust store of an instance that trusts it and has these lists."""
        return build_trust_store([self.authority(**changes)], [parse_revocation_list(der) for der in lists])

    def lists(self, at: datetime = NOW) -> list[bytes]:
        """Returns the lists of both CAs, issued an hour before `at`."""
        return [authority.crl(at - timedelta(hours=1)) for authority in (self.root, self.issuing)]


@pytest.fixture(scope="session")
def rsa_keys() -> list[rsa.RSAPrivateKey]:
    """RSA keys for all tests."""
    return [new_rsa_key() for _ in range(4)]


@pytest.fixture
def ca(rsa_keys: list[rsa.RSAPrivateKey]) -> CaHierarchy:
    """A card CA without revocations."""
    since = NOW - timedelta(days=400)
    root = CertificateAuthority.create("Toroku Test Root", key=rsa_keys[0], crl_url=ROOT_URL, not_before=since)
    issuing = CertificateAuthority.create(
        "Toroku Test Card CA", parent=root, key=rsa_keys[1], crl_url=CARD_URL, not_before=since, path_length=0
    )
    return CaHierarchy(root, issuing)


@pytest.fixture
def since() -> datetime:
    """The day before NOW, from which the cards of these tests are valid."""
    return NOW - timedelta(days=1)

"""Which CAs an instance trusts (CRD-05), and where their certificates keep what is shown of a card (CRD-04)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding


class UnknownStatus(Enum):
    """What happens to a card of which no usable CRL says whether it is revoked."""

    REFUSE = "refuse"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class RevocationRule:
    """How revocation is looked up for the cards of one CA.

    A CRL older than `most_age`, counted from its thisUpdate, says nothing any more, even where its nextUpdate lies
    ahead; None leaves it to nextUpdate alone. `crl_urls` are asked besides those in the CA's certificates.
    """

    unknown: UnknownStatus = UnknownStatus.REFUSE
    most_age: timedelta | None = timedelta(hours=48)
    refresh: timedelta = timedelta(hours=1)
    crl_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA whose cards are accepted.

    `key_sha256` are the trusted keys: SHA-256 of the SubjectPublicKeyInfo in DER, lower hexadecimal. `certificates`
    are CA certificates in DER, those of the pinned keys and those between them and the cards. The four places are
    locators as `certificate.read_values` understands them; the first one that is there counts. `required_policies`
    and `accepted_extended_key_usages` are dotted OIDs; empty means that any will do.
    """

    id: str
    key_sha256: frozenset[str]
    certificates: tuple[bytes, ...] = field(repr=False)
    company_name: tuple[str, ...] = ("san.directoryName.O",)
    company_address: tuple[str, ...] = ("san.directoryName.L",)
    holder_name: tuple[str, ...] = ("san.directoryName.CN", "subject.CN")
    holder_address: tuple[str, ...] = ("subject.street", "subject.L")
    revocation: RevocationRule = RevocationRule()
    required_policies: frozenset[str] = frozenset()
    accepted_extended_key_usages: frozenset[str] = frozenset()


def certificates_from_pem(texts: Sequence[str]) -> tuple[bytes, ...]:
    """The certificates in PEM texts, each with one or more, as DER.

    Raises ValueError where a text holds no certificate or a broken one: the profile is wrong, not a request.
    """
    return tuple(
        certificate.public_bytes(Encoding.DER)
        for text in texts
        for certificate in x509.load_pem_x509_certificates(text.encode())
    )

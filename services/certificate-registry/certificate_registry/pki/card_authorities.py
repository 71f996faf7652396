"""The CAs that an instance trusts (CRD-05), and where their certificates keep each displayed value (CRD-04)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from hashlib import sha256

from instance_profile.strict_der import decode_pem


class UnknownStatus(StrEnum):
    """What happens to a card whose revocation status no usable CRL covers."""

    REFUSE = "refuse"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class RevocationRule:
    """The rule for checking revocation of the cards of one CA.

    A CRL is used until its nextUpdate. With a `most_age` it is not used either once it is older than that, counted from
    its thisUpdate. A stored card whose CRL ended stays trusted at log-ins to e-bidding for `grace`, and nowhere else.
    `crl_urls` are fetched in addition to those in the CA's certificates. Without `access` to the CA's CRLs none of its
    cards is accepted.
    """

    unknown: UnknownStatus = UnknownStatus.REFUSE
    most_age: timedelta | None = None
    grace: timedelta = timedelta(hours=72)
    refresh: timedelta = timedelta(hours=1)
    crl_urls: tuple[str, ...] = ()
    access: bool = True


@dataclass(frozen=True, slots=True)
class CardAuthority:
    """A CA whose cards are accepted.

    `key_sha256` holds the trusted keys: SHA-256 of the SubjectPublicKeyInfo in DER, in lower hexadecimal.
    `certificates` holds CA certificates in DER: those of the pinned keys and those between them and the cards. The
    four fields for company and holder are locators as in `certificate.read_values`; the first locator with a value
    counts. `required_policies` and `accepted_extended_key_usages` hold dotted OIDs; empty accepts any.
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


def load_pem_certificates(texts: Sequence[str]) -> tuple[bytes, ...]:
    """Returns the certificates of PEM texts, one or more in each, as DER.

    Raises ValueError if a text contains no certificate or no base64: an error of the profile, not of a request. Whether
    the certificates are readable is for `certificate.parse_certificate`.
    """
    return tuple(der for text in texts for der in decode_pem(text.encode(), "CERTIFICATE"))


def hash_rules(authorities: Sequence[CardAuthority]) -> bytes:
    """Returns a hash of all that decides which cards are trusted: keys, certificates and rules of the CAs."""
    rules = [
        {
            "id": authority.id,
            "key_sha256": sorted(authority.key_sha256),
            "certificates": sorted(der.hex() for der in authority.certificates),
            "unknown": authority.revocation.unknown.value,
            "most_age": authority.revocation.most_age and authority.revocation.most_age.total_seconds(),
            "grace": authority.revocation.grace.total_seconds(),
            # Absent where it is as it always was, so that nothing is judged anew for the new key.
            **({} if authority.revocation.access else {"access": False}),
            "required_policies": sorted(authority.required_policies),
            "accepted_extended_key_usages": sorted(authority.accepted_extended_key_usages),
        }
        for authority in sorted(authorities, key=lambda authority: authority.id)
    ]
    return sha256(json.dumps(rules, sort_keys=True).encode()).digest()

"""A card whose certificate was found valid, with what that rests on, for as long as it stands."""

from dataclasses import dataclass
from datetime import datetime

from certificate_registry.domain.card import Card, create_card
from certificate_registry.domain.trust import TrustLimits, TrustPath, create_path
from certificate_registry.pki.path_validation import ValidatedCertificate
from certificate_registry.pki.standing import Standing


@dataclass(frozen=True, slots=True)
class ValidCard:
    """A card as it is to be stored, its trust path, and the limits of that path when it was found valid.

    `key` is its public key (SubjectPublicKeyInfo in DER), `issuer_key` its normalized issuer; `brought` and `stands` as
    in `ValidatedCertificate`.
    """

    card: Card
    key: bytes
    issuer_key: str
    path: TrustPath
    limits: TrustLimits
    brought: frozenset[bytes]
    stands: Standing


def create_valid_card(validated: ValidatedCertificate, now: datetime) -> ValidCard:
    """Returns the card of a certificate that was validated at `now`."""
    path, limits = create_path(validated, now)
    certificate = validated.certificate
    return ValidCard(
        create_card(validated),
        certificate.key.der,
        certificate.parsed.issuer.hashable,
        path,
        limits,
        validated.brought,
        validated.stands,
    )

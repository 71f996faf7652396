"""A card as the registry keeps it: its certificate, what is shown of it, and what is known of its revocation."""

from dataclasses import dataclass, field
from datetime import datetime

from certificate_registry.pki.certificate import CardValues
from certificate_registry.pki.path_validation import RevocationStatus, ValidatedCertificate
from certificate_registry.pki.signature import SignatureAlgorithm
from refusals import Code, Refusal


@dataclass(frozen=True, slots=True)
class Card:
    """A card that proved itself once. `certificate` is in DER, `authority` is the profile's id of the CA.

    `tbs_sha256` is over the signed part of the certificate alone, `other_certificates` are those between the card and
    the pinned CA. `revocation_status` and `crl_this_update` are what was known when it was last checked; `revoked_at`
    is when this registry learned that it is revoked.
    """

    certificate_sha256: bytes
    tbs_sha256: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    other_certificates: tuple[bytes, ...] = field(repr=False)
    authority: str
    issuer: str
    serial: bytes
    values: CardValues = field(repr=False)
    not_before: datetime
    not_after: datetime
    revocation_status: RevocationStatus
    crl_this_update: datetime | None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedPurpose:
    """A purpose, encoded, and a card's signature over it."""

    purpose: bytes
    algorithm: SignatureAlgorithm
    signature: bytes = field(repr=False)


def card_of(validated: ValidatedCertificate) -> Card:
    """The card whose certificate was just found good."""
    certificate = validated.certificate
    return Card(
        certificate_sha256=certificate.sha256,
        tbs_sha256=certificate.tbs_sha256,
        certificate=certificate.der,
        other_certificates=validated.chain[1:-1],
        authority=validated.authority.id,
        issuer=certificate.issuer,
        serial=certificate.serial,
        values=validated.values,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        revocation_status=validated.revocation.status,
        crl_this_update=validated.revocation.this_update,
    )


def require_not_revoked(card: Card) -> None:
    """Raises CERTIFICATE_REVOKED for a card that this registry knows to be revoked, whatever a list says now."""
    if card.revoked_at is not None:
        metadata = {"at": card.revoked_at.isoformat(), "certificate": "card"}
        raise Refusal("CERTIFICATE_REVOKED", Code.FAILED_PRECONDITION, metadata)


def require_same_certificate(kept_sha256: bytes, certificate_sha256: bytes) -> None:
    """Raises CERTIFICATE_ALTERED where the same certificate is kept under another hash already.

    Its holder can encode an ECDSA signature in two ways and so make a second file of one certificate; a card that
    serves one bidder must not become two by that (CRD-06).
    """
    if kept_sha256 != certificate_sha256:
        raise Refusal("CERTIFICATE_ALTERED", Code.FAILED_PRECONDITION)

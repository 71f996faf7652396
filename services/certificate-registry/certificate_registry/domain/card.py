"""A card as it is stored: its certificate, the values displayed for it, and its revocation status."""

from dataclasses import dataclass, field
from datetime import datetime

from certificate_registry.pki.certificate import CardValues
from certificate_registry.pki.path_validation import RevocationStatus, ValidatedCertificate
from refusals import Code, Refusal


@dataclass(frozen=True, slots=True)
class Card:
    """A card that logged in at least once. `certificate` is in DER, `authority` is the profile's id of the CA.

    `tbs_sha256` is over the signed part of the certificate only; `other_certificates` are those between the card and
    the pinned CA, in DER. `revocation_status` and `crl_this_update` are of the last validation; `revoked_at` is the
    instant at which this registry learned of the revocation, and `distrusted_because` the reason of a refusal if the
    stored chain was judged anew and no longer passes.
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
    distrusted_because: str | None = None


def create_card(validated: ValidatedCertificate) -> Card:
    """Returns the card of a certificate that was just validated."""
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
    """Raises CERTIFICATE_REVOKED if the card is marked as revoked, regardless of the current CRLs."""
    if card.revoked_at is not None:
        metadata = {"at": card.revoked_at.isoformat(), "certificate": "card"}
        raise Refusal("CERTIFICATE_REVOKED", Code.FAILED_PRECONDITION, metadata)


def require_same_certificate(stored_sha256: bytes, certificate_sha256: bytes) -> None:
    """Raises CERTIFICATE_ALTERED if the same certificate is already stored under another hash.

    An ECDSA signature has two valid encodings, so a holder can make a second file of one certificate. That must not
    turn one card into two (CRD-06).
    """
    if stored_sha256 != certificate_sha256:
        raise Refusal("CERTIFICATE_ALTERED", Code.FAILED_PRECONDITION)

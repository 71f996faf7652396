"""The new card of a renewal, as the front door names it (REN-02)."""

from dataclasses import dataclass, field

from qualification_registry.domain.certificate_names import CertificateNames


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCard:
    """A card (SHA-256 of its certificate, 32 bytes) that takes the place of another one of a bidder, at an agency."""

    agency: str
    category: str
    bidder_id: str
    certificate_sha256: bytes
    names: CertificateNames = field(repr=False)

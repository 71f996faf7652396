"""The validation of cards that have signed or have a session: each once, for as long as that stands (ADR 22)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.adapters.valid_cards import ValidCards
from certificate_registry.domain.card import Card
from certificate_registry.domain.valid_card import ValidCard, create_valid_card
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import validate_certificate
from certificate_registry.pki.trust_store import TrustStore
from servicekit.telemetry import span


@dataclass(frozen=True, slots=True, kw_only=True)
class CardValidation:
    """Validates in this process, so that nobody who has proven something waits behind strangers."""

    trust_stores: TrustStoreCache
    valid_cards: ValidCards

    async def validate(self, der: bytes, others: Sequence[bytes], trust_store: TrustStore, now: datetime) -> ValidCard:
        """Returns the card of a certificate that came with these others; raises as `parse_certificate` and
        `validate_certificate`.
        """
        valid = self.valid_cards.find(sha256(der).digest(), others, trust_store, now)
        if valid is None:
            certificate = parse_certificate(der)
            with span("validate certificate"):
                validated = await validate_certificate(certificate, others, trust_store, now)
            valid = create_valid_card(validated, now)
        self.valid_cards.keep(valid, trust_store)
        return valid

    async def validate_stored(self, card: Card, trust_store: TrustStore, now: datetime) -> ValidCard:
        """Returns a stored card as it is valid now, by its stored chain; raises as `validate_certificate`."""
        return await self.validate(card.certificate, card.other_certificates, trust_store, now)

    def find_key(self, der: bytes, others: Sequence[bytes], trust_store: TrustStore, now: datetime) -> bytes:
        """Returns the public key of a certificate that came with these others (SubjectPublicKeyInfo in DER).

        Whether it is valid or not; raises as `parse_certificate`.
        """
        valid = self.valid_cards.find(sha256(der).digest(), others, trust_store, now)
        return parse_certificate(der).key.der if valid is None else valid.key

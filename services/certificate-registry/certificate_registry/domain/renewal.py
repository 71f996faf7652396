"""ICカード更新: when a card may take another one's place, and the request for it (REN-02)."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from certificate_registry.domain.bidder_proof import BidderProof
from certificate_registry.domain.binding import (
    BindingState,
    CardRecord,
    RegistrationKind,
    RegistrationState,
    determine_registration_kind,
    require_registered_here,
)
from certificate_registry.domain.card import Card
from certificate_registry.domain.card_session import SessionScope
from certificate_registry.domain.registration import Registration
from instance_profile.name_key import name_key
from refusals import Code, Refusal
from signed_acts.purpose import Operation, Purpose, Role, SignedPurpose

# Before what the successor key signs, so that its signature is valid for nothing else.
SUCCESSOR_PREFIX = b"toroku successor key v1\x00"
# A raw public key of Ed25519.
SUCCESSOR_KEY_BYTES = 32
# Ways to write the hyphens between the numbers of an address, after NFKC.
_HYPHENS = frozenset("-‐‑‒–—―−─━ー﹣")


@dataclass(frozen=True, slots=True)
class RenewalSessions:
    """The tokens of the sessions of both cards, and what both sessions are valid for."""

    old_token: str = field(repr=False)
    new_token: str = field(repr=False)
    agency: str
    category: str

    @property
    def old(self) -> SessionScope:
        """The scope of the old card's session."""
        return SessionScope(Operation.RENEWAL, self.agency, self.category, Role.OLD)

    @property
    def new(self) -> SessionScope:
        """The scope of the new card's session."""
        return SessionScope(Operation.RENEWAL, self.agency, self.category, Role.NEW)


@dataclass(frozen=True, slots=True)
class RenewalActRequest:
    """The content of one of a renewal's two acts; both hashes have 32 bytes."""

    request_id: UUID
    request_sha256: bytes
    successor_key_sha256: bytes
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalRequest:
    """Both sessions, the bidder proof for the new card, both signed acts, and what ties them: all that a renewal needs.

    `successor_key` is a raw public key of Ed25519. With `propagate` the other agencies follow.
    """

    sessions: RenewalSessions
    proof: BidderProof
    request_id: UUID
    old_act: SignedPurpose
    new_act: SignedPurpose
    successor_key: bytes
    successor_signature: bytes = field(repr=False)
    propagate: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedRenewal:
    """What a renewal made: the new card's registration, both cards, and the digest of its entry in the history.

    `history_receipt` proves that the entry is in the history, as JSON; empty until it is sealed.
    """

    registration: Registration
    old_card: Card
    new_card: Card
    propagate: bool
    history_digest: bytes
    history_receipt: str = ""


def determine_renewal_kind(old: CardRecord, new: CardRecord, bidder_id: str) -> RegistrationKind:
    """Returns what replacing one card by another writes for the new one, at the agency that both records are seen from.

    `bidder_id` is the one that the renewal is for. Raises as `require_registered_here` for the old card;
    CARD_BOUND_TO_ANOTHER_BIDDER if either is bound to another one; CARD_ALREADY_REGISTERED if the new one is registered
    here; NEW_CARD_UNUSABLE if it is suspended, or its binding was closed or it was replaced.
    """
    require_registered_here(old)
    if old.bound_to != bidder_id:
        raise Refusal("CARD_BOUND_TO_ANOTHER_BIDDER", Code.FAILED_PRECONDITION)
    if new.state is BindingState.CLOSED or new.is_suspended or new.here not in (None, RegistrationState.GOOD):
        raise Refusal("NEW_CARD_UNUSABLE", Code.FAILED_PRECONDITION)
    return determine_registration_kind(new, bidder_id)


def require_two_cards(old: Card, new: Card) -> None:
    """Raises CARDS_EQUAL if a card would replace itself."""
    if old.certificate_sha256 == new.certificate_sha256:
        raise Refusal("CARDS_EQUAL", Code.FAILED_PRECONDITION)


def require_same_company(old: Card, new: Card, *, same_authority: bool) -> None:
    """Checks that two cards are of one company, at one address, and with `same_authority` of one CA.

    A value that one of the certificates lacks is not compared. Raises CARD_AUTHORITY_DIFFERS, CARD_COMPANY_DIFFERS,
    CARD_ADDRESS_DIFFERS.
    """
    if same_authority and old.authority != new.authority:
        raise Refusal("CARD_AUTHORITY_DIFFERS", Code.FAILED_PRECONDITION)
    old_name, new_name = old.values.company_name, new.values.company_name
    if old_name and new_name and name_key(old_name) != name_key(new_name):
        raise Refusal("CARD_COMPANY_DIFFERS", Code.FAILED_PRECONDITION)
    old_address, new_address = old.values.company_address, new.values.company_address
    if old_address and new_address and _make_address_key(old_address) != _make_address_key(new_address):
        raise Refusal("CARD_ADDRESS_DIFFERS", Code.FAILED_PRECONDITION)


def require_successor_key(purposes: Iterable[Purpose], successor_key: bytes) -> bytes:
    """Returns the SHA-256 of a successor key; raises SUCCESSOR_KEY_DIFFERS unless both cards' acts name it."""
    successor_key_sha256 = sha256(successor_key).digest()
    if any(purpose.successor_key_sha256 != successor_key_sha256 for purpose in purposes):
        raise Refusal("SUCCESSOR_KEY_DIFFERS", Code.FAILED_PRECONDITION)
    return successor_key_sha256


def verify_successor(successor_key: bytes, signature: bytes, new: Card, request_id: UUID) -> None:
    """Raises SUCCESSOR_SIGNATURE_INVALID unless the key signed for this new card and request."""
    signed = SUCCESSOR_PREFIX + new.certificate_sha256 + str(request_id).encode()
    try:
        Ed25519PublicKey.from_public_bytes(successor_key).verify(signature, signed)
    except (ValueError, InvalidSignature):
        raise Refusal("SUCCESSOR_SIGNATURE_INVALID", Code.INVALID_ARGUMENT) from None


def _make_address_key(address: str) -> str:
    folded = unicodedata.normalize("NFKC", address)
    return "".join(character for character in folded if not character.isspace() and character not in _HYPHENS)

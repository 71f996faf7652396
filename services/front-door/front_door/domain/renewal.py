"""The two forms of a renewal, its commit and its result (REN-01 to REN-04)."""

from dataclasses import dataclass, field
from hashlib import sha256

from front_door.domain.bidder import CompanyProfile
from front_door.domain.card_session import ActChallenge, Card, CardRole, CardSession, SessionReference, SignedPurpose
from front_door.domain.card_state import CardState
from refusals import Code, Refusal

SUCCESSOR_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class RenewalReference:
    """The sessions of both cards, of one agency and category."""

    old: SessionReference
    new: SessionReference


@dataclass(frozen=True, slots=True)
class RenewalDraft:
    """What a contractor wants: the key that ties the cards together, and whether the other agencies follow."""

    request_id: str
    successor_key: bytes
    propagate: bool
    validate_only: bool


@dataclass(frozen=True, slots=True)
class SuccessionForm:
    """What the old card signs the hash of. Hashes have 32 bytes."""

    request_id: str
    instance: str
    agency: str
    category: str
    bidder_id: str
    certificate_sha256: bytes
    successor_key_sha256: bytes


@dataclass(frozen=True, slots=True)
class RenewalForm:
    """What the new card signs the hash of: everything that a renewal is made from. Hashes have 32 bytes."""

    request_id: str
    instance: str
    agency: str
    category: str
    bidder_id: str
    certificate_sha256: bytes
    old_certificate_sha256: bytes
    successor_key: bytes
    propagate: bool


@dataclass(frozen=True, slots=True)
class SignedRenewal:
    """A form with all that was signed: by the old card, by the new card, and by the successor key."""

    form: RenewalForm
    old_act: SignedPurpose
    new_act: SignedPurpose
    successor_signature: bytes


@dataclass(frozen=True, slots=True)
class PreparedSuccession:
    """The form of a succession, and the act that the old card has to sign."""

    form: SuccessionForm
    act: ActChallenge


@dataclass(frozen=True, slots=True)
class PreparedRenewal:
    """A form that would be renewed with, and what a person is shown before signing; `act` is None in a dry run."""

    form: RenewalForm
    company: CompanyProfile
    old_card: Card
    new_card: Card
    other_agencies: list[str]
    act: ActChallenge | None


@dataclass(frozen=True, slots=True)
class CommittedRenewal:
    """A renewal that was made; `encoded_registration` has all of the new card's registration.

    `history_digest` is that of its entry in the history; `history_receipt` proves that the entry is there, and is empty
    until it is sealed.
    """

    agency: str
    category: str
    bidder_id: str
    old_card: Card
    new_card: Card
    propagate: bool
    encoded_registration: bytes = field(repr=False)
    history_digest: bytes
    history_receipt: str


def require_role(session: CardSession, role: CardRole) -> None:
    """Raises CARD_SESSION_FOR_ANOTHER_ROLE unless a session is of the card in this role."""
    if session.role is not role:
        raise Refusal("CARD_SESSION_FOR_ANOTHER_ROLE", Code.PERMISSION_DENIED, {"found": session.role.value})


def require_state(session: CardSession) -> CardState:
    """Returns what is known of an old card; raises CARD_NOT_REGISTERED_HERE if it belongs to no bidder."""
    if session.state is None:
        raise Refusal("CARD_NOT_REGISTERED_HERE", Code.FAILED_PRECONDITION)
    return session.state


def hash_successor_key(key: bytes) -> bytes:
    """Returns the SHA-256 of a successor key, as the purposes of both cards name it."""
    return sha256(key).digest()


def check_successor_key(key: bytes) -> None:
    """Raises SUCCESSOR_KEY_INVALID for a key of another length than an Ed25519 key's."""
    if len(key) != SUCCESSOR_KEY_BYTES:
        raise Refusal("SUCCESSOR_KEY_INVALID", Code.INVALID_ARGUMENT)


def require_same(committed: CommittedRenewal, form: RenewalForm) -> None:
    """Raises REQUEST_ID_REUSED unless a renewal is the one that a form describes."""
    made = (
        committed.agency,
        committed.category,
        committed.bidder_id,
        committed.new_card.certificate_sha256,
        committed.old_card.certificate_sha256,
        committed.propagate,
    )
    described = (
        form.agency,
        form.category,
        form.bidder_id,
        form.certificate_sha256,
        form.old_certificate_sha256,
        form.propagate,
    )
    if made != described:
        raise Refusal("REQUEST_ID_REUSED", Code.ALREADY_EXISTS)

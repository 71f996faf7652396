"""Cards, the challenges they sign, and the sessions they open. certificate-registry owns and checks them all."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from front_door.domain.card_state import CardState


@dataclass(frozen=True, slots=True)
class Card:
    """A card as certificate-registry read it; `encoded` has all of it, the other fields are those of the rules here.

    `certificate_sha256` has 32 bytes; `company_name` and `holder_name` are None where the certificate has none.
    """

    certificate_sha256: bytes
    serial_decimal: str
    issuer: str
    not_after: datetime
    company_name: str | None
    holder_name: str | None
    encoded: bytes = field(repr=False)


class CardUse(StrEnum):
    """What a card's session is for: an operation of the menu, or to view what is known of the card."""

    REGISTRATION = "registration"
    CHANGE = "change"
    RENEWAL = "renewal"
    VIEW = "view"


class CardRole(StrEnum):
    """The role of a card in an operation: the only one, or the old or the new card of a renewal."""

    SOLE = "sole"
    OLD = "old"
    NEW = "new"


class CardStanding(StrEnum):
    """What is known of a card at an agency and category (CRD-06)."""

    NEW = "new"
    REGISTERED_ELSEWHERE = "registered_elsewhere"
    REGISTERED_HERE = "registered_here"


@dataclass(frozen=True, slots=True)
class PresentedCard:
    """A card at the agency and category where it is to be used. Certificates are X.509 in DER.

    `resume_request_id` names the request whose answer was lost; it is empty otherwise.
    """

    agency: str
    category: str
    certificate: bytes
    other_certificates: tuple[bytes, ...] = ()
    resume_request_id: str = ""
    role: CardRole = CardRole.SOLE


@dataclass(frozen=True, slots=True)
class SignedPurpose:
    """A purpose with the card's signature; `algorithm` is the interface's number, which certificate-registry reads."""

    purpose: bytes
    algorithm: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class LogInChallenge:
    """The log-in that a card has to sign."""

    purpose: bytes
    expires_at: datetime
    card: Card


@dataclass(frozen=True, slots=True)
class ActChallenge:
    """The act that a card has to sign."""

    purpose: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session that has just been opened."""

    token: str = field(repr=False)
    card: Card
    # None of a session to view.
    standing: CardStanding | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionReference:
    """A session as a request refers to it: the token, and the agency and category that the session has to be for."""

    token: str = field(repr=False)
    agency: str
    category: str


@dataclass(frozen=True, slots=True)
class CardSession:
    """A session that is good now; the grace of the opening hours counts from `opened_at`.

    `state` and `is_bidder_suspended` are those of now; of a session for a registration they are not asked for, and
    `state` is None as well where the card never belonged to a bidder in this category.
    """

    card: Card
    opened_at: datetime
    expires_at: datetime
    state: CardState | None = None
    role: CardRole = CardRole.SOLE
    is_bidder_suspended: bool = False

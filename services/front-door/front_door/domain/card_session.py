"""Cards, the challenges they sign, and the sessions they open. certificate-registry owns and checks them all."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Card:
    """A card as certificate-registry read it; `encoded` has all of it, the other fields are those of the rules here.

    `certificate_sha256` has 32 bytes; `company_name` is None where the certificate has none.
    """

    certificate_sha256: bytes
    serial_decimal: str
    issuer: str
    not_after: datetime
    company_name: str | None
    encoded: bytes = field(repr=False)


class CardStanding(StrEnum):
    """What is known of a card at an agency and category (CRD-06)."""

    NEW = "new"
    REGISTERED_ELSEWHERE = "registered_elsewhere"
    REGISTERED_HERE = "registered_here"


@dataclass(frozen=True, slots=True)
class PresentedCard:
    """A card at the agency and category where it is to be used. Certificates are X.509 in DER.

    `resume_request_id` names the registration whose answer was lost; it is empty otherwise.
    """

    agency: str
    category: str
    certificate: bytes
    other_certificates: tuple[bytes, ...] = ()
    resume_request_id: str = ""


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
    standing: CardStanding
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionReference:
    """A session as a request refers to it: the token, and the agency and category that the session has to be for."""

    token: str = field(repr=False)
    agency: str
    category: str


@dataclass(frozen=True, slots=True)
class CardSession:
    """A session that is good now; the grace of the opening hours counts from `opened_at`."""

    card: Card
    opened_at: datetime
    expires_at: datetime

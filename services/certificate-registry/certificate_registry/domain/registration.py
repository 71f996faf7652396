"""A registration, and the request for one."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from certificate_registry.domain.bidder_proof import BidderProof
from certificate_registry.domain.card_session import SessionScope
from signed_acts.purpose import SignedPurpose


class Origin(StrEnum):
    """What made a registration: a contractor's registration or renewal here, or propagation of one of them."""

    CONTRACTOR = "contractor"
    PROPAGATION = "propagation"
    RENEWAL = "renewal"


@dataclass(frozen=True, slots=True)
class Registration:
    """A binding made good at one agency."""

    registration_id: UUID
    agency: str
    category: str
    certificate_sha256: bytes
    bidder_id: str
    registered_at: datetime
    origin: Origin


@dataclass(frozen=True, slots=True)
class RequestReference:
    """A request to register: its id, and the SHA-256 of the canonical request that the card signs."""

    request_id: UUID
    request_sha256: bytes


@dataclass(frozen=True, slots=True)
class ActRequest:
    """The content of an act to be signed; `request_sha256` has 32 bytes."""

    request_id: UUID
    request_sha256: bytes
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegistrationRequest:
    """A session, a bidder proof and a signed act: everything that a registration needs.

    `predecessor_serial` (big-endian, unsigned) is that of the card that this one comes after, where one is named.
    """

    token: str = field(repr=False)
    scope: SessionScope
    proof: BidderProof
    request_id: UUID
    act: SignedPurpose
    predecessor_serial: bytes | None = None

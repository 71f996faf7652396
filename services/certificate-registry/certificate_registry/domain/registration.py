"""A registration, the request for one, and the outcome of that request."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from certificate_registry.domain.bidder_proof import BidderProof
from certificate_registry.domain.card import Card
from certificate_registry.domain.card_session import SessionScope
from refusals import Code, Refusal
from servicekit.versions import Version
from signed_acts.purpose import SignedPurpose


class Origin(StrEnum):
    """Who made a registration: a contractor at this agency, or propagation from another one."""

    CONTRACTOR = "contractor"
    PROPAGATION = "propagation"


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
    version: Version


@dataclass(frozen=True, slots=True)
class RequestReference:
    """The request that made a registration: its id, and the SHA-256 of the canonical request that the card signed."""

    request_id: UUID
    request_sha256: bytes


@dataclass(frozen=True, slots=True)
class RegistrationEvent:
    """A registration as it is reported to other services. `request` is None for a propagated registration."""

    registration: Registration
    card: Card
    request: RequestReference | None


@dataclass(frozen=True, slots=True)
class ActRequest:
    """The content of an act to be signed. Without `request_sha256` (32 bytes) it can only be validated."""

    request_id: UUID
    request_sha256: bytes | None
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegistrationRequest:
    """A session, a bidder proof and a signed act: everything that a registration needs."""

    token: str = field(repr=False)
    scope: SessionScope
    proof: BidderProof
    request_id: UUID
    act: SignedPurpose


@dataclass(frozen=True, slots=True)
class Outcome:
    """The recorded outcome of a request. Without a registration it is a tombstone: the request can't succeed any more.

    `payload_sha256` is over everything that was requested, `request_sha256` over the canonical request.
    """

    registration_id: UUID | None
    payload_sha256: bytes | None = None
    request_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """The answer to a question about a request: abandoned, a registration, or neither yet."""

    abandoned: bool = False
    event: RegistrationEvent | None = None


def hash_payload(scope: SessionScope, bidder_id: str, request_sha256: bytes) -> bytes:
    """Returns a hash of what a request asks for: independent of its nonce, session and proof."""
    payload = json.dumps([scope.agency, scope.category, bidder_id, request_sha256.hex()])
    return sha256(payload.encode()).digest()


def require_not_abandoned(outcome: Outcome | None) -> None:
    """Raises REQUEST_ID_ABANDONED if the outcome is a tombstone."""
    if outcome is not None and outcome.registration_id is None:
        raise Refusal("REQUEST_ID_ABANDONED", Code.FAILED_PRECONDITION)


def find_registered(outcome: Outcome | None, payload_sha256: bytes) -> UUID | None:
    """Returns the id of the registration that this request has already made, or None.

    Raises REQUEST_ID_ABANDONED for a tombstone, REQUEST_ID_REUSED if the request id was used for another payload.
    """
    require_not_abandoned(outcome)
    if outcome is None:
        return None
    if payload_sha256 != outcome.payload_sha256:
        raise Refusal("REQUEST_ID_REUSED", Code.ALREADY_EXISTS)
    return outcome.registration_id

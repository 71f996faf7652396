"""A registration, what became of the request for it, and which bidders may have one."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from hashlib import sha256
from uuid import UUID

from refusals import Code, Refusal


class Origin(Enum):
    """Who made a registration: the contractor at this agency, or propagation from another one."""

    CONTRACTOR = "contractor"
    PROPAGATION = "propagation"


class BidderStatus(Enum):
    """Whether a bidder may act at all."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """The version of an aggregate's state: compared by epoch, then by number."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class Bidder:
    """The state of a bidder, as its registry told it."""

    bidder_id: str
    status: BidderStatus
    version: Version


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
class Outcome:
    """What became of a request of a card. Without a registration it is a tombstone: it can't succeed any more.

    `payload_sha256` is over what was asked for, `request_sha256` over the canonical request that the card signed.
    """

    registration_id: UUID | None
    payload_sha256: bytes | None = None
    request_sha256: bytes | None = None


def payload_sha256(*, agency: str, category: str, bidder_id: str, request_sha256: bytes) -> bytes:
    """What makes two requests the same one: all that they ask for, and nothing of nonce, session and proof."""
    payload = json.dumps([agency, category, bidder_id, request_sha256.hex()])
    return sha256(payload.encode()).digest()


def settled(outcome: Outcome | None, payload: bytes | None) -> UUID | None:
    """The registration that a request became, or None where nothing became of it yet.

    `payload` is None where the asking request is not whole yet. Raises REQUEST_ID_ABANDONED where a tombstone stands,
    REQUEST_ID_REUSED where the request id was used for something else.
    """
    if outcome is None:
        return None
    if outcome.registration_id is None:
        raise Refusal("REQUEST_ID_ABANDONED", Code.FAILED_PRECONDITION)
    if payload is not None and payload != outcome.payload_sha256:
        raise Refusal("REQUEST_ID_REUSED", Code.ALREADY_EXISTS)
    return outcome.registration_id


def require_may_act(status: BidderStatus | None) -> None:
    """Raises BIDDER_SUSPENDED or BIDDER_ENDED.

    A bidder of whom nothing was told yet may act: the proof of its registry, ten minutes old at most, says that it
    exists and may.
    """
    match status:
        case BidderStatus.SUSPENDED:
            raise Refusal("BIDDER_SUSPENDED", Code.FAILED_PRECONDITION)
        case BidderStatus.ENDED:
            raise Refusal("BIDDER_ENDED", Code.FAILED_PRECONDITION)
        case BidderStatus.ACTIVE | None:
            return

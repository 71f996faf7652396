"""The outcome of a request to register or renew a card: a registration, a tombstone, or neither yet."""

import json
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from uuid import UUID

from certificate_registry.domain.card import Card
from certificate_registry.domain.card_session import SessionScope
from certificate_registry.domain.card_state import CardState
from certificate_registry.domain.registration import Registration
from refusals import Code, Refusal


class Method(StrEnum):
    """What was requested: each has request ids of its own. A renewal is requested of its new card."""

    REGISTER = "register"
    RENEW = "renew"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The recorded outcome of a request. Without a registration it is a tombstone: the request can't succeed any more.

    `payload_sha256` is over everything that was requested, `request_sha256` over the canonical request; `category` and
    `agency` are where the card was registered.
    """

    registration_id: UUID | None
    payload_sha256: bytes | None = None
    request_sha256: bytes | None = None
    category: str | None = None
    agency: str | None = None


@dataclass(frozen=True, slots=True)
class CommittedRequest:
    """What a request made: a registration, its card, and the digest of its entry in the history."""

    registration: Registration
    card: Card
    history_digest: bytes


@dataclass(frozen=True, slots=True)
class RegisteredOutcome:
    """What a request made, with the card and its state as they are now.

    `history_receipt` proves that the entry is in the history, as JSON; empty until it is sealed.
    """

    committed: CommittedRequest
    card_state: CardState
    history_receipt: str


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """The answer to a question about a request: abandoned, registered, or neither yet."""

    abandoned: bool = False
    registered: RegisteredOutcome | None = None


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

"""The state of a card with its registrations, as certificate-registry reports it, and the outcome of a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from contact_notification.domain.staging import StagedRegistration
from refusals import Code, Refusal
from servicekit.versions import Version


class RegistrationState(StrEnum):
    """Whether a registration is good at its agency, by the names of the messages."""

    UNSPECIFIED = "REGISTRATION_STATE_UNSPECIFIED"
    GOOD = "REGISTRATION_STATE_GOOD"
    SUSPENDED = "REGISTRATION_STATE_SUSPENDED"
    REPLACED = "REGISTRATION_STATE_REPLACED"
    ENDED = "REGISTRATION_STATE_ENDED"


# An agency also writes to those whom it has suspended. A card that was replaced, or whose binding ended, is none of its
# business any more.
STATES_WITH_ACCESS = frozenset({RegistrationState.GOOD, RegistrationState.SUSPENDED})


@dataclass(frozen=True, slots=True)
class Registration:
    """A registration that a contractor made, and whose contacts it staged. Both hashes are SHA-256, 32 bytes."""

    registration_id: UUID
    agency: str
    category: str
    certificate_sha256: bytes
    bidder_id: str
    registered_at: datetime
    request_id: UUID
    request_sha256: bytes


@dataclass(frozen=True, slots=True)
class CardState:
    """A card in one category: its newest binding with its registrations. `certificate_sha256` has 32 bytes.

    `states` holds every registration, by agency, `registrations` those that a contractor made.
    """

    certificate_sha256: bytes
    category: str
    version: Version
    bidder_id: str
    is_live: bool
    states: Mapping[str, RegistrationState]
    registrations: tuple[Registration, ...]

    @property
    def agencies(self) -> list[str]:
        """The agencies that may ask about the bidder and this card."""
        if not self.is_live:
            return []
        return [agency for agency, state in self.states.items() if state in STATES_WITH_ACCESS]


class OutcomeState(StrEnum):
    """The outcome of a request at certificate-registry, by the names of its messages."""

    UNSPECIFIED = "OUTCOME_UNSPECIFIED"
    NONE = "OUTCOME_NONE"
    REGISTERED = "OUTCOME_REGISTERED"
    # A tombstone bars a later commit.
    ABANDONED = "OUTCOME_ABANDONED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a request, with the card's state where a registration was committed."""

    state: OutcomeState
    card_state: CardState | None


def choose_newest(states: Sequence[CardState]) -> Sequence[CardState]:
    """Returns the newest state of each card and category, in the order of these, so that transactions wait in turn."""
    newest: dict[tuple[bytes, str], CardState] = {}
    for state in sorted(states, key=lambda state: state.version):
        newest[state.certificate_sha256, state.category] = state
    return [newest[key] for key in sorted(newest)]


def require_same_act(staged: StagedRegistration | None, registration: Registration) -> StagedRegistration:
    """Returns the staged contacts of a committed registration.

    Raises CONTACTS_NOT_STAGED where there are none, CONTACTS_DIFFER_FROM_ACT where the card signed something else.
    The registration has neither contacts nor mail then. So its producer has to try again, and people have to notice.
    """
    if staged is None:
        raise refuse_not_staged(registration.registration_id)
    signed = (registration.request_sha256, registration.agency, registration.category, registration.bidder_id)
    if signed != (staged.request_sha256, staged.agency, staged.category, staged.company.bidder_id):
        raise refuse_other_act(registration.registration_id)
    return staged


def refuse_not_staged(registration_id: UUID) -> Refusal:
    """Returns the refusal of a registration without staged contacts."""
    return Refusal("CONTACTS_NOT_STAGED", Code.NOT_FOUND, {"registration_id": str(registration_id)})


def refuse_other_act(registration_id: UUID) -> Refusal:
    """Returns the refusal of a registration whose staged contacts belong to another act."""
    return Refusal("CONTACTS_DIFFER_FROM_ACT", Code.FAILED_PRECONDITION, {"registration_id": str(registration_id)})

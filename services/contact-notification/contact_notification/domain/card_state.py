"""The state of a card with its registrations, as certificate-registry reports it, and the outcome of a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from contact_notification.domain.staging import MissingContacts, StagedRegistration
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
class Takeover:
    """A renewal by which a card takes over the contact of the one before it (`predecessor`), where it has none.

    Both hashes are SHA-256, 32 bytes; `request_id` is the renewal's.
    """

    certificate_sha256: bytes
    predecessor: bytes
    agency: str
    category: str
    bidder_id: str
    renewed_at: datetime
    request_id: UUID


@dataclass(frozen=True, slots=True)
class CardState:
    """A card in one category: its newest binding with its registrations. `certificate_sha256` has 32 bytes.

    `states` holds every registration, by agency, `registrations` those that a contractor made, and `takeovers` those by
    a renewal.
    """

    certificate_sha256: bytes
    category: str
    version: Version
    bidder_id: str
    is_live: bool
    states: Mapping[str, RegistrationState]
    registrations: tuple[Registration, ...]
    takeovers: tuple[Takeover, ...] = ()

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
    """The outcome of a request; `card_state` is the card's state now where a registration was committed.

    It is None where it is missing or can't be read, and it does not name a registration that gave way.
    """

    state: OutcomeState
    card_state: CardState | None

    def find_registration(self, request_id: UUID) -> Registration | None:
        """Returns the registration of a request, where the card's state names it."""
        registrations = self.card_state.registrations if self.card_state is not None else ()
        return next((registration for registration in registrations if registration.request_id == request_id), None)


def choose_newest(states: Sequence[CardState]) -> Sequence[CardState]:
    """Returns the newest state of each card and category, in the order of these, so that transactions wait in turn."""
    newest: dict[tuple[bytes, str], CardState] = {}
    for state in sorted(states, key=lambda state: state.version):
        newest[state.certificate_sha256, state.category] = state
    return [newest[key] for key in sorted(newest)]


def find_missing(staged: StagedRegistration | None, registration: Registration) -> MissingContacts | None:
    """Returns why a committed registration has no contacts; None where those of its own act are staged."""
    if staged is None:
        return MissingContacts.NOT_STAGED
    signed = (registration.request_sha256, registration.agency, registration.category, registration.bidder_id)
    if signed != (staged.request_sha256, staged.agency, staged.category, staged.company.bidder_id):
        return MissingContacts.NOT_SIGNED
    return None

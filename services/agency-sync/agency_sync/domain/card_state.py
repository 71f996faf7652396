"""The state of a card, as certificate-registry reports it."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from servicekit.versions import Version

# A card in a category: the SHA-256 of its certificate (32 bytes) and the category's code.
CardKey: TypeAlias = tuple[bytes, str]


class RegistrationState(StrEnum):
    """Whether a registration is good at its agency."""

    GOOD = "good"
    SUSPENDED = "suspended"
    REPLACED = "replaced"
    ENDED = "ended"


class CompanyComparison(StrEnum):
    """The company of a certificate, held against the roster's (CRD-10)."""

    SAME = "same"
    UNREADABLE = "unreadable"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Proven:
    """What was proven about a bidder and its card, which every agency holds against its own rule."""

    # Whether the bidder's password was entered, and right.
    password: bool
    company: CompanyComparison


@dataclass(frozen=True, slots=True)
class AgencyRegistration:
    """The registration of a card at one agency."""

    registration_id: UUID
    state: RegistrationState
    by_propagation: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CardState:
    """A card in a category: its newest binding, with its registrations by agency."""

    certificate_sha256: bytes
    category: str
    version: Version
    bidder_id: str
    # Whether the binding is live; otherwise it has ended.
    is_live: bool
    # Whether the card is suspended in the whole instance.
    is_suspended: bool
    proven: Proven
    registrations: Mapping[str, AgencyRegistration]

    @property
    def key(self) -> CardKey:
        """The card in its category."""
        return self.certificate_sha256, self.category


@dataclass(frozen=True, slots=True)
class KeptState:
    """What an earlier state of a card, which is replaced, says about what is new in the next one."""

    version: Version
    registration_ids: Set[UUID]


def select_newest(states: Iterable[CardState]) -> Mapping[CardKey, CardState]:
    """Returns one state for each card, since a list may have an older one of the same card beside it."""
    newest: dict[CardKey, CardState] = {}
    for state in states:
        if state.key not in newest or newest[state.key].version < state.version:
            newest[state.key] = state
    return newest

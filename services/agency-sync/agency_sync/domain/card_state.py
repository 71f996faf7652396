"""The state of a card, as certificate-registry reports it."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
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


class HolderComparison(StrEnum):
    """The holder of a certificate, held against the roster's persons (CRD-10)."""

    CONTRACT_PARTY = "contract party"
    REPRESENTATIVE = "representative"
    UNREADABLE = "unreadable"
    DIFFERENT = "different"


class Standing(StrEnum):
    """Whether a certificate is trusted, whatever the time is."""

    TRUSTED = "trusted"
    REVOKED = "revoked"
    NOT_TRUSTED = "not trusted"


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is known of a card's certificate: whether it is trusted, and the first and last second of its validity."""

    standing: Standing
    not_before: datetime | None
    not_after: datetime | None


# Of which nothing was said.
UNKNOWN_CERTIFICATE = Certificate(Standing.NOT_TRUSTED, None, None)


@dataclass(frozen=True, slots=True)
class Proven:
    """What was proven about a bidder and its card, which every agency holds against its own rule."""

    # Whether the bidder's password was entered, and right.
    password: bool
    company: CompanyComparison
    holder: HolderComparison


class Origin(StrEnum):
    """Who made a registration: the contractor at this agency, by 登録 or ICカード更新, or propagation."""

    CONTRACTOR = "contractor"
    RENEWAL = "renewal"
    PROPAGATION = "propagation"


@dataclass(frozen=True, slots=True)
class AgencyRegistration:
    """The registration of a card at one agency.

    `replaced_by` is the card that took its place there, `predecessor` the one whose place it took (SHA-256 of the
    certificate, 32 bytes). `stays_here`: the contractor chose that the other agencies do not follow.
    """

    registration_id: UUID
    state: RegistrationState
    origin: Origin
    replaced_by: bytes | None = None
    predecessor: bytes | None = None
    stays_here: bool = False
    registered_at: datetime | None = None


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
    certificate: Certificate = UNKNOWN_CERTIFICATE

    @property
    def key(self) -> CardKey:
        """The card in its category."""
        return self.certificate_sha256, self.category

    def list_predecessors(self) -> Mapping[str, CardKey]:
        """Returns the cards whose places it took by renewals, by the agency of the renewal."""
        return {
            agency: (registration.predecessor, self.category)
            for agency, registration in self.registrations.items()
            if registration.origin is Origin.RENEWAL and registration.predecessor is not None
        }

    def list_successors(self) -> Mapping[str, CardKey]:
        """Returns the cards that took its place, by agency."""
        return {
            agency: (registration.replaced_by, self.category)
            for agency, registration in self.registrations.items()
            if registration.state is RegistrationState.REPLACED and registration.replaced_by is not None
        }

    def list_good_agencies(self) -> Set[str]:
        """Returns the agencies at which it is registered and good."""
        return frozenset(
            agency
            for agency, registration in self.registrations.items()
            if registration.state is RegistrationState.GOOD
        )


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

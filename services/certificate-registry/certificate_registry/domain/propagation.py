"""Registrations at further agencies (SYN-01)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class PropagationResult(StrEnum):
    """The result for one registration at one further agency."""

    DONE = "done"
    CARD_NOT_GOOD = "card_not_good"
    REGISTRATION_UNKNOWN = "registration_unknown"


@dataclass(frozen=True, slots=True)
class AgencyPropagation:
    """Contractors' registrations that are to be made at one further agency."""

    agency: str
    registration_ids: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class PropagatedRegistration:
    """The result for one registration at one further agency; `registration_id` is the registration at that agency."""

    source_registration_id: UUID
    agency: str
    result: PropagationResult
    registration_id: UUID | None


@dataclass(frozen=True, slots=True)
class NewRegistrations:
    """The registrations that a propagation has just made for one card in one category.

    `registrations` maps agencies, in their order, to registration ids as texts: there are tens of thousands, only to be
    written to the history.
    """

    certificate_sha256: bytes
    category: str
    bidder_id: str
    registrations: Mapping[str, str]

"""Registrations at further agencies (SYN-01)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class PropagationResult(StrEnum):
    """The result for one registration at one further agency."""

    DONE = "done"
    CARD_NOT_GOOD = "card_not_good"
    REGISTRATION_UNKNOWN = "registration_unknown"
    BIDDER_SUSPENDED = "bidder_suspended"


@dataclass(frozen=True, slots=True)
class AgencyPropagation:
    """Contractors' registrations that are to be made at one further agency."""

    agency: str
    registration_ids: Sequence[UUID]


class RequestedRegistration(NamedTuple):
    """One registration that is to be made at one further agency."""

    agency: str
    source_registration_id: UUID


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

    `sources` are the registrations of that card that were propagated. `registrations` maps agencies, in
    their order, to registration ids as texts: there are tens of thousands.
    """

    certificate_sha256: bytes
    category: str
    bidder_id: str
    sources: Sequence[UUID]
    registrations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReplacedCard:
    """An old card whose place another one has just taken at these agencies, in their order."""

    certificate_sha256: bytes
    category: str
    bidder_id: str
    replaced_by: bytes
    agencies: Sequence[str]


@dataclass(frozen=True, slots=True)
class PropagatedRenewals:
    """What the propagation of renewals has just changed."""

    new: Sequence[NewRegistrations]
    replaced: Sequence[ReplacedCard]


def list_requested(requests: Sequence[AgencyPropagation]) -> Collection[RequestedRegistration]:
    """Returns each requested registration once."""
    return {
        RequestedRegistration(request.agency, registration_id): None
        for request in requests
        for registration_id in request.registration_ids
    }.keys()


def map_made(new: Sequence[NewRegistrations]) -> Mapping[RequestedRegistration, str]:
    """Returns the ids of new registrations by what was requested, or could have been."""
    return {
        RequestedRegistration(agency, source): registration_id
        for registrations in new
        for source in registrations.sources
        for agency, registration_id in registrations.registrations.items()
    }

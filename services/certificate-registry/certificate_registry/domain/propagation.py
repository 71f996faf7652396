"""Registrations at further agencies (SYN-01)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import NamedTuple, TypeAlias


class PropagationResult(StrEnum):
    """The result for one registration at one further agency."""

    DONE = "done"
    CARD_NOT_GOOD = "card_not_good"
    REGISTRATION_UNKNOWN = "registration_unknown"
    BIDDER_SUSPENDED = "bidder_suspended"


# What is requested: the agencies at which each registration is to be made, each once. Ids are texts, since they come
# and go as such by the ten thousand.
Requested: TypeAlias = Mapping[str, Collection[str]]


class PropagatedRegistration(NamedTuple):
    """The result for one registration at one further agency; `registration_id` is the registration at that agency."""

    source_registration_id: str
    agency: str
    result: PropagationResult
    registration_id: str | None


@dataclass(frozen=True, slots=True)
class NewRegistrations:
    """The registrations that a propagation has just made for one card in one category.

    `sources` are the registrations of that card that were propagated. `registrations` maps agencies, in
    their order, to registration ids as texts: there are tens of thousands.
    """

    certificate_sha256: bytes
    category: str
    bidder_id: str
    sources: Sequence[str]
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


def split_requested(requested: Requested, most: int) -> Iterator[Requested]:
    """Yields what is requested of at most so many registrations at a time, in their order."""
    rest = iter(requested.items())
    while portion := dict(islice(rest, most)):
        yield portion


def map_made(new: Sequence[NewRegistrations]) -> Mapping[str, Mapping[str, str]]:
    """Returns the ids of new registrations by agency, for each registration that was or could have been propagated."""
    made: dict[str, dict[str, str]] = {}
    for registrations in new:
        for source in registrations.sources:
            made.setdefault(source, {}).update(registrations.registrations)
    return made


def split_made(
    requested: Requested, made: Mapping[str, Mapping[str, str]]
) -> tuple[Sequence[PropagatedRegistration], Requested]:
    """Returns the results for what was made, and what was requested beside it."""
    done: list[PropagatedRegistration] = []
    others: dict[str, Collection[str]] = {}
    for source, agencies in requested.items():
        ids = made.get(source, {})
        done += [
            PropagatedRegistration(source, agency, PropagationResult.DONE, ids[agency])
            for agency in agencies
            if agency in ids
        ]
        left = [agency for agency in agencies if agency not in ids]
        if left:
            others[source] = left
    return done, others

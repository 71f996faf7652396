"""The feed of an agency: what it says of a card, merged from the states of card, bidder and contacts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from agency_sync.domain.bidder_state import BidderState
from agency_sync.domain.card_state import (
    AgencyRegistration,
    CardKey,
    CardState,
    RegistrationState,
    Standing,
)
from instance_profile.model import Profile

# The feed of an agency in a category: the codes of both.
FeedKey: TypeAlias = tuple[str, str]
# Whether a card that registers while changed company data is under review is good at once: by agency, by category.
FeedRules: TypeAlias = Mapping[str, Mapping[str, bool]]
# From the first instant until before the second one; None is open.
Period: TypeAlias = tuple[datetime | None, datetime | None]

# Entries that one transaction appends at most, so that a stop never waits for more.
MOST_ENTRIES = 500
# The bidder of whom no state was ever recorded is not judged, as ResolveUser does not judge it either.
NOT_JUDGED: Sequence[Period] = ((None, None),)


class FeedState(StrEnum):
    """Whether a card is good at an agency, within the bounds of its entry."""

    GOOD = "good"
    SUSPENDED = "suspended"
    REPLACED = "replaced"
    ENDED = "ended"
    REVOKED = "revoked"
    UNDER_REVIEW = "under_review"


class Verdict(StrEnum):
    """Why a card is good or not, in the words of ResolveUser's verdicts."""

    GOOD = ""
    NOT_REGISTERED = "NOT_REGISTERED"
    CARD_REPLACED = "CARD_REPLACED"
    BINDING_ENDED = "BINDING_ENDED"
    CERTIFICATE_REVOKED = "CERTIFICATE_REVOKED"
    CERTIFICATE_NOT_TRUSTED = "CERTIFICATE_NOT_TRUSTED"
    BIDDER_ENDED = "BIDDER_ENDED"
    CARD_SUSPENDED = "CARD_SUSPENDED"
    BIDDER_SUSPENDED = "BIDDER_SUSPENDED"
    UNDER_REVIEW = "UNDER_REVIEW"


@dataclass(frozen=True, slots=True, kw_only=True)
class CardAtAgency:
    """The state of a card at an agency. Two that are equal are one entry."""

    bidder_id: str
    state: FeedState
    verdict: Verdict
    registration_id: UUID
    # The first and the last second of the certificate's validity; None where it is not known.
    not_before: datetime | None
    not_after: datetime | None
    qualified: Sequence[Period]
    replaced_by: bytes | None
    predecessor: bytes | None
    # 0 where there is none.
    card_contact_version: int
    representative_contact_version: int


@dataclass(frozen=True, slots=True)
class ContactVersions:
    """The newest version of a contact, and by agencies the earlier one that counts there."""

    newest: int
    pins: Mapping[str, int]

    def find(self, agency: str) -> int:
        """Returns the version that counts at an agency; 0 where there is no contact."""
        return self.pins.get(agency, self.newest)


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What is kept of a card in a category, of its bidder and of both contacts."""

    card: CardState
    bidder: BidderState | None
    card_contact: ContactVersions
    representative_contact: ContactVersions


@dataclass(frozen=True, slots=True)
class NewEntry:
    """An entry that a feed lacks."""

    feed: FeedKey
    certificate_sha256: bytes
    card: CardAtAgency


@dataclass(frozen=True, slots=True, order=True)
class FeedPosition:
    """A place in a feed."""

    epoch: int
    # The entries up to here; 0 is before the first.
    number: int


@dataclass(frozen=True, slots=True)
class FeedHead:
    """A feed at an instant: the last number of its epoch, and the one after which all entries are kept."""

    epoch: int
    number: int
    kept_after: int
    # The database's time.
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """An entry at its place in a feed."""

    epoch: int
    number: int
    committed_at: datetime
    certificate_sha256: bytes
    card: CardAtAgency


@dataclass(frozen=True, slots=True)
class SealedHead:
    """The newest sealed head of a registry's history."""

    service: str
    position: int
    # JSON, with its signature.
    head: str
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The head of a feed at an instant of the database, with those of the registries' histories."""

    head: FeedPosition
    as_of: datetime
    history: Sequence[SealedHead]


@dataclass(frozen=True, slots=True)
class SubscriberLag:
    """A subscriber that has not come to the head of its feed, and since when an entry waits for it."""

    agency: str
    category: str
    subscriber: str
    since: datetime


def list_feed_rules(profile: Profile) -> FeedRules:
    """Returns the rules of the agencies that offer each category."""
    return {
        category.code: {
            agency.code: agency.new_card_during_review
            for agency in profile.agencies
            if category.code in agency.categories
        }
        for category in profile.categories
    }


def list_new_entries(facts: CardFacts, last: Mapping[str, CardAtAgency], *, rules: FeedRules) -> Sequence[NewEntry]:
    """Returns what the feeds lack of a card: `last` has its newest entries, by agency.

    A card that left an agency has ended there.
    """
    key = facts.card.key
    now = {
        agency: merge(facts, agency, registration, is_new_card_good=rules.get(key[1], {}).get(agency, False))
        for agency, registration in facts.card.registrations.items()
    }
    left = {agency: _leave(card) for agency, card in last.items() if agency not in now}
    return [
        NewEntry((agency, key[1]), key[0], card)
        for agency, card in sorted((now | left).items())
        if last.get(agency) != card
    ]


def merge(facts: CardFacts, agency: str, registration: AgencyRegistration, *, is_new_card_good: bool) -> CardAtAgency:
    """Returns what the feed of an agency says of a card that is registered there.

    What changes with the time alone is left to the reader: the certificate's validity, and the bidder's terms.
    """
    card, bidder = facts.card, facts.bidder
    state, verdict = _judge(facts, agency, registration, is_new_card_good=is_new_card_good)
    is_replaced = state is FeedState.REPLACED
    return CardAtAgency(
        bidder_id=card.bidder_id,
        state=state,
        verdict=verdict,
        registration_id=registration.registration_id,
        not_before=card.certificate.not_before,
        not_after=card.certificate.not_after,
        qualified=NOT_JUDGED if bidder is None else _list_periods(bidder, agency),
        replaced_by=registration.replaced_by if is_replaced else None,
        predecessor=registration.predecessor,
        card_contact_version=facts.card_contact.find(agency),
        representative_contact_version=facts.representative_contact.find(agency),
    )


def is_stop(card: CardState) -> bool:
    """Returns whether the state of a card takes something from it; such entries are written first."""
    return (
        not card.is_live
        or card.is_suspended
        or card.certificate.standing is not Standing.TRUSTED
        or any(registration.state is not RegistrationState.GOOD for registration in card.registrations.values())
    )


def is_bidder_stop(bidder: BidderState) -> bool:
    """Returns whether the state of a bidder takes something from its cards."""
    return bidder.is_ended or bidder.is_suspended or bool(bidder.suspended_agencies)


def take_portion(sizes: Mapping[CardKey, int], most: int = MOST_ENTRIES) -> Sequence[CardKey]:
    """Returns the first cards whose entries one transaction can append, and one at least."""
    portion: list[CardKey] = []
    total = 0
    for key, size in sizes.items():
        total += size
        if portion and total > most:
            break
        portion.append(key)
    return portion


def _judge(
    facts: CardFacts, agency: str, registration: AgencyRegistration, *, is_new_card_good: bool
) -> tuple[FeedState, Verdict]:
    """Returns the state and the verdict, in the order of ResolveUser's verdicts."""
    card, bidder = facts.card, facts.bidder
    if registration.state is RegistrationState.REPLACED:
        return FeedState.REPLACED, Verdict.CARD_REPLACED
    if not card.is_live or registration.state is RegistrationState.ENDED:
        return FeedState.ENDED, Verdict.BINDING_ENDED
    if card.certificate.standing is Standing.REVOKED:
        return FeedState.REVOKED, Verdict.CERTIFICATE_REVOKED
    if card.certificate.standing is Standing.NOT_TRUSTED:
        return FeedState.REVOKED, Verdict.CERTIFICATE_NOT_TRUSTED
    if bidder is not None and bidder.is_ended:
        return FeedState.ENDED, Verdict.BIDDER_ENDED
    if card.is_suspended or registration.state is RegistrationState.SUSPENDED:
        return FeedState.SUSPENDED, Verdict.CARD_SUSPENDED
    if bidder is not None and bidder.is_suspended_at(agency):
        return FeedState.SUSPENDED, Verdict.BIDDER_SUSPENDED
    if bidder is not None and not is_new_card_good and _is_new(registration, agency, bidder):
        return FeedState.UNDER_REVIEW, Verdict.UNDER_REVIEW
    return FeedState.GOOD, Verdict.GOOD


def _is_new(registration: AgencyRegistration, agency: str, bidder: BidderState) -> bool:
    """Returns whether a card registered since the review of its bidder's data began."""
    return any(
        agency in review.agencies
        and (registration.registered_at is None or registration.registered_at >= review.began_at)
        for review in bidder.reviews
    )


def _list_periods(bidder: BidderState, agency: str) -> Sequence[Period]:
    return tuple((period.begins, period.ends) for period in bidder.qualified if agency in period.agencies)


def _leave(card: CardAtAgency) -> CardAtAgency:
    return replace(card, state=FeedState.ENDED, verdict=Verdict.NOT_REGISTERED, replaced_by=None)

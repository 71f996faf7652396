"""The state of a bidder in a category, as qualification-registry reports it, and what a newer one has judged again."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from servicekit.versions import Version

# A bidder in a category: its id and the category's code.
BidderKey: TypeAlias = tuple[str, str]

# Reasons of refusals that a state of the bidder brings about or lifts.
BIDDER_SUSPENDED = "BIDDER_SUSPENDED"
COMPANY_NEEDS_OFFICER = "COMPANY_NEEDS_OFFICER"
HOLDER_NEEDS_OFFICER = "HOLDER_NEEDS_OFFICER"
JUDGED_BY_BIDDER = frozenset({BIDDER_SUSPENDED, COMPANY_NEEDS_OFFICER, HOLDER_NEEDS_OFFICER})
# Also decided by the bidder's state, but not judged again by a newer one: who is qualified at further agencies later
# registers at one of them, and the others follow that registration (SYN-03).
NOT_QUALIFIED = "BIDDER_NOT_QUALIFIED"


@dataclass(frozen=True, slots=True)
class QualifiedPeriod:
    """A period in which a bidder is qualified at some agencies: from `begins`, until before `ends`; None is open."""

    begins: datetime | None
    ends: datetime | None
    agencies: Set[str]

    def contains(self, now: datetime) -> bool:
        """Returns whether an instant is in it."""
        return (self.begins is None or self.begins <= now) and (self.ends is None or now < self.ends)


@dataclass(frozen=True, slots=True)
class CompanyReview:
    """A review of changed company data at some agencies; a card that registered since it began is new (QUA-08)."""

    began_at: datetime
    agencies: Set[str]


@dataclass(frozen=True, slots=True)
class ApprovedCard:
    """A card that an agency's officer approved for that agency: its company, its holder, or both."""

    agency: str
    certificate_sha256: bytes
    company: bool
    holder: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderState:
    """A bidder in a category."""

    bidder_id: str
    category: str
    version: Version
    # Whether it is suspended in the whole instance.
    is_suspended: bool
    # The agencies that suspended it for themselves.
    suspended_agencies: Set[str]
    approved_cards: Sequence[ApprovedCard]
    # In this term and in the next.
    qualified: Sequence[QualifiedPeriod]
    reviews: Sequence[CompanyReview]
    # Whether it has ended; it is qualified nowhere then.
    is_ended: bool = False

    @property
    def key(self) -> BidderKey:
        """The bidder in its category."""
        return self.bidder_id, self.category

    def is_suspended_at(self, agency: str) -> bool:
        """Returns whether it is suspended at an agency, by it or in the whole instance."""
        return self.is_suspended or agency in self.suspended_agencies

    def list_qualified_agencies(self, now: datetime) -> Set[str]:
        """Returns the agencies at which it is qualified at an instant."""
        if self.is_ended:
            return frozenset()
        return frozenset(agency for period in self.qualified if period.contains(now) for agency in period.agencies)

    def has_approved_company(self, agency: str, certificate_sha256: bytes) -> bool:
        """Returns whether an agency's officer approved the company of a card."""
        return any(card.company for card in self._list_approved(agency, certificate_sha256))

    def has_approved_holder(self, agency: str, certificate_sha256: bytes) -> bool:
        """Returns whether an agency's officer approved the holder of a card."""
        return any(card.holder for card in self._list_approved(agency, certificate_sha256))

    def _list_approved(self, agency: str, certificate_sha256: bytes) -> Sequence[ApprovedCard]:
        return [
            card
            for card in self.approved_cards
            if (card.agency, card.certificate_sha256) == (agency, certificate_sha256)
        ]


@dataclass(frozen=True, slots=True)
class HeldIntention:
    """An intention of a bidder's card that has waited for a state of the bidder, or was refused by one somewhere."""

    registration_id: UUID
    bidder: BidderKey
    certificate_sha256: bytes
    # The agency of the registration.
    agency: str
    # Whether the card and its registration are good, by the state that is kept of them.
    is_card_good: bool
    is_waiting: bool
    # Whether it waits for the first state of its bidder.
    is_bidder_awaited: bool
    # The reasons of `JUDGED_BY_BIDDER` by which further agencies refused it.
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JudgedAgain:
    """Intentions that are open again; for each, the agencies whose refusals are forgotten."""

    opened: Sequence[UUID]
    forgotten: Sequence[tuple[UUID, str]]
    # Those that go on waiting, now for their card alone.
    waiting_for_card: Sequence[UUID]


def select_newest_bidders(states: Iterable[BidderState]) -> Mapping[BidderKey, BidderState]:
    """Returns one state for each bidder and category, since a list may have an older one of the same beside it."""
    newest: dict[BidderKey, BidderState] = {}
    for state in states:
        if state.key not in newest or newest[state.key].version < state.version:
            newest[state.key] = state
    return newest


def judge_again(held: Iterable[HeldIntention], states: Mapping[BidderKey, BidderState]) -> JudgedAgain:
    """Returns what the new states of bidders do to their intentions.

    One that waited for the first state of its bidder is open with it. One that waited for the end of a suspension is
    open again when it has ended at the registration's agency; one that is done, when an agency that refused it for a
    suspension has ended that, or an officer there approved the card.
    """
    opened: list[UUID] = []
    forgotten: list[tuple[UUID, str]] = []
    waiting_for_card: list[UUID] = []
    for intention in held:
        state = states[intention.bidder]
        lifted = [agency for agency in intention.refused if _is_lifted(intention, agency, state)]
        is_held = state.is_suspended_at(intention.agency) and not intention.is_bidder_awaited
        if is_held or not (intention.is_waiting or lifted):
            continue
        if intention.is_card_good:
            opened.append(intention.registration_id)
            forgotten += [(intention.registration_id, agency) for agency in lifted]
        elif intention.is_waiting:
            waiting_for_card.append(intention.registration_id)
    return JudgedAgain(opened, forgotten, waiting_for_card)


def _is_lifted(intention: HeldIntention, agency: str, state: BidderState) -> bool:
    reason = intention.refused[agency]
    if reason == BIDDER_SUSPENDED:
        return not state.is_suspended_at(agency)
    if reason == COMPANY_NEEDS_OFFICER:
        return state.has_approved_company(agency, intention.certificate_sha256)
    return state.has_approved_holder(agency, intention.certificate_sha256)

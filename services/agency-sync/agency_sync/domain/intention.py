"""The intentions to propagate registrations, renewals and changes: to which agencies, and when."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from agency_sync.domain.bidder_state import BidderState
from agency_sync.domain.card_state import AgencyRegistration, CardKey, Origin, Proven, RegistrationState
from servicekit.versions import Version


class IntentionState(StrEnum):
    """What is to be done with an intention."""

    # To be carried out.
    OPEN = "open"
    # Judged again when a newer state of the card says that it is good, since the card or its registration is suspended
    # or certificate-registry found the card not good; or with a newer state of the bidder, which is suspended, or of
    # which none is known yet.
    WAITING = "waiting"
    # Carried out, or void because the registration ended. A restore of certificate-registry opens it again, and so does
    # a state of the bidder by which an agency takes what it refused.
    DONE = "done"


class IntentionKind(StrEnum):
    """To which agencies it goes."""

    # All others.
    REGISTRATION = "registration"
    # Those where the card is registered and good whose place its card took.
    RENEWAL = "renewal"
    # Those at which earlier versions of the changed contacts count.
    CHANGE = "change"


# Why an intention waits, where it is not shown: no state of its bidder is known yet, and it follows within seconds.
BIDDER_AWAITED = "bidder awaited"


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The card whose place another one took: the version of its state, and the agencies at which it is good."""

    version: Version
    good_at: Set[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """A registration or change to propagate to other agencies, with what is known of its card.

    Which agencies those are is decided when it is carried out.
    """

    # The registration's, or the change's.
    registration_id: UUID
    agency: str
    category: str
    bidder_id: str
    # The epoch for which it was opened: of certificate-registry, of a change that of contact-notification.
    epoch: int
    # The card's state that it is judged by.
    card_version: Version
    proven: Proven
    registrations: Mapping[str, AgencyRegistration]
    certificate_sha256: bytes
    # The bidder's state that it is judged by; None where none was ever reported.
    bidder: BidderState | None
    # Whether a registry refused it before, alone.
    was_refused: bool = False
    kind: IntentionKind = IntentionKind.REGISTRATION
    # The card whose place its card took at the agency, or which an officer linked to it.
    predecessor: Predecessor | None = None
    # Of the card; judged of a change, since a registration's intention follows them by itself.
    is_card_live: bool = True
    is_card_suspended: bool = False
    # Those that a change concerns.
    agencies: Set[str] = frozenset()

    @property
    def is_renewal(self) -> bool:
        """Whether a renewal made the registration, so that its card takes another one's place where that is good."""
        source = self.registrations.get(self.agency)
        return source is not None and source.origin is Origin.RENEWAL

    @property
    def takes_over(self) -> bool:
        """Whether it is of a renewal, and takes over what was intended for the card whose place it took."""
        return self.is_renewal and self.kind is IntentionKind.REGISTRATION

    def replaces_at(self, agency: str) -> bool:
        """Returns whether its card takes another one's place at an agency."""
        return self.is_renewal and self.predecessor is not None and agency in self.predecessor.good_at

    def concerns(self, agency: str) -> bool:
        """Returns whether it goes to an agency, its own left out."""
        return agency != self.agency and (self.kind is IntentionKind.REGISTRATION or self.replaces_at(agency))

    @property
    def is_bidder_suspended(self) -> bool:
        """Whether the bidder is suspended in the whole instance, or at the registration's agency."""
        return self.bidder is not None and self.bidder.is_suspended_at(self.agency)

    def is_bidder_suspended_at(self, agency: str) -> bool:
        """Returns whether the bidder is suspended at an agency."""
        return self.bidder is not None and self.bidder.is_suspended_at(agency)

    def has_approved_company(self, agency: str) -> bool:
        """Returns whether an agency's officer approved the company of the card."""
        return self.bidder is not None and self.bidder.has_approved_company(agency, self.certificate_sha256)

    def has_approved_holder(self, agency: str) -> bool:
        """Returns whether an agency's officer approved the holder of the card."""
        return self.bidder is not None and self.bidder.has_approved_holder(agency, self.certificate_sha256)


@dataclass(frozen=True, slots=True)
class KeptIntention:
    """An intention, as it is kept for a card."""

    registration_id: UUID
    card: CardKey
    agency: str
    epoch: int
    state: IntentionState
    kind: IntentionKind = IntentionKind.REGISTRATION
    # Those that a change concerns.
    agencies: Set[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedIntention:
    """What the planned propagations of a registration or change are shown from, until its intention is done.

    `followed` are the agencies at which the card is good whose place its card took; of a change those it concerns.
    """

    registration_id: UUID
    agency: str
    category: str
    state: IntentionState
    planned_at: datetime
    made_at: datetime
    # For which reason a registry refused it, so that it waits for its next try, or the bidder's suspension has it wait;
    # otherwise empty.
    refused_for: str
    kind: IntentionKind = IntentionKind.REGISTRATION
    followed: Set[str] = frozenset()

    def concerns(self, agency: str) -> bool:
        """Returns whether it goes to an agency, its own left out."""
        return agency != self.agency and (self.kind is IntentionKind.REGISTRATION or agency in self.followed)


def judge_change(
    registrations: Mapping[str, AgencyRegistration], agency: str, *, is_live: bool, is_suspended: bool
) -> IntentionState:
    """Returns what is to be done with the intention of a change that a card made at an agency, by the card's state.

    A card whose place another one took made its changes while it was good, so they stand.
    """
    made_with = registrations.get(agency)
    if made_with is None or made_with.state is RegistrationState.ENDED:
        return IntentionState.DONE
    if made_with.state is RegistrationState.REPLACED:
        return IntentionState.OPEN
    if not is_live:
        return IntentionState.DONE
    is_stopped = is_suspended or made_with.state is RegistrationState.SUSPENDED
    return IntentionState.WAITING if is_stopped else IntentionState.OPEN

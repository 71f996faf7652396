"""What officers' decisions about cards share: the card, who decided, and the entry in the history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.notice import CardAct
from certificate_registry.domain.suspension import CardRequest, DecidedCard, require_known
from certificate_registry.store import suspensions
from history.entries import Entry, SignedAct, State
from instance_profile.model import Profile
from instance_profile.offers import require_agency, require_category
from officers.act import OfficerAct
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.telemetry import find_trace_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Who decides, as the history names it: an officer by a signed act, of two officers the second, or the service."""

    who: str
    request_id: UUID | None = None
    signed_act: SignedAct | None = None

    @classmethod
    def of(cls, act: OfficerAct) -> Self:
        """Returns the officer of an act."""
        return cls(who=act.who, request_id=act.request_id, signed_act=act.signed_act)


async def find_card(connection: Connection, profile: Profile, request: CardRequest) -> DecidedCard:
    """Returns the card that an officer asks about; nobody else writes about it until the transaction ends.

    Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, BINDING_UNKNOWN.
    """
    if request.agency != OPERATOR:
        require_agency(profile, request.agency)
    require_category(profile, request.key.category)
    return require_known(await suspensions.find_decided(connection, request.key, request.agency), request.bidder_id)


def describe_act(card: DecidedCard, agency: str, now: datetime) -> CardAct:
    """Returns what the contacts of the card's bidder are told of a decision."""
    return CardAct(
        certificate_sha256=card.key.certificate_sha256,
        agency=agency,
        category=card.key.category,
        bidder_id=card.bidder_id,
        happened_at=now,
    )


def describe_decision(
    action: HistoryAction,
    card: DecidedCard,
    agencies: Sequence[str],
    decider: Decider,
    *,
    before: State,
    after: State,
    now: datetime,
) -> Entry:
    """Returns the entry of a decision about a card, at agencies or by the operator's officers."""
    return Entry(
        happened_at=now,
        who=decider.who,
        what=action,
        request_id=decider.request_id,
        trace_id=find_trace_id(),
        certificate_sha256=card.key.certificate_sha256,
        category=card.key.category,
        agencies=agencies,
        bidder_id=card.bidder_id,
        before=before,
        after=after,
        act=decider.signed_act,
    )

"""What is done when another person approves a proposal about a bidder: convert, call one operation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from officers.proposal import Approval, Target
from qualification_registry.convert.bidders import read_link_request, read_suspension_request
from qualification_registry.domain.bidder_state import BidderKey
from qualification_registry.operations.bidder_events import BidderEvents
from qualification_registry.operations.circumstances import find_act_circumstances
from qualification_registry.operations.succession import BidderSuccession
from qualification_registry.operations.suspension import BidderSuspensions
from servicekit.database_connection import Connection
from toroku.qualification.v1 import bidders_pb2

_SERVICE = bidders_pb2.DESCRIPTOR.services_by_name["Bidders"].full_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumptionHandler:
    """Ends a suspension of a bidder."""

    suspensions: BidderSuspensions
    events: BidderEvents

    @property
    def method(self) -> str:
        """The method that proposes it."""
        return f"{_SERVICE}/ResumeBidder"

    async def find_target(self, connection: Connection, request: bidders_pb2.ResumeBidderRequest) -> Target:
        """Returns the suspension."""
        wanted = read_suspension_request(request)
        suspension = await self.suspensions.find_suspended(connection, wanted)
        return Target(
            agency=wanted.agency,
            version=suspension.identity,
            category=wanted.category,
            bidder_id=wanted.bidder_id,
        )

    async def carry_out(
        self, connection: Connection, request: bidders_pb2.ResumeBidderRequest, approval: Approval, now: datetime
    ) -> None:
        """Ends it."""
        wanted = read_suspension_request(request)
        await self.suspensions.resume(connection, wanted, find_act_circumstances(approval.act, now))

    async def tell_others(self, request: bidders_pb2.ResumeBidderRequest, /) -> Sequence[str]:
        """Tells the services that keep states of bidders."""
        return await self.events.tell_at_once(BidderKey(request.bidder_id, request.category))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkHandler:
    """Makes a bidder the successor of another one."""

    succession: BidderSuccession

    @property
    def method(self) -> str:
        """The method that proposes it."""
        return f"{_SERVICE}/LinkBidders"

    async def find_target(self, connection: Connection, request: bidders_pb2.LinkBiddersRequest) -> Target:
        """Returns the successor, which has none of its own, or the same as at the proposal."""
        wanted = read_link_request(request)
        return Target(
            agency=wanted.agency,
            version=await self.succession.check(connection, wanted),
            category=wanted.link.category,
            bidder_id=wanted.link.bidder_id,
        )

    async def carry_out(
        self, connection: Connection, request: bidders_pb2.LinkBiddersRequest, approval: Approval, now: datetime
    ) -> None:
        """Links them."""
        wanted = read_link_request(request)
        await self.succession.link(connection, wanted, find_act_circumstances(approval.act, now))

    async def tell_others(self, request: bidders_pb2.LinkBiddersRequest, /) -> Sequence[str]:
        """Tells nobody: who renews a card asks here."""
        return ()

"""The service Bidders: one method per RPC, which converts, calls one operation and converts."""

from typing_extensions import override

from officers.servicer import Officers
from qualification_registry.convert.bidders import (
    read_review_end,
    read_suspension_query,
    read_suspension_request,
    write_suspension,
)
from qualification_registry.operations.review_end import ReviewEnds
from qualification_registry.operations.suspension import BidderSuspensions
from servicekit.context import Context
from servicekit.identity import caller
from toroku.qualification.v1 import bidders_pb2, bidders_pb2_grpc


class BiddersServicer(bidders_pb2_grpc.BiddersServicer):
    """What officers decide about bidders."""

    def __init__(self, *, suspensions: BidderSuspensions, review_ends: ReviewEnds, officers: Officers) -> None:
        self._suspensions = suspensions
        self._review_ends = review_ends
        self._officers = officers

    @override
    async def SuspendBidder(
        self, request: bidders_pb2.SuspendBidderRequest, context: Context
    ) -> bidders_pb2.SuspendBidderResponse:
        act = self._officers.methods.read(request, caller())
        suspension, not_yet = await self._suspensions.suspend(read_suspension_request(request), act)
        return bidders_pb2.SuspendBidderResponse(suspension=write_suspension(suspension), not_yet_effective_at=not_yet)

    @override
    async def ConfirmBidderSuspension(
        self, request: bidders_pb2.ConfirmBidderSuspensionRequest, context: Context
    ) -> bidders_pb2.ConfirmBidderSuspensionResponse:
        act = self._officers.methods.read(request, caller())
        suspension = await self._suspensions.confirm(read_suspension_request(request), act)
        return bidders_pb2.ConfirmBidderSuspensionResponse(suspension=write_suspension(suspension))

    @override
    async def ResumeBidder(
        self, request: bidders_pb2.ResumeBidderRequest, context: Context
    ) -> bidders_pb2.ResumeBidderResponse:
        proposal = await self._officers.proposals.propose(request, caller())
        return bidders_pb2.ResumeBidderResponse(proposal=proposal)

    @override
    async def EndReview(self, request: bidders_pb2.EndReviewRequest, context: Context) -> bidders_pb2.EndReviewResponse:
        act = self._officers.methods.read(request, caller())
        return bidders_pb2.EndReviewResponse(
            not_yet_effective_at=await self._review_ends.end(read_review_end(request), act)
        )

    @override
    async def LinkBidders(
        self, request: bidders_pb2.LinkBiddersRequest, context: Context
    ) -> bidders_pb2.LinkBiddersResponse:
        proposal = await self._officers.proposals.propose(request, caller())
        return bidders_pb2.LinkBiddersResponse(proposal=proposal)

    @override
    async def ListBidderSuspensions(
        self, request: bidders_pb2.ListBidderSuspensionsRequest, context: Context
    ) -> bidders_pb2.ListBidderSuspensionsResponse:
        suspensions = await self._suspensions.list_suspensions(read_suspension_query(request))
        return bidders_pb2.ListBidderSuspensionsResponse(suspensions=map(write_suspension, suspensions))

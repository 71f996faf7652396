"""What officers do about bidders at qualification-registry."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.example_profile import BIDDER, WORKS
from tests.support.officers import SigningOfficer, call, sign_and_call
from toroku.officer.v1 import proposals_pb2
from toroku.officer.v1.proposals_pb2_grpc import ProposalsStub
from toroku.qualification.v1 import bidders_pb2
from toroku.qualification.v1.bidders_pb2_grpc import BiddersStub

if TYPE_CHECKING:
    from toroku.officer.v1.proposals_pb2_grpc import ProposalsAsyncStub
    from toroku.qualification.v1.bidders_pb2_grpc import BiddersAsyncStub

REASON = "指名停止の決定があったため"


@dataclass(frozen=True, slots=True)
class BidderOfficer:
    """What an officer does about bidders; each change is an act that the officer signs."""

    person: SigningOfficer

    @property
    def _bidders(self) -> "BiddersAsyncStub":
        return BiddersStub(self.person.channel)

    @property
    def _proposals(self) -> "ProposalsAsyncStub":
        return ProposalsStub(self.person.channel)

    async def suspend(
        self, bidder_id: str = BIDDER, *, request_id: str = "", **changes: Any
    ) -> bidders_pb2.SuspendBidderResponse:
        """Suspends a bidder at the officer's agency."""
        request = bidders_pb2.SuspendBidderRequest(**self._describe(bidder_id, {"reason": REASON} | changes))
        response: bidders_pb2.SuspendBidderResponse = await sign_and_call(
            self._bidders.SuspendBidder, request, self.person, request_id=request_id
        )
        return response

    async def confirm(
        self, bidder_id: str = BIDDER, *, request_id: str = "", **changes: Any
    ) -> bidders_pb2.ConfirmBidderSuspensionResponse:
        """Confirms a suspension."""
        request = bidders_pb2.ConfirmBidderSuspensionRequest(**self._describe(bidder_id, changes))
        response: bidders_pb2.ConfirmBidderSuspensionResponse = await sign_and_call(
            self._bidders.ConfirmBidderSuspension, request, self.person, request_id=request_id
        )
        return response

    async def propose_resumption(self, bidder_id: str = BIDDER, **changes: Any) -> proposals_pb2.ProposalRecord:
        """Proposes that a suspension ends."""
        request = bidders_pb2.ResumeBidderRequest(**self._describe(bidder_id, {"reason": REASON} | changes))
        response: bidders_pb2.ResumeBidderResponse = await sign_and_call(
            self._bidders.ResumeBidder, request, self.person
        )
        return response.proposal

    async def end_review(
        self, bidder_id: str = BIDDER, *, request_id: str = "", **changes: Any
    ) -> bidders_pb2.EndReviewResponse:
        """Ends the review of a bidder at the officer's agency."""
        request = bidders_pb2.EndReviewRequest(**self._describe(bidder_id, {"reason": REASON} | changes))
        response: bidders_pb2.EndReviewResponse = await sign_and_call(
            self._bidders.EndReview, request, self.person, request_id=request_id
        )
        return response

    async def propose_link(self, bidder_id: str, predecessor: str, **changes: Any) -> proposals_pb2.ProposalRecord:
        """Proposes that a bidder took the place of another one, by a transfer unless `changes` say otherwise."""
        kind = bidders_pb2.SUCCESSION_KIND_TRANSFER
        given = {"reason": REASON, "predecessor": predecessor, "kind": kind} | changes
        request = bidders_pb2.LinkBiddersRequest(**self._describe(bidder_id, given))
        response: bidders_pb2.LinkBiddersResponse = await sign_and_call(self._bidders.LinkBidders, request, self.person)
        return response.proposal

    async def approve(self, record: proposals_pb2.ProposalRecord) -> proposals_pb2.ApproveProposalResponse:
        """Approves a proposal, as it was shown."""
        request = proposals_pb2.ApproveProposalRequest(
            proposal_id=record.proposal.proposal_id, proposal_sha256=record.proposal_sha256
        )
        response: proposals_pb2.ApproveProposalResponse = await sign_and_call(
            self._proposals.ApproveProposal, request, self.person
        )
        return response

    async def list_suspensions(self, **query: Any) -> list[bidders_pb2.BidderSuspension]:
        """Lists the suspensions of the officer's agency."""
        request = bidders_pb2.ListBidderSuspensionsRequest(**({"agency": self.person.agency} | query))
        response = await call(self._bidders.ListBidderSuspensions, request)
        return list(response.suspensions)

    def _describe(self, bidder_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        return {"agency": self.person.agency, "category": WORKS, "bidder_id": bidder_id} | changes

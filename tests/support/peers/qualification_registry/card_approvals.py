"""The officer's queue of the fake qualification-registry."""

from dataclasses import dataclass, field

from typing_extensions import override

from servicekit.context import Context
from tests.support.peers.qualification_registry.bidders import BidderSearch
from toroku.qualification.v1 import card_approvals_pb2, card_approvals_pb2_grpc

NUMBER = "000017"


@dataclass
class CardApprovalsPeer(card_approvals_pb2_grpc.CardApprovalsServicer):
    """Takes questions about cards, of searches and of renewals; once asked, those of `bidders` say so."""

    bidders: BidderSearch
    asked: list[card_approvals_pb2.AskForCardApprovalRequest] = field(default_factory=list, repr=False)
    asked_at_renewals: list[card_approvals_pb2.AskForRenewalApprovalRequest] = field(default_factory=list, repr=False)

    @override
    async def AskForCardApproval(
        self, request: card_approvals_pb2.AskForCardApprovalRequest, context: Context
    ) -> card_approvals_pb2.AskForCardApprovalResponse:
        self.bidders.receive("AskForCardApproval")
        self.bidders.require_known(request.search)
        self.asked.append(request)
        self.bidders.needs_officer = "CARD_APPROVAL_PENDING"
        return card_approvals_pb2.AskForCardApprovalResponse(number=NUMBER)

    @override
    async def AskForRenewalApproval(
        self, request: card_approvals_pb2.AskForRenewalApprovalRequest, context: Context
    ) -> card_approvals_pb2.AskForRenewalApprovalResponse:
        self.bidders.receive("AskForRenewalApproval")
        self.bidders.require_renewable(request.bidder)
        self.asked_at_renewals.append(request)
        self.bidders.needs_officer = "CARD_APPROVAL_PENDING"
        return card_approvals_pb2.AskForRenewalApprovalResponse(number=NUMBER)

"""The service CardApprovals: one method per RPC, which converts, calls one operation and converts."""

from typing_extensions import override

from officers.methods import ActMethods
from qualification_registry.convert import card_approvals as convert
from qualification_registry.convert.registry import read_entry, read_new_card
from qualification_registry.operations.card_approval_decision import CardApprovalDecision, Decision
from qualification_registry.operations.card_approval_queue import CardApprovalQueue
from servicekit.context import Context
from servicekit.identity import caller
from toroku.qualification.v1 import card_approvals_pb2, card_approvals_pb2_grpc


class CardApprovalsServicer(card_approvals_pb2_grpc.CardApprovalsServicer):
    """Cards that an agency's officer is asked about."""

    def __init__(self, *, queue: CardApprovalQueue, decision: CardApprovalDecision, acts: ActMethods) -> None:
        self._queue = queue
        self._decision = decision
        self._acts = acts

    @override
    async def AskForCardApproval(
        self, request: card_approvals_pb2.AskForCardApprovalRequest, context: Context
    ) -> card_approvals_pb2.AskForCardApprovalResponse:
        number = await self._queue.ask(read_entry(request.search), request.mail_address)
        return card_approvals_pb2.AskForCardApprovalResponse(number=number)

    @override
    async def AskForRenewalApproval(
        self, request: card_approvals_pb2.AskForRenewalApprovalRequest, context: Context
    ) -> card_approvals_pb2.AskForRenewalApprovalResponse:
        number = await self._queue.ask_at_renewal(read_new_card(request.bidder), request.mail_address)
        return card_approvals_pb2.AskForRenewalApprovalResponse(number=number)

    @override
    async def ListCardApprovals(
        self, request: card_approvals_pb2.ListCardApprovalsRequest, context: Context
    ) -> card_approvals_pb2.ListCardApprovalsResponse:
        page = await self._queue.read_page(
            request.agency,
            convert.read_states(request.state),
            after=convert.read_after(request.after),
            most=request.most,
        )
        return card_approvals_pb2.ListCardApprovalsResponse(approvals=map(convert.write_compared_card, page))

    @override
    async def DecideCardApproval(
        self, request: card_approvals_pb2.DecideCardApprovalRequest, context: Context
    ) -> card_approvals_pb2.DecideCardApprovalResponse:
        act = self._acts.read(request, caller())
        decision = Decision(
            number=request.number, card=convert.read_card(request), approve=request.approve, reason=request.reason
        )
        decided = await self._decision.decide(decision, act)
        return card_approvals_pb2.DecideCardApprovalResponse(approval=convert.write_approval(decided))

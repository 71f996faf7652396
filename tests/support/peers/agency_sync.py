"""agency-sync as the registries see it."""

from dataclasses import dataclass, field

from typing_extensions import override

from refusals import Code, Refusal
from servicekit.context import Context
from tests.support.peers.bidder_states import RecordedBidders
from toroku.agencysync.v1 import agency_sync_pb2, agency_sync_pb2_grpc
from toroku.certificate.v1 import card_state_pb2


@dataclass(kw_only=True)
class AgencySyncPeer(RecordedBidders, agency_sync_pb2_grpc.AgencySyncServicer):
    """Keeps the states of cards and bidders that it receives, in memory; `before_answer` runs in RecordCardStates and
    RecordBidderStates.
    """

    # The card states of each call.
    card_states: list[list[card_state_pb2.CardState]] = field(default_factory=list)
    # Cards whose states it does not take, by the hash of the certificate.
    refused_cards: set[bytes] = field(default_factory=set)

    @override
    async def RecordCardStates(
        self, request: agency_sync_pb2.RecordCardStatesRequest, context: Context
    ) -> agency_sync_pb2.RecordCardStatesResponse:
        self.receive("RecordCardStates")
        self.card_states.append(list(request.card_states))
        await self.run_before_answer()
        if any(state.certificate_sha256 in self.refused_cards for state in request.card_states):
            raise Refusal("CARD_STATE_INVALID", Code.INVALID_ARGUMENT, {"certificate_sha256": "", "part": "category"})
        return agency_sync_pb2.RecordCardStatesResponse()

    @override
    async def RecordBidderStates(
        self, request: agency_sync_pb2.RecordBidderStatesRequest, context: Context
    ) -> agency_sync_pb2.RecordBidderStatesResponse:
        self.keep_bidders(request.bidder_states)
        await self.run_before_answer()
        return agency_sync_pb2.RecordBidderStatesResponse()

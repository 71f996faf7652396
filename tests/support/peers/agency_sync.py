"""agency-sync as the registries see it."""

from dataclasses import dataclass, field

from typing_extensions import override

from refusals import Code, Refusal
from servicekit.context import Context
from tests.support.peers.bidder_states import RecordedBidders
from toroku.agencysync.v1 import agency_sync_pb2, agency_sync_pb2_grpc
from toroku.certificate.v1 import card_state_pb2
from toroku.contact.v1 import contact_owner_pb2


@dataclass(kw_only=True)
class AgencySyncPeer(RecordedBidders, agency_sync_pb2_grpc.AgencySyncServicer):
    """Keeps the states of cards, bidders and contacts' owners, and the heads of histories, in memory.

    `before_answer` runs in RecordCardStates, RecordBidderStates and RecordContactOwners.
    """

    # The card states of each call.
    card_states: list[list[card_state_pb2.CardState]] = field(default_factory=list)
    # Cards whose states it does not take, by the hash of the certificate.
    refused_cards: set[bytes] = field(default_factory=set)

    # The states of owners of each call.
    contact_owners: list[list[contact_owner_pb2.ContactOwnerState]] = field(default_factory=list)
    # Owners whose states it does not take.
    refused_owners: set[str] = field(default_factory=set)
    history_heads: list[agency_sync_pb2.HistoryHead] = field(default_factory=list)

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

    @override
    async def RecordContactOwners(
        self, request: agency_sync_pb2.RecordContactOwnersRequest, context: Context
    ) -> agency_sync_pb2.RecordContactOwnersResponse:
        self.receive("RecordContactOwners")
        self.contact_owners.append(list(request.owners))
        await self.run_before_answer()
        if any(owner.owner_id in self.refused_owners for owner in request.owners):
            raise Refusal("CONTACT_OWNER_INVALID", Code.INVALID_ARGUMENT, {"owner_id": "", "part": "category"})
        return agency_sync_pb2.RecordContactOwnersResponse()

    @override
    async def RecordHistoryHead(
        self, request: agency_sync_pb2.RecordHistoryHeadRequest, context: Context
    ) -> agency_sync_pb2.RecordHistoryHeadResponse:
        self.receive("RecordHistoryHead")
        assert request.service == request.head.service
        self.history_heads.append(request.head)
        return agency_sync_pb2.RecordHistoryHeadResponse()

"""agency-sync as the registries and the front door see it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from typing_extensions import override

from refusals import Code, Refusal
from servicekit.context import Context
from servicekit.messages import write_timestamp
from tests.support.peers.bidder_states import RecordedBidders
from toroku.agencysync.v1 import agency_sync_pb2, agency_sync_pb2_grpc, propagation_pb2
from toroku.certificate.v1 import card_state_pb2
from toroku.contact.v1 import owner_state_pb2


@dataclass(kw_only=True)
class AgencySyncPeer(RecordedBidders, agency_sync_pb2_grpc.AgencySyncServicer):
    """Keeps the states of cards, bidders and contacts' owners, and the heads of histories, in memory.

    `before_answer` runs in RecordCardStates, RecordBidderStates and RecordContactOwners.
    """

    # The card states of each call.
    card_states: list[list[card_state_pb2.CardState]] = field(default_factory=list)
    # Cards whose states it does not take, by the hash of the certificate.
    refused_cards: set[bytes] = field(default_factory=set)
    # What ListPropagationsOfCard returns of a card, in a category, at an agency.
    propagations: dict[tuple[bytes, str, str], list[propagation_pb2.Propagation]] = field(default_factory=dict)

    # The states of owners of each call.
    contact_owners: list[list[owner_state_pb2.ContactOwnerState]] = field(default_factory=list)
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

    @override
    async def ListPropagationsOfCard(
        self, request: agency_sync_pb2.ListPropagationsOfCardRequest, context: Context
    ) -> agency_sync_pb2.ListPropagationsOfCardResponse:
        self.receive("ListPropagationsOfCard")
        key = (request.certificate_sha256, request.category, request.agency)
        return agency_sync_pb2.ListPropagationsOfCardResponse(
            propagations=self.propagations.get(key, ()), as_of=write_timestamp(datetime(2026, 11, 27, 1, tzinfo=UTC))
        )

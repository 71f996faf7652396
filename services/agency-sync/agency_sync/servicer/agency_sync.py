"""The RPCs of agency-sync: convert, call one operation, convert."""

from typing_extensions import override

from agency_sync.convert import agency_sync as convert
from agency_sync.convert import feed as convert_feed
from agency_sync.operations.bidder_record import BidderStateRecord
from agency_sync.operations.contact_record import ContactOwnerRecord
from agency_sync.operations.history_record import HistoryHeadRecord
from agency_sync.operations.listing import PropagationListing
from agency_sync.operations.record import CardStateRecord
from servicekit.context import Context
from servicekit.identity import caller
from servicekit.messages import check_sha256, write_timestamp
from toroku.agencysync.v1 import agency_sync_pb2, agency_sync_pb2_grpc


class AgencySync(agency_sync_pb2_grpc.AgencySyncServicer):
    """The gRPC service AgencySync."""

    def __init__(
        self,
        *,
        card_state_record: CardStateRecord,
        bidder_state_record: BidderStateRecord,
        contact_owner_record: ContactOwnerRecord,
        history_head_record: HistoryHeadRecord,
        listing: PropagationListing,
    ) -> None:
        self._card_state_record = card_state_record
        self._bidder_state_record = bidder_state_record
        self._contact_owner_record = contact_owner_record
        self._history_head_record = history_head_record
        self._listing = listing

    @override
    async def RecordCardStates(
        self, request: agency_sync_pb2.RecordCardStatesRequest, context: Context
    ) -> agency_sync_pb2.RecordCardStatesResponse:
        states, unreadable = convert.read_card_states(request)
        await self._card_state_record.record(states, unreadable)
        return agency_sync_pb2.RecordCardStatesResponse()

    @override
    async def RecordBidderStates(
        self, request: agency_sync_pb2.RecordBidderStatesRequest, context: Context
    ) -> agency_sync_pb2.RecordBidderStatesResponse:
        await self._bidder_state_record.record(convert.read_bidder_states(request))
        return agency_sync_pb2.RecordBidderStatesResponse()

    @override
    async def RecordContactOwners(
        self, request: agency_sync_pb2.RecordContactOwnersRequest, context: Context
    ) -> agency_sync_pb2.RecordContactOwnersResponse:
        await self._contact_owner_record.record(convert_feed.read_contact_owners(request))
        return agency_sync_pb2.RecordContactOwnersResponse()

    @override
    async def RecordHistoryHead(
        self, request: agency_sync_pb2.RecordHistoryHeadRequest, context: Context
    ) -> agency_sync_pb2.RecordHistoryHeadResponse:
        await self._history_head_record.record(convert_feed.read_history_head(request, caller().name))
        return agency_sync_pb2.RecordHistoryHeadResponse()

    @override
    async def ListPropagations(
        self, request: agency_sync_pb2.ListPropagationsRequest, context: Context
    ) -> agency_sync_pb2.ListPropagationsResponse:
        registration_id = convert.read_registration_id(request.registration_id)
        if registration_id is None:
            return agency_sync_pb2.ListPropagationsResponse()
        propagations = await self._listing.list_propagations(registration_id, request.agency)
        return agency_sync_pb2.ListPropagationsResponse(propagations=map(convert.write_propagation, propagations))

    @override
    async def ListPropagationsOfCard(
        self, request: agency_sync_pb2.ListPropagationsOfCardRequest, context: Context
    ) -> agency_sync_pb2.ListPropagationsOfCardResponse:
        certificate_sha256 = check_sha256(request.certificate_sha256, "CERTIFICATE_SHA256_INVALID")
        propagations, as_of = await self._listing.list_of_card((certificate_sha256, request.category), request.agency)
        return agency_sync_pb2.ListPropagationsOfCardResponse(
            propagations=map(convert.write_propagation, propagations), as_of=write_timestamp(as_of)
        )

    @override
    async def GetPropagationProgress(
        self, request: agency_sync_pb2.GetPropagationProgressRequest, context: Context
    ) -> agency_sync_pb2.GetPropagationProgressResponse:
        progress, next_batch_at = await self._listing.read_progress(request.agency)
        return convert.write_progress(progress, next_batch_at)

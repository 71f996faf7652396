"""agency-sync as certificate-registry sees it."""

from dataclasses import dataclass, field

from typing_extensions import override

from servicekit.context import Context
from tests.support.peers.fake_peer import FakePeer
from toroku.agencysync.v1 import agency_sync_pb2, agency_sync_pb2_grpc
from toroku.certificate.v1 import card_pb2


@dataclass
class AgencySyncPeer(FakePeer, agency_sync_pb2_grpc.AgencySyncServicer):
    """Keeps the events that it receives, in memory."""

    events: list[card_pb2.RegistrationEvent] = field(default_factory=list)

    @override
    async def RecordRegistration(
        self, request: agency_sync_pb2.RecordRegistrationRequest, context: Context
    ) -> agency_sync_pb2.RecordRegistrationResponse:
        self.receive("RecordRegistration")
        self.events.append(request.event)
        return agency_sync_pb2.RecordRegistrationResponse()

"""agency-sync as certificate-registry sees it."""

from dataclasses import dataclass, field

from typing_extensions import override

from servicekit.context import Context
from tests.support.peers.fake_peer import FakePeer
from toroku.agencysync.v1 import service_pb2, service_pb2_grpc
from toroku.certificate.v1 import resources_pb2


@dataclass
class AgencySyncPeer(FakePeer, service_pb2_grpc.AgencySyncServicer):
    """Keeps the events that it receives, in memory."""

    events: list[resources_pb2.RegistrationEvent] = field(default_factory=list)

    @override
    async def RecordRegistration(
        self, request: service_pb2.RecordRegistrationRequest, context: Context
    ) -> service_pb2.RecordRegistrationResponse:
        self.receive("RecordRegistration")
        self.events.append(request.event)
        return service_pb2.RecordRegistrationResponse()

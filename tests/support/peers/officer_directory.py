"""A service that keeps officers, as certificate-registry sees it."""

from dataclasses import dataclass, field

from typing_extensions import override

from servicekit.context import Context
from tests.support.peers.fake_peer import FakePeer
from toroku.officer.v1 import officer_directory_pb2, officer_directory_pb2_grpc


@dataclass
class OfficerDirectoryPeer(FakePeer, officer_directory_pb2_grpc.OfficerDirectoryServicer):
    """Keeps the newest state of each officer in memory; `before_answer` runs in RecordOfficers."""

    officers: dict[str, officer_directory_pb2.OfficerState] = field(default_factory=dict)

    @override
    async def RecordOfficers(
        self, request: officer_directory_pb2.RecordOfficersRequest, context: Context
    ) -> officer_directory_pb2.RecordOfficersResponse:
        self.receive("RecordOfficers")
        for state in request.officers:
            known = self.officers.get(state.person_id)
            version = (state.version.epoch, state.version.number)
            if known is None or (known.version.epoch, known.version.number) < version:
                self.officers[state.person_id] = state
        await self.run_before_answer()
        return officer_directory_pb2.RecordOfficersResponse()

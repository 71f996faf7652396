"""The gRPC service Incidents."""

from typing_extensions import override

from certificate_registry.convert.incident import read_incidents
from certificate_registry.operations.incidents import IncidentRecord
from servicekit.context import Context
from servicekit.identity import caller
from toroku.certificate.v1 import incidents_pb2, incidents_pb2_grpc


class Incidents(incidents_pb2_grpc.IncidentsServicer):
    """What went wrong for contractors, as front door and portal tell it."""

    def __init__(self, record: IncidentRecord) -> None:
        self._record = record

    @override
    async def RecordIncidents(
        self, request: incidents_pb2.RecordIncidentsRequest, context: Context
    ) -> incidents_pb2.RecordIncidentsResponse:
        """Keeps incidents."""
        await self._record.record(read_incidents(request, caller().name))
        return incidents_pb2.RecordIncidentsResponse()

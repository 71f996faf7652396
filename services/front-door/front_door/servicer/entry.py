"""The gRPC service Entry."""

from typing_extensions import override

from front_door.convert.card_session import read_session_reference
from front_door.convert.instance import InstanceDescription
from front_door.convert.operation import read_use
from front_door.operations.entry import EntryOperation
from front_door.servicer.call import seconds_left
from front_door.servicer.input_limits import check_input
from servicekit.context import Context
from servicekit.messages import write_timestamp
from toroku.frontdoor.v1 import entry_pb2, entry_pb2_grpc


class EntryServicer(entry_pb2_grpc.EntryServicer):
    """What all operations share."""

    def __init__(self, operation: EntryOperation, description: InstanceDescription) -> None:
        self._operation = operation
        self._description = description

    @override
    async def DescribeInstance(
        self, request: entry_pb2.DescribeInstanceRequest, context: Context
    ) -> entry_pb2.DescribeInstanceResponse:
        """Returns the instance."""
        return self._description.at(*self._operation.find_opening())

    @override
    async def CheckSession(
        self, request: entry_pb2.CheckSessionRequest, context: Context
    ) -> entry_pb2.CheckSessionResponse:
        """Keeps a session from ending while a person fills in a form."""
        check_input(request)
        session = await self._operation.check_session(
            read_use(request.operation), read_session_reference(request), seconds_left(context)
        )
        return entry_pb2.CheckSessionResponse(expires_at=write_timestamp(session.expires_at))

    @override
    async def EndSession(self, request: entry_pb2.EndSessionRequest, context: Context) -> entry_pb2.EndSessionResponse:
        """Ends a session."""
        check_input(request)
        await self._operation.end_session(request.session_token, seconds_left(context))
        return entry_pb2.EndSessionResponse()

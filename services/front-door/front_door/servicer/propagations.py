"""The gRPC service Propagations."""

from typing_extensions import override

from front_door.convert.card_session import read_session_reference
from front_door.operations.propagations import PropagationsOperation
from front_door.servicer.call import seconds_left
from front_door.servicer.input_limits import check_input
from servicekit.context import Context
from servicekit.messages import write_timestamp
from toroku.frontdoor.v1 import propagations_pb2, propagations_pb2_grpc


class PropagationsServicer(propagations_pb2_grpc.PropagationsServicer):
    """How far what a card did has come at the other agencies."""

    def __init__(self, operation: PropagationsOperation) -> None:
        self._operation = operation

    @override
    async def ListOwnPropagations(
        self, request: propagations_pb2.ListOwnPropagationsRequest, context: Context
    ) -> propagations_pb2.ListOwnPropagationsResponse:
        """Lists what became of everything that the session's card did."""
        check_input(request)
        own = await self._operation.list_own(read_session_reference(request), seconds_left(context))
        return propagations_pb2.ListOwnPropagationsResponse(
            propagations=own.propagations, as_of=write_timestamp(own.as_of)
        )

"""The gRPC service Advice."""

from typing_extensions import override

from front_door.convert.advice import write_advice
from front_door.convert.card_session import (
    read_presented_card,
    read_session_reference,
    read_signed_purpose,
    write_card,
)
from front_door.operations.advice import AdviceOperation
from front_door.servicer.call import seconds_left
from front_door.servicer.input_limits import check_input
from servicekit.context import Context
from servicekit.messages import write_timestamp
from toroku.frontdoor.v1 import advice_pb2, advice_pb2_grpc


class AdviceServicer(advice_pb2_grpc.AdviceServicer):
    """Which operation is right for a card."""

    def __init__(self, operation: AdviceOperation) -> None:
        self._operation = operation

    @override
    async def BeginAdvice(
        self, request: advice_pb2.BeginAdviceRequest, context: Context
    ) -> advice_pb2.BeginAdviceResponse:
        """Returns the log-in to be signed."""
        check_input(request)
        challenge = await self._operation.begin(read_presented_card(request), seconds_left(context))
        return advice_pb2.BeginAdviceResponse(
            purpose=challenge.purpose,
            expires_at=write_timestamp(challenge.expires_at),
            card=write_card(challenge.card),
        )

    @override
    async def OpenAdviceSession(
        self, request: advice_pb2.OpenAdviceSessionRequest, context: Context
    ) -> advice_pb2.OpenAdviceSessionResponse:
        """Opens a session with the signed log-in."""
        check_input(request)
        session = await self._operation.open_session(
            read_presented_card(request), read_signed_purpose(request.log_in), seconds_left(context)
        )
        return advice_pb2.OpenAdviceSessionResponse(
            session_token=session.token,
            card=write_card(session.card),
            expires_at=write_timestamp(session.expires_at),
        )

    @override
    async def GetAdvice(self, request: advice_pb2.GetAdviceRequest, context: Context) -> advice_pb2.GetAdviceResponse:
        """Returns the advice for the session's card."""
        check_input(request)
        return write_advice(await self._operation.advise(read_session_reference(request), seconds_left(context)))

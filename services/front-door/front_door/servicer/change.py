"""The gRPC service Change."""

from typing_extensions import override

from front_door.convert.card_session import (
    read_presented_card,
    read_session_reference,
    read_signed_purpose,
    write_card,
)
from front_door.convert.change import (
    read_change_draft,
    read_change_form,
    write_change_receipt,
    write_prepared_change,
    write_registered,
)
from front_door.operations.change import ChangeOperation
from front_door.servicer.call import seconds_left
from front_door.servicer.input_limits import check_input
from servicekit.context import Context
from servicekit.messages import write_timestamp
from toroku.frontdoor.v1 import change_pb2, change_pb2_grpc


class ChangeServicer(change_pb2_grpc.ChangeServicer):
    """変更, from the log-in to the receipt."""

    def __init__(self, operation: ChangeOperation) -> None:
        self._operation = operation

    @override
    async def BeginChange(
        self, request: change_pb2.BeginChangeRequest, context: Context
    ) -> change_pb2.BeginChangeResponse:
        """Returns the log-in to be signed."""
        check_input(request)
        challenge = await self._operation.begin(read_presented_card(request), seconds_left(context))
        return change_pb2.BeginChangeResponse(
            purpose=challenge.purpose,
            expires_at=write_timestamp(challenge.expires_at),
            card=write_card(challenge.card),
        )

    @override
    async def OpenChangeSession(
        self, request: change_pb2.OpenChangeSessionRequest, context: Context
    ) -> change_pb2.OpenChangeSessionResponse:
        """Opens a session with the signed log-in."""
        check_input(request)
        session = await self._operation.open_session(
            read_presented_card(request), read_signed_purpose(request.log_in), seconds_left(context)
        )
        return change_pb2.OpenChangeSessionResponse(
            session_token=session.token,
            card=write_card(session.card),
            expires_at=write_timestamp(session.expires_at),
        )

    @override
    async def GetRegistered(
        self, request: change_pb2.GetRegisteredRequest, context: Context
    ) -> change_pb2.GetRegisteredResponse:
        """Returns what is registered."""
        check_input(request)
        registered = await self._operation.get_registered(read_session_reference(request), seconds_left(context))
        return write_registered(registered)

    @override
    async def PrepareChange(
        self, request: change_pb2.PrepareChangeRequest, context: Context
    ) -> change_pb2.PrepareChangeResponse:
        """Checks the form and returns the act to be signed."""
        check_input(request)
        prepared = await self._operation.prepare(
            read_session_reference(request), read_change_draft(request), seconds_left(context)
        )
        return write_prepared_change(prepared)

    @override
    async def SubmitChange(
        self, request: change_pb2.SubmitChangeRequest, context: Context
    ) -> change_pb2.SubmitChangeResponse:
        """Changes the contacts with the signed act."""
        check_input(request)
        receipt = await self._operation.submit(
            read_session_reference(request),
            read_change_form(request.form),
            read_signed_purpose(request.act),
            seconds_left(context),
        )
        return change_pb2.SubmitChangeResponse(receipt=write_change_receipt(receipt))

    @override
    async def GetChangeReceipt(
        self, request: change_pb2.GetChangeReceiptRequest, context: Context
    ) -> change_pb2.GetChangeReceiptResponse:
        """Returns the receipt of a change whose answer was lost."""
        check_input(request)
        receipt = await self._operation.get_receipt(
            read_session_reference(request), request.request_id, seconds_left(context)
        )
        return change_pb2.GetChangeReceiptResponse(receipt=write_change_receipt(receipt))

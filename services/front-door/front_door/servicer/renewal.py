"""The gRPC service Renewal."""

from typing_extensions import override

from front_door.convert.bidder import write_company
from front_door.convert.card_session import (
    read_presented_card,
    read_signed_purpose,
    write_card,
)
from front_door.convert.renewal import (
    read_new_session,
    read_old_session,
    read_renewal_draft,
    read_renewal_reference,
    read_signed_renewal,
    write_renewal_form,
    write_renewal_result,
    write_succession_form,
)
from front_door.operations.renewal import RenewalOperation
from front_door.servicer.call import seconds_left
from front_door.servicer.input_limits import check_input
from servicekit.context import Context
from servicekit.messages import write_timestamp
from toroku.frontdoor.v1 import renewal_pb2, renewal_pb2_grpc


class RenewalServicer(renewal_pb2_grpc.RenewalServicer):
    """ICカード更新, from the log-in of the old card to the result."""

    def __init__(self, operation: RenewalOperation) -> None:
        self._operation = operation

    @override
    async def BeginRenewal(
        self, request: renewal_pb2.BeginRenewalRequest, context: Context
    ) -> renewal_pb2.BeginRenewalResponse:
        """Returns the log-in to be signed by one of the two cards."""
        check_input(request)
        challenge = await self._operation.begin(read_presented_card(request), seconds_left(context))
        return renewal_pb2.BeginRenewalResponse(
            purpose=challenge.purpose,
            expires_at=write_timestamp(challenge.expires_at),
            card=write_card(challenge.card),
        )

    @override
    async def OpenRenewalSession(
        self, request: renewal_pb2.OpenRenewalSessionRequest, context: Context
    ) -> renewal_pb2.OpenRenewalSessionResponse:
        """Opens the session of one of the two cards."""
        check_input(request)
        session = await self._operation.open_session(
            read_presented_card(request), read_signed_purpose(request.log_in), seconds_left(context)
        )
        return renewal_pb2.OpenRenewalSessionResponse(
            session_token=session.token, card=write_card(session.card), expires_at=write_timestamp(session.expires_at)
        )

    @override
    async def PrepareSuccession(
        self, request: renewal_pb2.PrepareSuccessionRequest, context: Context
    ) -> renewal_pb2.PrepareSuccessionResponse:
        """Returns the act to be signed by the old card."""
        check_input(request)
        prepared = await self._operation.prepare_succession(
            read_old_session(request), request.request_id, request.successor_key, seconds_left(context)
        )
        return renewal_pb2.PrepareSuccessionResponse(
            purpose=prepared.act.purpose,
            expires_at=write_timestamp(prepared.act.expires_at),
            form=write_succession_form(prepared.form),
        )

    @override
    async def PrepareRenewal(
        self, request: renewal_pb2.PrepareRenewalRequest, context: Context
    ) -> renewal_pb2.PrepareRenewalResponse:
        """Checks both cards and returns the act to be signed by the new one."""
        check_input(request)
        prepared = await self._operation.prepare(
            read_renewal_reference(request), read_renewal_draft(request), seconds_left(context)
        )
        act = prepared.act
        return renewal_pb2.PrepareRenewalResponse(
            purpose=act.purpose if act is not None else b"",
            expires_at=write_timestamp(act.expires_at) if act is not None else None,
            form=write_renewal_form(prepared.form),
            company=write_company(prepared.company),
            old_card=write_card(prepared.old_card),
            new_card=write_card(prepared.new_card),
            other_agencies=prepared.other_agencies,
        )

    @override
    async def Renew(self, request: renewal_pb2.RenewRequest, context: Context) -> renewal_pb2.RenewResponse:
        """Renews with both signed acts."""
        check_input(request)
        renewal = await self._operation.renew(
            read_renewal_reference(request), read_signed_renewal(request), seconds_left(context)
        )
        return renewal_pb2.RenewResponse(result=write_renewal_result(request.form.request_id, renewal))

    @override
    async def AskForRenewalApproval(
        self, request: renewal_pb2.AskForRenewalApprovalRequest, context: Context
    ) -> renewal_pb2.AskForRenewalApprovalResponse:
        """Asks the agency's officers to approve the new card."""
        check_input(request)
        number = await self._operation.ask_for_approval(
            read_renewal_reference(request), request.mail_address, seconds_left(context)
        )
        return renewal_pb2.AskForRenewalApprovalResponse(number=number)

    @override
    async def GetRenewalResult(
        self, request: renewal_pb2.GetRenewalResultRequest, context: Context
    ) -> renewal_pb2.GetRenewalResultResponse:
        """Returns the result of a renewal whose answer was lost."""
        check_input(request)
        renewal = await self._operation.get_result(read_new_session(request), request.request_id, seconds_left(context))
        return renewal_pb2.GetRenewalResultResponse(result=write_renewal_result(request.request_id, renewal))

"""The gRPC service Registration."""

from typing_extensions import override

from front_door.convert.bidder import read_bidder_proof, write_bidder_proof, write_company
from front_door.convert.card_session import (
    read_presented_card,
    read_session_reference,
    read_signed_purpose,
    write_card,
    write_standing,
)
from front_door.convert.contact import write_contact
from front_door.convert.registration import read_registration_draft, write_receipt, write_registration_form
from front_door.domain.bidder import BidderSearch
from front_door.operations.registration import RegistrationOperation
from front_door.servicer.call import seconds_left
from front_door.servicer.input_limits import check_input
from servicekit.context import Context
from servicekit.messages import write_timestamp
from toroku.frontdoor.v1 import registration_pb2, registration_pb2_grpc


class RegistrationServicer(registration_pb2_grpc.RegistrationServicer):
    """登録, from the log-in to the receipt."""

    def __init__(self, operation: RegistrationOperation) -> None:
        self._operation = operation

    @override
    async def BeginRegistration(
        self, request: registration_pb2.BeginRegistrationRequest, context: Context
    ) -> registration_pb2.BeginRegistrationResponse:
        """Returns the log-in to be signed."""
        check_input(request)
        challenge = await self._operation.begin(read_presented_card(request), seconds_left(context))
        return registration_pb2.BeginRegistrationResponse(
            purpose=challenge.purpose,
            expires_at=write_timestamp(challenge.expires_at),
            card=write_card(challenge.card),
        )

    @override
    async def OpenSession(
        self, request: registration_pb2.OpenSessionRequest, context: Context
    ) -> registration_pb2.OpenSessionResponse:
        """Opens a session with the signed log-in."""
        check_input(request)
        session = await self._operation.open_session(
            read_presented_card(request), read_signed_purpose(request.log_in), seconds_left(context)
        )
        return registration_pb2.OpenSessionResponse(
            session_token=session.token,
            card=write_card(session.card),
            standing=write_standing(session.standing),
            expires_at=write_timestamp(session.expires_at),
        )

    @override
    async def FindBidder(
        self, request: registration_pb2.FindBidderRequest, context: Context
    ) -> registration_pb2.FindBidderResponse:
        """Finds the bidder on the roster."""
        check_input(request)
        search = BidderSearch(name=request.name, bidder_id=request.bidder_id, password=request.password)
        result = await self._operation.find_bidder(read_session_reference(request), search, seconds_left(context))
        contact = result.representative_contact
        return registration_pb2.FindBidderResponse(
            company=write_company(result.bidder.company),
            proof=write_bidder_proof(result.bidder.proof),
            representative_contact_wanted=result.representative_contact_required,
            representative_contact=write_contact(contact) if contact is not None else None,
        )

    @override
    async def AskForApproval(
        self, request: registration_pb2.AskForApprovalRequest, context: Context
    ) -> registration_pb2.AskForApprovalResponse:
        """Asks the agency's officers to approve the card."""
        check_input(request)
        search = BidderSearch(name=request.name, bidder_id=request.bidder_id, password=request.password)
        number = await self._operation.ask_for_approval(
            read_session_reference(request), search, request.mail_address, seconds_left(context)
        )
        return registration_pb2.AskForApprovalResponse(number=number)

    @override
    async def PrepareRegistration(
        self, request: registration_pb2.PrepareRegistrationRequest, context: Context
    ) -> registration_pb2.PrepareRegistrationResponse:
        """Checks the form and returns the act to be signed."""
        check_input(request)
        prepared = await self._operation.prepare(
            read_session_reference(request), read_registration_draft(request), seconds_left(context)
        )
        contact, act = prepared.representative_contact, prepared.act
        return registration_pb2.PrepareRegistrationResponse(
            purpose=act.purpose if act is not None else b"",
            expires_at=write_timestamp(act.expires_at) if act is not None else None,
            form=write_registration_form(prepared.form),
            company=write_company(prepared.company),
            card=write_card(prepared.card),
            representative_contact=write_contact(contact) if contact is not None else None,
        )

    @override
    async def Register(
        self, request: registration_pb2.RegisterRequest, context: Context
    ) -> registration_pb2.RegisterResponse:
        """Registers with the signed act."""
        check_input(request)
        receipt = await self._operation.register(
            read_session_reference(request),
            read_bidder_proof(request.proof),
            request.request_id,
            read_signed_purpose(request.act),
            request.predecessor_serial,
            seconds_left(context),
        )
        return registration_pb2.RegisterResponse(receipt=write_receipt(receipt))

    @override
    async def GetReceipt(
        self, request: registration_pb2.GetReceiptRequest, context: Context
    ) -> registration_pb2.GetReceiptResponse:
        """Returns the receipt of a registration whose answer was lost."""
        check_input(request)
        receipt = await self._operation.get_receipt(
            read_session_reference(request), request.request_id, seconds_left(context)
        )
        return registration_pb2.GetReceiptResponse(receipt=write_receipt(receipt))

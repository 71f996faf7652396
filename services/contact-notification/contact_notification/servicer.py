"""The RPCs of contact-notification: convert, call one operation, convert."""

from typing_extensions import override

from contact_notification import convert
from contact_notification.operations.card_states import CardStates
from contact_notification.operations.contacts import ContactReading
from contact_notification.operations.notices import Notices
from contact_notification.operations.staging import Staging
from servicekit.context import Context
from servicekit.messages import check_request_id, write_timestamp
from toroku.contact.v1 import contact_notification_pb2, contact_notification_pb2_grpc


class ContactNotification(contact_notification_pb2_grpc.ContactNotificationServicer):
    """The gRPC service ContactNotification."""

    def __init__(
        self, *, staging: Staging, contacts: ContactReading, card_states: CardStates, notices: Notices
    ) -> None:
        self._staging = staging
        self._contacts = contacts
        self._card_states = card_states
        self._notices = notices

    @override
    async def StageContacts(
        self, request: contact_notification_pb2.StageContactsRequest, context: Context
    ) -> contact_notification_pb2.StageContactsResponse:
        staging_request = convert.read_staging_request(request)
        if request.validate_only:
            expires_at, existing = None, await self._staging.check(staging_request)
        else:
            expires_at, existing = await self._staging.stage(staging_request)
        return contact_notification_pb2.StageContactsResponse(
            expires_at=write_timestamp(expires_at) if expires_at is not None else None,
            representative_contact=convert.write_contact(existing) if existing is not None else None,
        )

    @override
    async def GetStagedContacts(
        self, request: contact_notification_pb2.GetStagedContactsRequest, context: Context
    ) -> contact_notification_pb2.GetStagedContactsResponse:
        certificate_sha256 = convert.read_certificate_sha256(request.certificate_sha256)
        request_id = check_request_id(request.request_id)
        staged = await self._contacts.get_staged_contacts(certificate_sha256, request_id)
        return convert.write_staged_contacts_response(staged)

    @override
    async def GetRepresentativeContact(
        self, request: contact_notification_pb2.GetRepresentativeContactRequest, context: Context
    ) -> contact_notification_pb2.GetRepresentativeContactResponse:
        contact = await self._contacts.find_representative_contact(request.bidder_id, request.category)
        return contact_notification_pb2.GetRepresentativeContactResponse(
            contact=convert.write_contact(contact) if contact is not None else None
        )

    @override
    async def RecordCardStates(
        self, request: contact_notification_pb2.RecordCardStatesRequest, context: Context
    ) -> contact_notification_pb2.RecordCardStatesResponse:
        states, unreadable = convert.read_card_states(request)
        await self._card_states.record(states, unreadable)
        return contact_notification_pb2.RecordCardStatesResponse()

    @override
    async def SendNotices(
        self, request: contact_notification_pb2.SendNoticesRequest, context: Context
    ) -> contact_notification_pb2.SendNoticesResponse:
        await self._notices.send(convert.read_notices(request))
        return contact_notification_pb2.SendNoticesResponse()

    @override
    async def GetContact(
        self, request: contact_notification_pb2.GetContactRequest, context: Context
    ) -> contact_notification_pb2.GetContactResponse:
        contact = await self._contacts.get_contact(convert.read_contact_query(request))
        return contact_notification_pb2.GetContactResponse(contact=convert.write_contact(contact))

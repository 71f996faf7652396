"""The RPCs of contact-notification: convert, call one operation, convert."""

from typing_extensions import override

from contact_notification.convert import card_states as convert_states
from contact_notification.convert import changes as convert_changes
from contact_notification.convert import contacts as convert_contacts
from contact_notification.convert import notices as convert_notices
from contact_notification.convert import owner_states as convert_owners
from contact_notification.convert.texts import read_certificate_sha256
from contact_notification.operations.card_states import CardStates
from contact_notification.operations.changes import ContactChanges
from contact_notification.operations.contacts import ContactReading
from contact_notification.operations.notices import Notices
from contact_notification.operations.propagation import ChangePropagation
from contact_notification.operations.staging import Staging
from servicekit.context import Context
from servicekit.messages import check_request_id, write_timestamp
from toroku.contact.v1 import contact_notification_pb2, contact_notification_pb2_grpc


class ContactNotification(contact_notification_pb2_grpc.ContactNotificationServicer):
    """The gRPC service ContactNotification."""

    def __init__(
        self,
        *,
        staging: Staging,
        contacts: ContactReading,
        changes: ContactChanges,
        propagation: ChangePropagation,
        card_states: CardStates,
        notices: Notices,
    ) -> None:
        self._staging = staging
        self._contacts = contacts
        self._changes = changes
        self._propagation = propagation
        self._card_states = card_states
        self._notices = notices

    @override
    async def StageContacts(
        self, request: contact_notification_pb2.StageContactsRequest, context: Context
    ) -> contact_notification_pb2.StageContactsResponse:
        staging_request = convert_contacts.read_staging_request(request)
        if request.validate_only:
            expires_at, existing = None, await self._staging.check(staging_request)
        else:
            expires_at, existing = await self._staging.stage(staging_request)
        return contact_notification_pb2.StageContactsResponse(
            expires_at=write_timestamp(expires_at) if expires_at is not None else None,
            representative_contact=convert_contacts.write_contact(existing) if existing is not None else None,
        )

    @override
    async def GetStagedContacts(
        self, request: contact_notification_pb2.GetStagedContactsRequest, context: Context
    ) -> contact_notification_pb2.GetStagedContactsResponse:
        certificate_sha256 = read_certificate_sha256(request.certificate_sha256)
        request_id = check_request_id(request.request_id)
        staged = await self._contacts.get_staged_contacts(certificate_sha256, request_id)
        return convert_contacts.write_staged_contacts_response(staged)

    @override
    async def GetRepresentativeContact(
        self, request: contact_notification_pb2.GetRepresentativeContactRequest, context: Context
    ) -> contact_notification_pb2.GetRepresentativeContactResponse:
        contact = await self._contacts.find_representative_contact(request.bidder_id, request.category)
        return contact_notification_pb2.GetRepresentativeContactResponse(
            contact=convert_contacts.write_contact(contact) if contact is not None else None
        )

    @override
    async def GetRegisteredContacts(
        self, request: contact_notification_pb2.GetRegisteredContactsRequest, context: Context
    ) -> contact_notification_pb2.GetRegisteredContactsResponse:
        registered = await self._changes.find_registered(
            read_certificate_sha256(request.certificate_sha256), request.bidder_id, request.category
        )
        return convert_changes.write_registered_response(registered)

    @override
    async def CheckChange(
        self, request: contact_notification_pb2.CheckChangeRequest, context: Context
    ) -> contact_notification_pb2.CheckChangeResponse:
        changed_fields, registered = await self._changes.check(convert_changes.read_change(request))
        return convert_changes.write_check_response(changed_fields, registered)

    @override
    async def CommitChange(
        self, request: contact_notification_pb2.CommitChangeRequest, context: Context
    ) -> contact_notification_pb2.CommitChangeResponse:
        proof = convert_changes.read_act_proof(request.proof)
        change, history_receipt = await self._changes.commit(
            proof,
            convert_changes.read_act_statement(proof),
            convert_changes.read_signed_purpose(request.act),
            convert_changes.read_change_form(request.form),
            convert_contacts.read_company(request.company),
        )
        committed = convert_changes.write_committed_change(change, history_receipt)
        return contact_notification_pb2.CommitChangeResponse(change=committed)

    @override
    async def GetChange(
        self, request: contact_notification_pb2.GetChangeRequest, context: Context
    ) -> contact_notification_pb2.GetChangeResponse:
        certificate_sha256 = read_certificate_sha256(request.certificate_sha256)
        change, history_receipt = await self._changes.get(certificate_sha256, check_request_id(request.request_id))
        committed = convert_changes.write_committed_change(change, history_receipt)
        return contact_notification_pb2.GetChangeResponse(change=committed)

    @override
    async def RecordCardStates(
        self, request: contact_notification_pb2.RecordCardStatesRequest, context: Context
    ) -> contact_notification_pb2.RecordCardStatesResponse:
        states, unreadable = convert_states.read_card_states(request)
        await self._card_states.record(states, unreadable)
        return contact_notification_pb2.RecordCardStatesResponse()

    @override
    async def SendNotices(
        self, request: contact_notification_pb2.SendNoticesRequest, context: Context
    ) -> contact_notification_pb2.SendNoticesResponse:
        await self._notices.send(convert_notices.read_notices(request))
        return contact_notification_pb2.SendNoticesResponse()

    @override
    async def PropagateChanges(
        self, request: contact_notification_pb2.PropagateChangesRequest, context: Context
    ) -> contact_notification_pb2.PropagateChangesResponse:
        unknown = await self._propagation.propagate(convert_owners.read_agency_changes(request))
        return convert_owners.write_propagate_response(unknown)

    @override
    async def GetContact(
        self, request: contact_notification_pb2.GetContactRequest, context: Context
    ) -> contact_notification_pb2.GetContactResponse:
        contact = await self._contacts.get_contact(convert_contacts.read_contact_query(request))
        return convert_contacts.write_counting_contact(contact)

"""One method per RPC: convert, call, convert."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from contact_notification import convert, store
from contact_notification.mail import domain_of
from contact_notification.registrations import record_registration
from contact_notification.staging import Staging
from instance_profile.model import Profile
from refusals import Code, Refusal
from servicekit.clock import now
from servicekit.database import Database
from servicekit.messages import check_request_id
from toroku.contact.v1 import resources_pb2, service_pb2, service_pb2_grpc

if TYPE_CHECKING:
    from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryAsyncStub


class ContactNotification(service_pb2_grpc.ContactNotificationServicer):
    """The service of contacts and mails. `sender` is the address that mails come from."""

    def __init__(
        self,
        *,
        database: Database,
        profile: Profile,
        registry: "CertificateRegistryAsyncStub",
        sender: str,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._profile = profile
        self._mail_domain = domain_of(sender)
        self._staging = Staging(database=database, profile=profile, registry=registry, mail_domain=self._mail_domain)
        self._clock = clock

    async def StageContacts(
        self, request: service_pb2.StageContactsRequest, context: Any
    ) -> service_pb2.StageContactsResponse:
        """See the proto file."""
        wanted = convert.staging_request(request)
        if request.validate_only:
            await self._staging.check_only(wanted, self._clock())
            return service_pb2.StageContactsResponse()
        expires_at = await self._staging.stage(wanted, self._clock())
        timestamp = Timestamp()
        timestamp.FromDatetime(expires_at.astimezone(UTC))
        return service_pb2.StageContactsResponse(expires_at=timestamp)

    async def GetStagedContacts(
        self, request: service_pb2.GetStagedContactsRequest, context: Any
    ) -> service_pb2.GetStagedContactsResponse:
        """See the proto file."""
        certificate_sha256 = convert.certificate_sha256(request.certificate_sha256)
        request_id = check_request_id(request.request_id)
        async with self._database.read() as connection:
            staged = await store.staged(connection, certificate_sha256, request_id)
            if staged is None:
                raise Refusal("CONTACTS_NOT_STAGED", Code.NOT_FOUND)
            card_contact = await store.contact(connection, staged.card_contact_id)
            representative_id = staged.representative_contact_id or await store.representative_contact_id(
                connection, staged.company.bidder_id, staged.category
            )
            representative = await store.contact(connection, representative_id) if representative_id else None
        return service_pb2.GetStagedContactsResponse(
            company=convert.company_profile(staged.company),
            card_contact=convert.contact_message(card_contact),
            representative_contact=convert.contact_message(representative) if representative else None,
        )

    async def GetRepresentativeContact(
        self, request: service_pb2.GetRepresentativeContactRequest, context: Any
    ) -> service_pb2.GetRepresentativeContactResponse:
        """See the proto file."""
        if not self._is_bidder_id(request.bidder_id) or not self._is_category(request.category):
            return service_pb2.GetRepresentativeContactResponse()
        async with self._database.read() as connection:
            contact_id = await store.representative_contact_id(connection, request.bidder_id, request.category)
            found = await store.contact(connection, contact_id) if contact_id else None
        return service_pb2.GetRepresentativeContactResponse(contact=convert.contact_message(found) if found else None)

    async def RecordRegistration(
        self, request: service_pb2.RecordRegistrationRequest, context: Any
    ) -> service_pb2.RecordRegistrationResponse:
        """See the proto file."""
        event = convert.registration_event(request.event)
        await record_registration(event, database=self._database, mail_domain=self._mail_domain, now=self._clock())
        return service_pb2.RecordRegistrationResponse()

    async def GetContact(self, request: service_pb2.GetContactRequest, context: Any) -> service_pb2.GetContactResponse:
        """See the proto file."""
        # What can't be there is not looked up: a NUL in a text would be an error of the database.
        known = self._is_bidder_id(request.bidder_id) and self._is_category(request.category)
        place = (request.agency, request.category, request.bidder_id)
        async with self._database.read() as connection:
            if request.purpose == resources_pb2.CONTACT_PURPOSE_REPRESENTATIVE:
                found = await store.representative_contact_for(connection, *place) if known else None
            elif request.purpose == resources_pb2.CONTACT_PURPOSE_CARD:
                certificate_sha256 = convert.certificate_sha256(request.certificate_sha256)
                found = await store.card_contact_for(connection, *place, certificate_sha256) if known else None
            else:
                raise Refusal("CONTACT_PURPOSE_INVALID", Code.INVALID_ARGUMENT)
        if found is None:
            raise Refusal("CONTACT_NOT_FOUND", Code.NOT_FOUND)
        return service_pb2.GetContactResponse(contact=convert.contact_message(found))

    def _is_bidder_id(self, text: str) -> bool:
        return re.fullmatch(self._profile.bidder_id.pattern, text) is not None

    def _is_category(self, code: str) -> bool:
        return any(category.code == code for category in self._profile.categories)

"""contact-notification: contacts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from front_door.adapters import SecondsLeft
from front_door.convert.bidder import write_company
from front_door.convert.contact import read_contact, read_staged_contacts, write_contact_form
from front_door.convert.registration import hash_request
from front_door.domain.bidder import CompanyProfile
from front_door.domain.contact import Contact, StagedContacts
from front_door.domain.registration import RegistrationDraft, RegistrationForm
from toroku.contact.v1 import contact_notification_pb2

if TYPE_CHECKING:
    from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationAsyncStub


@dataclass(frozen=True, slots=True)
class ContactNotification:
    """contact-notification, over its stub."""

    stub: "ContactNotificationAsyncStub"

    async def stage_contacts(
        self,
        certificate_sha256: bytes,
        draft: RegistrationDraft,
        form: RegistrationForm,
        company: CompanyProfile,
        seconds_left: SecondsLeft,
    ) -> Contact | None:
        """Checks the contacts of a draft and, unless it is a dry run, keeps them as pending.

        Returns the representative contact that the bidder has already; None where there is none.
        """
        representative = draft.representative_contact
        request = contact_notification_pb2.StageContactsRequest(
            request_id=form.request_id,
            certificate_sha256=certificate_sha256,
            agency=form.agency,
            category=form.category,
            company=write_company(company),
            card_contact=write_contact_form(draft.card_contact),
            representative_contact=write_contact_form(representative) if representative is not None else None,
            person_in_charge=form.person_in_charge,
            request_sha256=hash_request(form),
            validate_only=draft.validate_only,
        )
        response = await self.stub.StageContacts(request, timeout=seconds_left())
        return read_contact(response.representative_contact) if response.HasField("representative_contact") else None

    async def get_staged_contacts(
        self, certificate_sha256: bytes, request_id: str, seconds_left: SecondsLeft
    ) -> StagedContacts:
        """Returns what was staged for a card under a request id, pending or active."""
        request = contact_notification_pb2.GetStagedContactsRequest(
            certificate_sha256=certificate_sha256, request_id=request_id
        )
        return read_staged_contacts(await self.stub.GetStagedContacts(request, timeout=seconds_left()))

    async def find_representative_contact(
        self, bidder_id: str, category: str, seconds_left: SecondsLeft
    ) -> Contact | None:
        """Returns the representative contact of a bidder in a category; None where there is none."""
        request = contact_notification_pb2.GetRepresentativeContactRequest(bidder_id=bidder_id, category=category)
        response = await self.stub.GetRepresentativeContact(request, timeout=seconds_left())
        return read_contact(response.contact) if response.HasField("contact") else None

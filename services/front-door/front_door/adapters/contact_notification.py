"""contact-notification: contacts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from front_door.adapters import SecondsLeft
from front_door.convert.bidder import write_company
from front_door.convert.card_session import write_signed_purpose
from front_door.convert.change import (
    read_committed_change,
    write_act_proof,
    write_canonical_form,
    write_contact_change,
)
from front_door.convert.contact import (
    read_contact,
    read_registered_contacts,
    read_staged_contacts,
    write_contact_form,
)
from front_door.convert.registration import hash_request
from front_door.domain.bidder import CompanyProfile
from front_door.domain.card_session import SignedPurpose
from front_door.domain.change import ActProof, ChangeForm, CommittedChange, ContactChange, RegisteredCard
from front_door.domain.contact import Contact, RegisteredContacts, StagedContacts
from front_door.domain.registration import RegistrationDraft, RegistrationForm
from refusals import Refusal
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

    async def get_registered_contacts(
        self, registered: RegisteredCard, category: str, seconds_left: SecondsLeft
    ) -> RegisteredContacts:
        """Returns the newest contacts of a card and its bidder in a category."""
        request = contact_notification_pb2.GetRegisteredContactsRequest(
            certificate_sha256=registered.card.certificate_sha256,
            category=category,
            bidder_id=registered.state.bidder_id,
        )
        return read_registered_contacts(await self.stub.GetRegisteredContacts(request, timeout=seconds_left()))

    async def check_change(
        self, registered: RegisteredCard, category: str, change: ContactChange, seconds_left: SecondsLeft
    ) -> tuple[str, ...]:
        """Returns the fields that new contacts change, as "card_contact.telephone", in the form's order."""
        request = contact_notification_pb2.CheckChangeRequest(
            certificate_sha256=registered.card.certificate_sha256,
            agency=registered.registration.agency,
            category=category,
            bidder_id=registered.state.bidder_id,
            change=write_contact_change(change),
        )
        return tuple((await self.stub.CheckChange(request, timeout=seconds_left())).changed_fields)

    async def commit_change(
        self,
        proof: ActProof,
        act: SignedPurpose,
        form: ChangeForm,
        company: CompanyProfile,
        seconds_left: SecondsLeft,
    ) -> CommittedChange:
        """Changes contacts by an act that was proven, or returns what the same request changed before."""
        request = contact_notification_pb2.CommitChangeRequest(
            proof=write_act_proof(proof),
            act=write_signed_purpose(act),
            form=write_canonical_form(form),
            company=write_company(company),
        )
        return read_committed_change((await self.stub.CommitChange(request, timeout=seconds_left())).change)

    async def find_change(
        self, certificate_sha256: bytes, request_id: str, seconds_left: SecondsLeft
    ) -> CommittedChange | None:
        """Returns the change that a request of a card made; None where it made none."""
        request = contact_notification_pb2.GetChangeRequest(
            certificate_sha256=certificate_sha256, request_id=request_id
        )
        try:
            return read_committed_change((await self.stub.GetChange(request, timeout=seconds_left())).change)
        except Refusal as refusal:
            if refusal.reason != "CHANGE_NOT_FOUND":
                raise
            return None

"""contact-notification as the front door and registries see it; contacts and notices are checked by the real rules."""

from dataclasses import dataclass, field

from google.protobuf.json_format import MessageToDict
from typing_extensions import override

from contact_notification.convert.notices import read_notices
from instance_profile.field_rules import check_contact, check_person_in_charge, refuse_violations
from refusals import Code, Refusal
from servicekit.context import Context
from tests.support.peers.contact_changes import ContactChangesPeer
from toroku.certificate.v1 import card_state_pb2
from toroku.contact.v1 import contact_notification_pb2, contact_pb2


@dataclass(kw_only=True)
class ContactNotificationPeer(ContactChangesPeer):
    """Keeps staged contacts, card states and notices in memory.

    `before_answer` runs in GetStagedContacts, RecordCardStates, SendNotices and CommitChange.
    """

    # Staged contacts by card and request id.
    staged: dict[tuple[bytes, str], contact_notification_pb2.StageContactsRequest] = field(default_factory=dict)
    # Representative contacts by bidder and category.
    representatives: dict[tuple[str, str], contact_pb2.Contact] = field(default_factory=dict)
    # The card states of each call, and the notices as they came, repetitions too.
    card_states: list[list[card_state_pb2.CardState]] = field(default_factory=list)
    # Notices that it does not take, by id.
    refused_notices: set[str] = field(default_factory=set)
    # Cards whose states it does not take, by the hash of the certificate.
    refused_cards: set[bytes] = field(default_factory=set)
    notices: list[contact_pb2.Notice] = field(default_factory=list)

    @override
    async def StageContacts(
        self, request: contact_notification_pb2.StageContactsRequest, context: Context
    ) -> contact_notification_pb2.StageContactsResponse:
        self.receive("StageContacts" + (" dry" if request.validate_only else ""))
        category = self.profile.category(request.category)
        violations = []
        for name in ("card_contact", "representative_contact"):
            if request.HasField(name) or name == "card_contact":
                form: contact_pb2.ContactForm = getattr(request, name)
                values = MessageToDict(form.contact, preserving_proto_field_name=True)
                violations += check_contact(category, values, mail_address_again=form.mail_address_again, path=name)
        violations += check_person_in_charge(request.person_in_charge)
        refuse_violations(violations)
        key = (request.certificate_sha256, request.request_id)
        if key in self.staged and self.staged[key].request_sha256 != request.request_sha256:
            raise Refusal("REQUEST_ID_REUSED", Code.ALREADY_EXISTS)
        if not request.validate_only:
            self.staged[key] = request
        return contact_notification_pb2.StageContactsResponse(
            representative_contact=self.representatives.get((request.company.bidder_id, request.category))
        )

    @override
    async def GetStagedContacts(
        self, request: contact_notification_pb2.GetStagedContactsRequest, context: Context
    ) -> contact_notification_pb2.GetStagedContactsResponse:
        self.receive("GetStagedContacts")
        await self.run_before_answer()
        staged = self.staged.get((request.certificate_sha256, request.request_id))
        if staged is None:
            raise Refusal("CONTACTS_NOT_STAGED", Code.NOT_FOUND)
        response = contact_notification_pb2.GetStagedContactsResponse(
            company=staged.company,
            card_contact=staged.card_contact.contact,
            person_in_charge=staged.person_in_charge,
        )
        representative = self.representatives.get((staged.company.bidder_id, staged.category))
        if staged.HasField("representative_contact"):
            response.representative_contact.CopyFrom(staged.representative_contact.contact)
        elif representative is not None:
            response.representative_contact.CopyFrom(representative)
        return response

    @override
    async def GetRepresentativeContact(
        self, request: contact_notification_pb2.GetRepresentativeContactRequest, context: Context
    ) -> contact_notification_pb2.GetRepresentativeContactResponse:
        self.receive("GetRepresentativeContact")
        return contact_notification_pb2.GetRepresentativeContactResponse(
            contact=self.representatives.get((request.bidder_id, request.category))
        )

    @override
    async def RecordCardStates(
        self, request: contact_notification_pb2.RecordCardStatesRequest, context: Context
    ) -> contact_notification_pb2.RecordCardStatesResponse:
        self.receive("RecordCardStates")
        self.card_states.append(list(request.card_states))
        await self.run_before_answer()
        if any(state.certificate_sha256 in self.refused_cards for state in request.card_states):
            raise Refusal("CARD_STATE_INVALID", Code.INVALID_ARGUMENT, {"certificate_sha256": "", "part": "category"})
        return contact_notification_pb2.RecordCardStatesResponse()

    @override
    async def SendNotices(
        self, request: contact_notification_pb2.SendNoticesRequest, context: Context
    ) -> contact_notification_pb2.SendNoticesResponse:
        self.receive("SendNotices")
        read_notices(request)
        self.notices += request.notices
        await self.run_before_answer()
        if any(notice.notice_id in self.refused_notices for notice in request.notices):
            raise Refusal("NOTICE_INVALID", Code.INVALID_ARGUMENT, {"part": "recipients"})
        return contact_notification_pb2.SendNoticesResponse()

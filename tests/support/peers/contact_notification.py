"""contact-notification as the front door sees it: staging by the real field rules, and what was staged."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict

from instance_profile.field_rules import check_contact, refuse_violations
from instance_profile.model import Profile
from refusals import Code, Refusal
from toroku.contact.v1 import resources_pb2, service_pb2, service_pb2_grpc


@dataclass(slots=True)
class ContactsPeer(service_pb2_grpc.ContactNotificationServicer):
    """Keeps what was staged by card and request id, and representative contacts by bidder and category; in memory."""

    profile: Profile
    staged: dict[tuple[bytes, str], service_pb2.StageContactsRequest] = field(default_factory=dict)
    representatives: dict[tuple[str, str], resources_pb2.Contact] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    # Runs before the staged contacts are told; may raise.
    before_telling: Callable[[], None] | None = None

    async def StageContacts(
        self, request: service_pb2.StageContactsRequest, context: Any
    ) -> service_pb2.StageContactsResponse:
        self.calls["StageContacts" + (" dry" if request.validate_only else "")] += 1
        category = self.profile.category(request.category)
        violations = []
        for name in ("card_contact", "representative_contact"):
            if request.HasField(name) or name == "card_contact":
                form: resources_pb2.ContactForm = getattr(request, name)
                values = MessageToDict(form.contact, preserving_proto_field_name=True)
                violations += check_contact(category, values, mail_address_again=form.mail_address_again, path=name)
        refuse_violations(violations)
        key = (request.certificate_sha256, request.request_id)
        if key in self.staged and self.staged[key].request_sha256 != request.request_sha256:
            raise Refusal("REQUEST_ID_REUSED", Code.ALREADY_EXISTS)
        if not request.validate_only:
            self.staged[key] = request
        return service_pb2.StageContactsResponse()

    async def GetStagedContacts(
        self, request: service_pb2.GetStagedContactsRequest, context: Any
    ) -> service_pb2.GetStagedContactsResponse:
        self.calls["GetStagedContacts"] += 1
        if self.before_telling is not None:
            self.before_telling()
        staged = self.staged.get((request.certificate_sha256, request.request_id))
        if staged is None:
            raise Refusal("CONTACTS_NOT_STAGED", Code.NOT_FOUND)
        response = service_pb2.GetStagedContactsResponse(
            company=staged.company, card_contact=staged.card_contact.contact
        )
        standing = self.representatives.get((staged.company.bidder_id, staged.category))
        if staged.HasField("representative_contact"):
            response.representative_contact.CopyFrom(staged.representative_contact.contact)
        elif standing is not None:
            response.representative_contact.CopyFrom(standing)
        return response

    async def GetRepresentativeContact(
        self, request: service_pb2.GetRepresentativeContactRequest, context: Any
    ) -> service_pb2.GetRepresentativeContactResponse:
        self.calls["GetRepresentativeContact"] += 1
        return service_pb2.GetRepresentativeContactResponse(
            contact=self.representatives.get((request.bidder_id, request.category))
        )

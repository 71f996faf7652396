"""A contractor with a registered card in software, who changes contacts over gRPC step by step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from refusals.status import from_rpc_error
from simulators.certificate_authorities import IssuedCard
from tests.support.contractor import Contractor, form_of, signed
from toroku.act.v1 import signed_purpose_pb2
from toroku.contact.v1 import contact_pb2
from toroku.frontdoor.v1 import change_pb2, change_pb2_grpc


@dataclass(slots=True)
class ChangingContractor:
    """Who changes contacts, with which card. Each step stores what the next one needs; refusals are raised as Refusal.

    `card_contact` and `representative_contact` are what is registered, after `look`; a test alters them.
    """

    channel: grpc.aio.Channel
    card: IssuedCard
    agency: str
    category: str
    request_id: str = field(default_factory=lambda: str(uuid4()))
    propagate: bool = True
    # Sent with every call where it is set (W3C Trace Context).
    traceparent: str = ""
    log_in_purpose: bytes = b""
    session_token: str = field(default="", repr=False)
    registered: change_pb2.GetRegisteredResponse = field(default_factory=change_pb2.GetRegisteredResponse)
    card_contact: contact_pb2.Contact = field(default_factory=contact_pb2.Contact)
    representative_contact: contact_pb2.Contact = field(default_factory=contact_pb2.Contact)
    prepared: change_pb2.PrepareChangeResponse = field(default_factory=change_pb2.PrepareChangeResponse)

    @classmethod
    def of(
        cls, contractor: Contractor, *, agency: str = "", request_id: str = "", propagate: bool = True
    ) -> "ChangingContractor":
        """Returns a contractor who registered, at its change; at its agency unless another one is given."""
        return cls(
            channel=contractor.channel,
            card=contractor.card,
            agency=agency or contractor.agency,
            category=contractor.category,
            request_id=request_id or str(uuid4()),
            propagate=propagate,
        )

    async def begin(self, resume: str = "") -> change_pb2.BeginChangeResponse:
        """Step 1: the certificate is checked, the log-in is returned."""
        request = change_pb2.BeginChangeRequest(
            agency=self.agency, category=self.category, certificate=self.card.der, resume_request_id=resume
        )
        response: change_pb2.BeginChangeResponse = await self.call("BeginChange", request)
        self.log_in_purpose = response.purpose
        return response

    async def log_in(self, resume: str = "") -> change_pb2.OpenChangeSessionResponse:
        """Step 2: the signed log-in opens a session."""
        request = change_pb2.OpenChangeSessionRequest(
            agency=self.agency,
            category=self.category,
            certificate=self.card.der,
            log_in=signed(self.card, self.log_in_purpose),
            resume_request_id=resume,
        )
        response: change_pb2.OpenChangeSessionResponse = await self.call("OpenChangeSession", request)
        self.session_token = response.session_token
        return response

    async def enter(self, resume: str = "") -> None:
        """Steps 1 and 2."""
        await self.begin(resume)
        await self.log_in(resume)

    async def look(self) -> change_pb2.GetRegisteredResponse:
        """Step 3: what is registered."""
        request = change_pb2.GetRegisteredRequest(
            session_token=self.session_token, agency=self.agency, category=self.category
        )
        self.registered = await self.call("GetRegistered", request)
        self.card_contact.CopyFrom(self.registered.card_contact.contact)
        self.representative_contact.CopyFrom(self.registered.representative_contact.contact)
        return self.registered

    async def see(self, resume: str = "") -> change_pb2.GetRegisteredResponse:
        """Steps 1 to 3."""
        await self.enter(resume)
        return await self.look()

    def type_in(
        self,
        *,
        card_contact: contact_pb2.Contact | None = None,
        representative_contact: contact_pb2.Contact | None = None,
    ) -> None:
        """Types over what step 3 showed; None leaves a contact as it is."""
        self.card_contact.CopyFrom(card_contact or self.card_contact)
        self.representative_contact.CopyFrom(representative_contact or self.representative_contact)

    async def prepare(
        self, alter: Callable[[change_pb2.PrepareChangeRequest], None] | None = None
    ) -> change_pb2.PrepareChangeResponse:
        """Step 4: the form is checked, the act is returned. `alter` changes the request."""
        request = change_pb2.PrepareChangeRequest(
            session_token=self.session_token,
            agency=self.agency,
            category=self.category,
            request_id=self.request_id,
            change=contact_pb2.ContactChange(
                card_contact=form_of(self.card_contact),
                representative_contact=form_of(self.representative_contact),
                card_contact_version=self.registered.card_contact.version,
                representative_contact_version=self.registered.representative_contact.version,
            ),
            propagate=self.propagate,
        )
        if alter is not None:
            alter(request)
        self.prepared = await self.call("PrepareChange", request)
        return self.prepared

    async def submit(
        self,
        act: signed_purpose_pb2.SignedPurpose | None = None,
        alter: Callable[[change_pb2.SubmitChangeRequest], None] | None = None,
    ) -> change_pb2.ChangeReceipt:
        """Step 5: the signed act is carried out. `alter` changes the request."""
        request = change_pb2.SubmitChangeRequest(
            session_token=self.session_token,
            agency=self.agency,
            category=self.category,
            form=self.prepared.form,
            act=act or signed(self.card, self.prepared.purpose),
        )
        if alter is not None:
            alter(request)
        response: change_pb2.SubmitChangeResponse = await self.call("SubmitChange", request)
        return response.receipt

    async def receipt(self) -> change_pb2.ChangeReceipt:
        """Returns the receipt of a change whose answer was lost."""
        request = change_pb2.GetChangeReceiptRequest(
            session_token=self.session_token, agency=self.agency, category=self.category, request_id=self.request_id
        )
        response: change_pb2.GetChangeReceiptResponse = await self.call("GetChangeReceipt", request)
        return response.receipt

    async def whole(
        self,
        *,
        card_contact: contact_pb2.Contact | None = None,
        representative_contact: contact_pb2.Contact | None = None,
    ) -> change_pb2.ChangeReceipt:
        """All steps."""
        await self.see()
        self.type_in(card_contact=card_contact, representative_contact=representative_contact)
        await self.prepare()
        return await self.submit()

    async def call(self, method: str, request: Message) -> Any:
        """Calls a method of the front door by its name; raises its refusal."""
        try:
            metadata = (("traceparent", self.traceparent),) if self.traceparent else None
            stub = change_pb2_grpc.ChangeStub(self.channel)
            return await getattr(stub, method)(request, timeout=20, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

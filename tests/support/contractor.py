"""A contractor with a card in software, who registers over gRPC step by step.

The card agent does the same with a card in a reader; this one is for tests that stop, alter or repeat a step.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc
from cryptography.hazmat.primitives.asymmetric import ec
from google.protobuf.message import Message

from instance_profile.name_pieces import spell_out
from refusals.status import from_rpc_error
from simulators.certificate_authorities import IssuedCard
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import card_pb2 as certificate
from toroku.contact.v1 import contact_pb2 as contact
from toroku.frontdoor.v1 import entry_pb2, entry_pb2_grpc, front_door_pb2, registration_pb2, registration_pb2_grpc

PREFIX = b"toroku card signature v1\x00"


def contact_of(person: str, **changes: str) -> contact.Contact:
    """Returns a contact whose fields are all valid, except for `changes`."""
    values = {
        "department": "工事課",
        "postal_code": "330-9301",
        "address": "埼玉県さいたま市浦和区高砂３－１５－１",
        "person_name": person,
        "telephone": "048-000-0000",
        "fax": "048-000-0001",
        "mail_address": "koji@contractor.example",
    }
    return contact.Contact(**values | changes)


def form_of(typed: contact.Contact) -> contact.ContactForm:
    """Returns the contact as typed into the form, its mail address twice."""
    return contact.ContactForm(contact=typed, mail_address_again=typed.mail_address)


def signed(card: IssuedCard, purpose: bytes) -> signed_purpose_pb2.SignedPurpose:
    """Returns the purpose, signed by the card as the card agent does."""
    algorithm = (
        signed_purpose_pb2.SIGNATURE_ALGORITHM_ECDSA_SHA256
        if isinstance(card.key, ec.EllipticCurvePrivateKey)
        else signed_purpose_pb2.SIGNATURE_ALGORITHM_RSA_PKCS1V15_SHA256
    )
    return signed_purpose_pb2.SignedPurpose(purpose=purpose, algorithm=algorithm, signature=card.sign(PREFIX + purpose))


def altered(purpose: bytes, **changes: object) -> bytes:
    """Returns a purpose with other values, still canonical, as an attacker on the way could send it."""
    return json.dumps(json.loads(purpose) | changes, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(slots=True)
class Contractor:
    """Who registers, with what, where. Each step stores what the next one needs; refusals are raised as Refusal."""

    channel: grpc.aio.Channel
    card: IssuedCard
    agency: str
    category: str
    company_name: str
    bidder_id: str
    password: str = field(repr=False)
    request_id: str = field(default_factory=lambda: str(uuid4()))
    card_contact: contact.Contact = field(default_factory=lambda: contact_of("土木 一郎"))
    representative_contact: contact.Contact = field(
        default_factory=lambda: contact_of("代表 花子", mail_address="daihyo@contractor.example")
    )
    # The card that this one comes after, by its serial number; empty where there is none.
    predecessor_serial: str = ""
    # Sent with every call where it is set (W3C Trace Context).
    traceparent: str = ""
    log_in_purpose: bytes = b""
    session_token: str = field(default="", repr=False)
    found: registration_pb2.FindBidderResponse = field(default_factory=registration_pb2.FindBidderResponse)
    prepared: registration_pb2.PrepareRegistrationResponse = field(
        default_factory=registration_pb2.PrepareRegistrationResponse
    )

    async def describe(self) -> front_door_pb2.Instance:
        """Returns the instance as its front door describes it."""
        request = entry_pb2.DescribeInstanceRequest()
        response: entry_pb2.DescribeInstanceResponse = await self.call("DescribeInstance", request)
        return response.instance

    async def begin(self, resume: str = "") -> registration_pb2.BeginRegistrationResponse:
        """Step 1: the certificate is checked, the log-in is returned."""
        request = registration_pb2.BeginRegistrationRequest(
            agency=self.agency, category=self.category, certificate=self.card.der, resume_request_id=resume
        )
        response: registration_pb2.BeginRegistrationResponse = await self.call("BeginRegistration", request)
        self.log_in_purpose = response.purpose
        return response

    async def log_in(
        self, log_in: signed_purpose_pb2.SignedPurpose | None = None, resume: str = ""
    ) -> registration_pb2.OpenSessionResponse:
        """Step 2: the signed log-in opens a session."""
        request = registration_pb2.OpenSessionRequest(
            agency=self.agency,
            category=self.category,
            certificate=self.card.der,
            log_in=log_in or signed(self.card, self.log_in_purpose),
            resume_request_id=resume,
        )
        response: registration_pb2.OpenSessionResponse = await self.call("OpenSession", request)
        self.session_token = response.session_token
        return response

    async def check_session(self, **changes: Any) -> entry_pb2.CheckSessionResponse:
        """Keeps the session from ending while a form is filled in."""
        values: dict[str, Any] = {
            "session_token": self.session_token,
            "operation": certificate.OPERATION_REGISTRATION,
            "agency": self.agency,
            "category": self.category,
        }
        request = entry_pb2.CheckSessionRequest(**values | changes)
        response: entry_pb2.CheckSessionResponse = await self.call("CheckSession", request)
        return response

    async def find(self, **changes: str) -> registration_pb2.FindBidderResponse:
        """Step 3: the bidder is found on the roster."""
        # A roster may abbreviate 株式会社, a bidder may not.
        name = spell_out(self.company_name)
        typed = {"name": name, "bidder_id": self.bidder_id, "password": self.password} | changes
        request = registration_pb2.FindBidderRequest(
            session_token=self.session_token, agency=self.agency, category=self.category, **typed
        )
        self.found = await self.call("FindBidder", request)
        return self.found

    async def prepare(
        self, change: Callable[[registration_pb2.PrepareRegistrationRequest], None] | None = None
    ) -> registration_pb2.PrepareRegistrationResponse:
        """Step 4: the form is checked and staged, the act is returned. `change` alters the request."""
        request = registration_pb2.PrepareRegistrationRequest(
            session_token=self.session_token,
            agency=self.agency,
            category=self.category,
            proof=self.found.proof,
            request_id=self.request_id,
            card_contact=form_of(self.card_contact),
            predecessor_serial=self.predecessor_serial,
        )
        if self.found.representative_contact_wanted:
            request.representative_contact.CopyFrom(form_of(self.representative_contact))
        if change is not None:
            change(request)
        self.prepared = await self.call("PrepareRegistration", request)
        return self.prepared

    async def register(self, act: signed_purpose_pb2.SignedPurpose | None = None) -> front_door_pb2.Receipt:
        """Step 5: the signed act is carried out."""
        request = registration_pb2.RegisterRequest(
            session_token=self.session_token,
            agency=self.agency,
            category=self.category,
            proof=self.found.proof,
            request_id=self.request_id,
            act=act or signed(self.card, self.prepared.purpose),
            predecessor_serial=self.predecessor_serial,
        )
        response: registration_pb2.RegisterResponse = await self.call("Register", request)
        return response.receipt

    async def receipt(self) -> front_door_pb2.Receipt:
        """Returns the receipt of a registration whose answer was lost."""
        request = registration_pb2.GetReceiptRequest(
            session_token=self.session_token,
            agency=self.agency,
            category=self.category,
            request_id=self.request_id,
        )
        response: registration_pb2.GetReceiptResponse = await self.call("GetReceipt", request)
        return response.receipt

    async def enter(self) -> None:
        """Steps 1 and 2."""
        await self.begin()
        await self.log_in()

    async def whole(self) -> front_door_pb2.Receipt:
        """All five steps."""
        await self.enter()
        await self.find()
        await self.prepare()
        return await self.register()

    async def call(self, method: str, request: Message) -> Any:
        """Calls a method of the front door by its name; raises its refusal."""
        stub = (
            entry_pb2_grpc.EntryStub(self.channel)
            if method in entry_pb2.DESCRIPTOR.services_by_name["Entry"].methods_by_name
            else registration_pb2_grpc.RegistrationStub(self.channel)
        )
        try:
            metadata = (("traceparent", self.traceparent),) if self.traceparent else None
            return await getattr(stub, method)(request, timeout=20, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

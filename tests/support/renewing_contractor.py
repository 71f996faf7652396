"""A contractor who renews a card over gRPC step by step, with both cards in software.

The card agent does the same with cards in readers; this one is for tests that stop, alter or repeat a step.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message

from refusals.status import from_rpc_error
from simulators.certificate_authorities import IssuedCard
from tests.support.contractor import Contractor, signed
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import renewal_pb2, renewal_pb2_grpc

SUCCESSOR_PREFIX = b"toroku successor key v1\x00"


@dataclass(slots=True)
class RenewingContractor:
    """Who renews which card, where. Each step stores what the next one needs; refusals are raised as Refusal."""

    channel: grpc.aio.Channel
    old: IssuedCard
    new: IssuedCard
    agency: str
    category: str
    propagate: bool = False
    # Sent with every call where it is set (W3C Trace Context).
    traceparent: str = ""
    request_id: str = field(default_factory=lambda: str(uuid4()))
    successor: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)
    old_token: str = field(default="", repr=False)
    new_token: str = field(default="", repr=False)
    succession: renewal_pb2.PrepareSuccessionResponse = field(default_factory=renewal_pb2.PrepareSuccessionResponse)
    prepared: renewal_pb2.PrepareRenewalResponse = field(default_factory=renewal_pb2.PrepareRenewalResponse)

    @classmethod
    def of(
        cls,
        contractor: Contractor,
        new: IssuedCard,
        *,
        agency: str = "",
        request_id: str = "",
        propagate: bool = True,
    ) -> "RenewingContractor":
        """Returns a contractor who registered, at the renewal of its card, by default at its agency."""
        return cls(
            channel=contractor.channel,
            old=contractor.card,
            new=new,
            agency=agency or contractor.agency,
            category=contractor.category,
            propagate=propagate,
            request_id=request_id or str(uuid4()),
        )

    @property
    def successor_key(self) -> bytes:
        """The key that vouches for the new card."""
        return self.successor.public_key().public_bytes_raw()

    async def log_in_old(self) -> renewal_pb2.OpenRenewalSessionResponse:
        """Steps 1 and 2: the old card opens its session."""
        opened = await self.log_in(self.old, card_pb2.CARD_ROLE_OLD)
        self.old_token = opened.session_token
        return opened

    async def log_in_new(self, resume: str = "") -> renewal_pb2.OpenRenewalSessionResponse:
        """Step 4: the new card opens its session."""
        opened = await self.log_in(self.new, card_pb2.CARD_ROLE_NEW, resume)
        self.new_token = opened.session_token
        return opened

    async def log_in(
        self, card: IssuedCard, role: "card_pb2.CardRole.ValueType", resume: str = ""
    ) -> renewal_pb2.OpenRenewalSessionResponse:
        """Opens the session of a card in a role."""
        values: dict[str, Any] = {
            "agency": self.agency,
            "category": self.category,
            "role": role,
            "certificate": card.der,
            "resume_request_id": resume,
        }
        begun = await self.call("BeginRenewal", renewal_pb2.BeginRenewalRequest(**values))
        request = renewal_pb2.OpenRenewalSessionRequest(**values, log_in=signed(card, begun.purpose))
        response: renewal_pb2.OpenRenewalSessionResponse = await self.call("OpenRenewalSession", request)
        return response

    async def prepare_succession(self, **changes: Any) -> renewal_pb2.PrepareSuccessionResponse:
        """Step 3: the act of the old card is made."""
        values: dict[str, Any] = {
            "old_session_token": self.old_token,
            "agency": self.agency,
            "category": self.category,
            "request_id": self.request_id,
            "successor_key": self.successor_key,
        }
        self.succession = await self.call("PrepareSuccession", renewal_pb2.PrepareSuccessionRequest(**values | changes))
        return self.succession

    async def prepare(self, **changes: Any) -> renewal_pb2.PrepareRenewalResponse:
        """Step 5: both cards are compared, and the act of the new one is made."""
        values: dict[str, Any] = {
            "old_session_token": self.old_token,
            "new_session_token": self.new_token,
            "agency": self.agency,
            "category": self.category,
            "request_id": self.request_id,
            "successor_key": self.successor_key,
            "propagate": self.propagate,
        }
        self.prepared = await self.call("PrepareRenewal", renewal_pb2.PrepareRenewalRequest(**values | changes))
        return self.prepared

    async def renew(
        self, change: Callable[[renewal_pb2.RenewRequest], None] | None = None
    ) -> renewal_pb2.RenewalResult:
        """Step 6: both signed acts are carried out. `change` alters the request."""
        to_be_signed = SUCCESSOR_PREFIX + self.new.sha256 + self.request_id.encode()
        request = renewal_pb2.RenewRequest(
            old_session_token=self.old_token,
            new_session_token=self.new_token,
            agency=self.agency,
            category=self.category,
            form=self.prepared.form,
            old_act=signed(self.old, self.succession.purpose),
            new_act=signed(self.new, self.prepared.purpose),
            successor_signature=self.successor.sign(to_be_signed),
        )
        if change is not None:
            change(request)
        response: renewal_pb2.RenewResponse = await self.call("Renew", request)
        return response.result

    async def result(self, **changes: Any) -> renewal_pb2.RenewalResult:
        """Returns the result of a renewal whose answer was lost."""
        values: dict[str, Any] = {
            "new_session_token": self.new_token,
            "agency": self.agency,
            "category": self.category,
            "request_id": self.request_id,
        }
        response = await self.call("GetRenewalResult", renewal_pb2.GetRenewalResultRequest(**values | changes))
        result: renewal_pb2.RenewalResult = response.result
        return result

    async def ask_for_approval(self, mail_address: str) -> str:
        """Asks an officer about the new card; returns the number of the question."""
        request = renewal_pb2.AskForRenewalApprovalRequest(
            old_session_token=self.old_token,
            new_session_token=self.new_token,
            agency=self.agency,
            category=self.category,
            mail_address=mail_address,
        )
        response = await self.call("AskForRenewalApproval", request)
        number: str = response.number
        return number

    async def enter(self) -> None:
        """Steps 1 to 4."""
        await self.log_in_old()
        await self.prepare_succession()
        await self.log_in_new()

    async def whole(self) -> renewal_pb2.RenewalResult:
        """All steps."""
        await self.enter()
        await self.prepare()
        return await self.renew()

    async def call(self, method: str, request: Message) -> Any:
        """Calls a method of the service by its name; raises its refusal."""
        try:
            metadata = (("traceparent", self.traceparent),) if self.traceparent else None
            stub = renewal_pb2_grpc.RenewalStub(self.channel)
            return await getattr(stub, method)(request, timeout=20, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

"""What a portal does of an operation: calls to the front door, and hops to the card agent between them.

A journey is a generator: it yields a hop, gets the agent's answer to it, and returns what the last page says. What a
person would type into the portal's forms is given beforehand.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc

from refusals.status import from_rpc_error
from signed_acts.request import write_canonical
from toroku.act.v1.signed_purpose_pb2 import SignedPurpose
from toroku.certificate.v1 import card_pb2
from toroku.contact.v1 import contact_pb2
from toroku.frontdoor.v1 import change_pb2, registration_pb2, renewal_pb2
from toroku.frontdoor.v1.change_pb2_grpc import ChangeStub
from toroku.frontdoor.v1.registration_pb2_grpc import RegistrationStub
from toroku.frontdoor.v1.renewal_pb2_grpc import RenewalStub

# Seconds that the front door may take.
_TIMEOUT = 20.0


@dataclass(frozen=True, slots=True)
class CardHop:
    """The agent has a card chosen."""

    operation: str
    role: str = "sole"
    category: str = ""


@dataclass(frozen=True, slots=True)
class SignHop:
    """The agent has a purpose signed; `request` is the canonical request of an act."""

    purpose: bytes
    request: bytes = b""


Hop = CardHop | SignHop


@dataclass(frozen=True, slots=True)
class Answer:
    """The agent's answer to a hop; which fields it has depends on the hop."""

    certificate: bytes = b""
    chain: tuple[bytes, ...] = ()
    successor_key: bytes = b""
    signed: SignedPurpose = field(default_factory=SignedPurpose)
    successor_signature: bytes = b""
    person_in_charge: str = ""


Journey = Generator[Hop, Answer, str]
BeginJourney = Callable[[grpc.Channel], Journey]


@dataclass(frozen=True, slots=True)
class Registering:
    """What a person types into the forms of a registration."""

    agency: str
    category: str
    name: str
    bidder_id: str
    password: str = field(repr=False)
    card_contact: contact_pb2.Contact
    representative_contact: contact_pb2.Contact

    def begin(self, channel: grpc.Channel) -> Journey:
        """Registers the card; returns the number of the receipt."""
        place = {"agency": self.agency, "category": self.category}
        stub = RegistrationStub(channel)
        card = yield CardHop("registration")
        begin = registration_pb2.BeginRegistrationRequest(
            **place, certificate=card.certificate, other_certificates=card.chain
        )
        log_in = yield SignHop(_call(stub.BeginRegistration, begin).purpose)
        opened = _call(
            stub.OpenSession,
            registration_pb2.OpenSessionRequest(**place, certificate=card.certificate, log_in=log_in.signed),
        )
        session = place | {"session_token": opened.session_token}
        found = _call(
            stub.FindBidder,
            registration_pb2.FindBidderRequest(
                **session, name=self.name, bidder_id=self.bidder_id, password=self.password
            ),
        )
        request = registration_pb2.PrepareRegistrationRequest(
            **session,
            proof=found.proof,
            request_id=str(uuid4()),
            card_contact=_fill_in(self.card_contact),
            person_in_charge=log_in.person_in_charge,
        )
        if found.representative_contact_wanted:
            request.representative_contact.CopyFrom(_fill_in(self.representative_contact))
        prepared = _call(stub.PrepareRegistration, request)
        act = yield SignHop(prepared.purpose, write_canonical(prepared.form))
        registered = _call(
            stub.Register,
            registration_pb2.RegisterRequest(
                **session, proof=found.proof, request_id=request.request_id, act=act.signed
            ),
        )
        return str(registered.receipt.request_id)


@dataclass(frozen=True, slots=True)
class Changing:
    """What a person types into the form of a change: a telephone number."""

    agency: str
    category: str
    telephone: str

    def begin(self, channel: grpc.Channel) -> Journey:
        """Changes the telephone number of the card's contact here; returns the number of the receipt."""
        place = {"agency": self.agency, "category": self.category}
        stub = ChangeStub(channel)
        card = yield CardHop("change")
        begin = change_pb2.BeginChangeRequest(**place, certificate=card.certificate, other_certificates=card.chain)
        log_in = yield SignHop(_call(stub.BeginChange, begin).purpose)
        opened = _call(
            stub.OpenChangeSession,
            change_pb2.OpenChangeSessionRequest(**place, certificate=card.certificate, log_in=log_in.signed),
        )
        session = place | {"session_token": opened.session_token}
        registered = _call(stub.GetRegistered, change_pb2.GetRegisteredRequest(**session))
        card_contact = contact_pb2.Contact()
        card_contact.CopyFrom(registered.card_contact.contact)
        card_contact.telephone = self.telephone
        prepare = change_pb2.PrepareChangeRequest(
            **session,
            request_id=str(uuid4()),
            change=contact_pb2.ContactChange(
                card_contact=_fill_in(card_contact),
                representative_contact=_fill_in(registered.representative_contact.contact),
                card_contact_version=registered.card_contact.version,
                representative_contact_version=registered.representative_contact.version,
            ),
            propagate=True,
        )
        prepared = _call(stub.PrepareChange, prepare)
        act = yield SignHop(prepared.purpose, write_canonical(prepared.form))
        changed = _call(
            stub.SubmitChange, change_pb2.SubmitChangeRequest(**session, form=prepared.form, act=act.signed)
        )
        return str(changed.receipt.request_id)


@dataclass(frozen=True, slots=True)
class Renewing:
    """What a person chooses at a renewal."""

    agency: str
    category: str
    propagate: bool = True

    def begin(self, channel: grpc.Channel) -> Journey:
        """Renews the card; returns the number of the result."""
        place = {"agency": self.agency, "category": self.category}
        stub = RenewalStub(channel)
        request_id = str(uuid4())
        old = yield CardHop("renewal", "old", self.category)
        old_token = yield from self._log_in(stub, old, card_pb2.CARD_ROLE_OLD)
        succession = _call(
            stub.PrepareSuccession,
            renewal_pb2.PrepareSuccessionRequest(
                **place, old_session_token=old_token, request_id=request_id, successor_key=old.successor_key
            ),
        )
        old_act = yield SignHop(succession.purpose, write_canonical(succession.form))
        new = yield CardHop("renewal", "new", self.category)
        new_token = yield from self._log_in(stub, new, card_pb2.CARD_ROLE_NEW)
        session: dict[str, Any] = place | {"old_session_token": old_token, "new_session_token": new_token}
        prepare = renewal_pb2.PrepareRenewalRequest(
            **session, request_id=request_id, successor_key=old.successor_key, propagate=self.propagate
        )
        prepared = _call(stub.PrepareRenewal, prepare)
        new_act = yield SignHop(prepared.purpose, write_canonical(prepared.form))
        renewed = _call(
            stub.Renew,
            renewal_pb2.RenewRequest(
                **session,
                form=prepared.form,
                old_act=old_act.signed,
                new_act=new_act.signed,
                successor_signature=new_act.successor_signature,
            ),
        )
        return str(renewed.result.request_id)

    def _log_in(
        self, stub: RenewalStub, card: Answer, role: "card_pb2.CardRole.ValueType"
    ) -> Generator[Hop, Answer, str]:
        values: dict[str, Any] = {
            "agency": self.agency,
            "category": self.category,
            "role": role,
            "certificate": card.certificate,
        }
        begin = renewal_pb2.BeginRenewalRequest(**values, other_certificates=card.chain)
        log_in = yield SignHop(_call(stub.BeginRenewal, begin).purpose)
        open_session = renewal_pb2.OpenRenewalSessionRequest(**values, log_in=log_in.signed)
        return str(_call(stub.OpenRenewalSession, open_session).session_token)


def _call(method: Any, request: Any) -> Any:
    """Calls a method of the front door; raises its Refusal."""
    try:
        return method(request, timeout=_TIMEOUT)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error


def _fill_in(contact: contact_pb2.Contact) -> contact_pb2.ContactForm:
    return contact_pb2.ContactForm(contact=contact, mail_address_again=contact.mail_address)

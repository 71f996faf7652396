"""A change of contacts as the front door has it checked and committed, with certificate-registry's proof."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

import rfc8785
from google.protobuf.json_format import MessageToDict

from servicekit.messages import write_timestamp
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, WORKS
from tests.support.services.contact_messages import MORNING, add_propagated, card_sha256, staging_request
from tests.support.services.contact_notification import RunningContactNotification
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import act_proof_pb2, card_pb2, card_state_pb2
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.event.v1.version_pb2 import Version
from toroku.frontdoor.v1 import change_pb2
from toroku.qualification.v1 import bidder_pb2

CARD = contact_pb2.CONTACT_PURPOSE_CARD
REPRESENTATIVE = contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE
# The request_id of `renewed_state`.
RENEWAL = "7f0d4ff0-9a9b-4d2a-9b9e-111111111111"
COMPANY = bidder_pb2.CompanyProfile(bidder_id=BIDDER, name="株式会社髙﨑建設", representative_name="髙﨑　一郎")


@dataclass(kw_only=True)
class Change:
    """A change by a card at an agency; a test can change every value before the next step."""

    contacts: RunningContactNotification
    number: int = 1
    agency: str = PREFECTURE
    category: str = WORKS
    bidder_id: str = BIDDER
    propagate: bool = True
    company: bidder_pb2.CompanyProfile = field(default_factory=lambda: COMPANY)
    request_id: str = field(default_factory=lambda: str(uuid4()))
    # What is typed, over which versions.
    typed: contact_pb2.ContactChange = field(default_factory=contact_pb2.ContactChange)

    @property
    def card(self) -> bytes:
        """The SHA-256 of the card's certificate."""
        return card_sha256(self.number)

    async def look(self) -> contact_notification_pb2.GetRegisteredContactsResponse:
        """Returns what is registered."""
        return await self.contacts.from_front_door.GetRegisteredContacts(
            contact_notification_pb2.GetRegisteredContactsRequest(
                certificate_sha256=self.card, category=self.category, bidder_id=self.bidder_id
            )
        )

    async def type_over(self, card: dict[str, str] | None = None, representative: dict[str, str] | None = None) -> None:
        """Looks at what is registered, and types these values over it."""
        registered = await self.look()
        self.typed = contact_pb2.ContactChange(
            card_contact_version=registered.card_contact.version,
            representative_contact_version=registered.representative_contact.version,
        )
        for values, before, form in (
            (card, registered.card_contact.contact, "card_contact"),
            (representative, registered.representative_contact.contact, "representative_contact"),
        ):
            if values is not None:
                contact = contact_pb2.Contact()
                contact.CopyFrom(before)
                for name, value in values.items():
                    setattr(contact, name, value)
                typed = contact_pb2.ContactForm(contact=contact, mail_address_again=contact.mail_address)
                getattr(self.typed, form).CopyFrom(typed)

    async def check(self) -> contact_notification_pb2.CheckChangeResponse:
        """Has the change checked."""
        return await self.contacts.from_front_door.CheckChange(
            contact_notification_pb2.CheckChangeRequest(
                certificate_sha256=self.card,
                agency=self.agency,
                category=self.category,
                bidder_id=self.bidder_id,
                change=self.typed,
            )
        )

    def write_form(self) -> bytes:
        """Returns the form that the card signs the hash of."""
        form = change_pb2.ChangeForm(
            request_id=self.request_id,
            instance=self.contacts.profile.id,
            agency=self.agency,
            category=self.category,
            bidder_id=self.bidder_id,
            certificate_sha256=self.card,
            propagate=self.propagate,
        )
        if self.typed.HasField("card_contact"):
            form.card_contact.CopyFrom(self.typed.card_contact.contact)
            form.card_contact_version = self.typed.card_contact_version
        if self.typed.HasField("representative_contact"):
            form.representative_contact.CopyFrom(self.typed.representative_contact.contact)
            form.representative_contact_version = self.typed.representative_contact_version
        return rfc8785.dumps(MessageToDict(form, preserving_proto_field_name=True))

    def write_request(
        self, *, proven_at: datetime | None = None, form: bytes | None = None, **changes: Any
    ) -> contact_notification_pb2.CommitChangeRequest:
        """Returns the request to commit it, with a proof of now; `changes` are those of its statement."""
        form = self.write_form() if form is None else form
        purpose = json.dumps({"nonce": str(uuid4()), "operation": "change"}).encode()
        issued_at = proven_at or self.contacts.now[0]
        values: dict[str, Any] = {
            "instance": self.contacts.profile.id,
            "operation": "change",
            "agency": self.agency,
            "category": self.category,
            "bidder_id": self.bidder_id,
            "certificate_sha256": self.card,
            "request_id": self.request_id,
            "request_sha256": sha256(form).digest(),
            "purpose_sha256": sha256(purpose).digest(),
            "serial_decimal": "4711",
            "holder_name": "登録 太郎",
            "issued_at": write_timestamp(issued_at),
            "expires_at": write_timestamp(issued_at + timedelta(minutes=1)),
        }
        statement = act_proof_pb2.ActStatement(**values | changes).SerializeToString(deterministic=True)
        proof = self.contacts.act_proof_key.sign(statement)
        return contact_notification_pb2.CommitChangeRequest(
            proof=act_proof_pb2.ActProof(statement=proof.statement, key_id=proof.key_id, signature=proof.signature),
            act=signed_purpose_pb2.SignedPurpose(
                purpose=purpose,
                algorithm=signed_purpose_pb2.SIGNATURE_ALGORITHM_ECDSA_SHA256,
                signature=b"signature",
            ),
            form=form,
            company=self.company,
        )

    async def commit(self, **changes: Any) -> contact_notification_pb2.CommittedChange:
        """Commits it; `changes` as for `write_request`."""
        response = await self.contacts.from_front_door.CommitChange(self.write_request(**changes))
        return response.change

    async def read(self) -> contact_notification_pb2.CommittedChange:
        """Returns the committed change."""
        response = await self.contacts.from_front_door.GetChange(
            contact_notification_pb2.GetChangeRequest(certificate_sha256=self.card, request_id=self.request_id)
        )
        return response.change


async def register_at(
    contacts: RunningContactNotification, number: int = 1, *, others: tuple[str, ...] = (CITY,), **changes: Any
) -> contact_notification_pb2.StageContactsRequest:
    """Registers a card at the prefecture, and has it propagated to other agencies."""
    request = staging_request(number, **changes)
    await contacts.register(request)
    state = contacts.states[request.certificate_sha256, request.category]
    state.version.number += 1
    add_propagated(state, *others)
    await contacts.record(state)
    return request


async def find_contact(
    contacts: RunningContactNotification,
    purpose: contact_pb2.ContactPurpose.ValueType,
    number: int = 1,
    *,
    agency: str = PREFECTURE,
    as_of: datetime | None = None,
) -> contact_notification_pb2.GetContactResponse:
    """Returns the contact that an agency gets, now or as of an instant."""
    stub = {PREFECTURE: contacts.from_agency, CITY: contacts.from_other_agency}[agency]
    return await stub.GetContact(
        contact_notification_pb2.GetContactRequest(
            agency=agency,
            category=WORKS,
            bidder_id=BIDDER,
            purpose=purpose,
            certificate_sha256=card_sha256(number),
            as_of=write_timestamp(as_of) if as_of is not None else None,
        )
    )


async def list_mailed(contacts: RunningContactNotification, kind: str) -> list[str]:
    """Returns the addresses of the mails of a kind in the outbox, ascending."""
    rows = await contacts.rows(
        "SELECT kind, contacts.mail_address FROM mails JOIN notices USING (notice_id) JOIN contacts USING (contact_id)"
    )
    return sorted(address for known, address in rows if known == kind)


def after(minutes: int) -> datetime:
    """Returns the instant so many minutes after the morning."""
    return MORNING + timedelta(minutes=minutes)


def renewed_state(
    number: int = 2, predecessor: int = 1, *, at: int = 60, agency: str = PREFECTURE, others: tuple[str, ...] = ()
) -> card_state_pb2.CardState:
    """Returns the state of a card that was renewed from another one, and propagated to other agencies."""
    state = card_state_pb2.CardState(
        certificate_sha256=card_sha256(number),
        category=WORKS,
        bidder_id=BIDDER,
        binding=card_state_pb2.BINDING_STATE_LIVE,
        version=Version(epoch=1, number=1),
    )
    for place in (agency, *others):
        state.registrations.add(
            registration_id=f"00000000-0000-0000-0000-{len(state.registrations) + 1:012}",
            agency=place,
            state=card_state_pb2.REGISTRATION_STATE_GOOD,
            origin=card_pb2.REGISTRATION_ORIGIN_PROPAGATION
            if place in others
            else card_pb2.REGISTRATION_ORIGIN_RENEWAL,
            registered_at=write_timestamp(after(at)),
            request_id="" if place in others else RENEWAL,
            predecessor=card_sha256(predecessor),
        )
    return state

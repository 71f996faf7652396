"""What the callers of contact-notification send: contacts to stage, states of cards, notices."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

from servicekit.messages import write_timestamp
from tests.support.contractor import contact_of
from tests.support.example_profile import BIDDER, PREFECTURE, WORKS
from toroku.certificate.v1 import card_pb2, card_state_pb2
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.event.v1.version_pb2 import Version
from toroku.qualification.v1 import bidder_pb2

# A Friday, 10 o'clock in Japan.
MORNING = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)


def card_sha256(number: int) -> bytes:
    """Returns the SHA-256 that identifies the card of this number."""
    return sha256(f"card {number}".encode()).digest()


def contact_form(person: str, **changes: str) -> contact_pb2.ContactForm:
    """Returns a contact as it is typed, valid but for `changes`."""
    return contact_pb2.ContactForm(contact=contact_of(person, **changes))


def staging_request(
    number: int = 1, request_id: str = "", *, representative: bool = True, **changes: Any
) -> contact_notification_pb2.StageContactsRequest:
    """Returns the request to stage the contacts of card `number`; without a request id, a new one."""
    request = contact_notification_pb2.StageContactsRequest(
        request_id=request_id or str(uuid4()),
        certificate_sha256=card_sha256(number),
        agency=PREFECTURE,
        category=WORKS,
        company=bidder_pb2.CompanyProfile(
            bidder_id=BIDDER,
            name="株式会社髙﨑建設",
            address="埼玉県",
            grades=[bidder_pb2.Grade(kind="土木", grade="A")],
        ),
        card_contact=contact_form("埼玉　太郎", mail_address=f"card{number}@contractor.example"),
        representative_contact=contact_form("代表　花子", mail_address="desk@contractor.example")
        if representative
        else None,
    )
    for key, value in changes.items():
        if isinstance(value, str | bytes | bool):
            setattr(request, key, value)
        else:
            getattr(request, key).CopyFrom(value)
    if not request.request_sha256 and not request.validate_only:
        request.request_sha256 = sha256(request.SerializeToString(deterministic=True)).digest()
    return request


def card_state(
    staged: contact_notification_pb2.StageContactsRequest,
    *,
    at: datetime = MORNING,
    number: int = 1,
    epoch: int = 1,
    before: card_state_pb2.CardState | None = None,
    **changes: Any,
) -> card_state_pb2.CardState:
    """Returns the card's state after the registration for which these contacts were staged, which comes last in it.

    `before` is the state that the registration is added to; `changes` are those of the registration.
    """
    state = card_state_pb2.CardState(
        certificate_sha256=staged.certificate_sha256,
        category=staged.category,
        bidder_id=staged.company.bidder_id,
        binding=card_state_pb2.BINDING_STATE_LIVE,
    )
    if before is not None:
        state.CopyFrom(before)
    state.version.CopyFrom(Version(epoch=epoch, number=number))
    registration = card_state_pb2.AgencyRegistration(
        registration_id=str(uuid4()),
        agency=staged.agency,
        state=card_state_pb2.REGISTRATION_STATE_GOOD,
        origin=card_pb2.REGISTRATION_ORIGIN_CONTRACTOR,
        registered_at=write_timestamp(at),
        request_id=staged.request_id,
        request_sha256=staged.request_sha256,
    )
    for key, value in changes.items():
        setattr(registration, key, value)
    state.registrations.append(registration)
    return state


def add_propagated(state: card_state_pb2.CardState, *agencies: str) -> None:
    """Adds registrations that propagation made, without a request of a contractor."""
    for agency in agencies:
        state.registrations.add(
            registration_id=str(uuid4()),
            agency=agency,
            state=card_state_pb2.REGISTRATION_STATE_GOOD,
            origin=card_pb2.REGISTRATION_ORIGIN_PROPAGATION,
            registered_at=state.registrations[0].registered_at,
        )


def facts_of(
    state: card_state_pb2.CardState, *, serial_decimal: str = "4711", holder_name: str = "登録 太郎"
) -> contact_pb2.RegistrationFacts:
    """Returns what a notice says of the last registration of a card's state."""
    registration = state.registrations[-1]
    return contact_pb2.RegistrationFacts(
        registration_id=registration.registration_id,
        request_id=registration.request_id,
        certificate_sha256=state.certificate_sha256,
        serial_decimal=serial_decimal,
        agency=registration.agency,
        category=state.category,
        bidder_id=state.bidder_id,
        registered_at=registration.registered_at,
        holder_name=holder_name,
    )


def card_owner(card: int | bytes, category: str = WORKS, request_id: str = "") -> contact_pb2.NoticeRecipient:
    """Returns the owner of a card contact as a recipient."""
    owner = contact_pb2.ContactOwner(
        purpose=contact_pb2.CONTACT_PURPOSE_CARD,
        category=category,
        certificate_sha256=card_sha256(card) if isinstance(card, int) else card,
        request_id=request_id,
    )
    return contact_pb2.NoticeRecipient(owner=owner)


def bidder_owner(bidder_id: str = BIDDER, category: str = WORKS, request_id: str = "") -> contact_pb2.NoticeRecipient:
    """Returns the owner of a representative contact as a recipient."""
    owner = contact_pb2.ContactOwner(
        purpose=contact_pb2.CONTACT_PURPOSE_REPRESENTATIVE,
        category=category,
        bidder_id=bidder_id,
        request_id=request_id,
    )
    return contact_pb2.NoticeRecipient(owner=owner)


def registration_notice(facts: contact_pb2.RegistrationFacts, notice_id: str = "") -> contact_pb2.Notice:
    """Returns the notice of a registration to the card's own contact."""
    return contact_pb2.Notice(
        notice_id=notice_id or str(uuid4()),
        kind=contact_pb2.NOTICE_KIND_REGISTRATION,
        recipients=[card_owner(facts.certificate_sha256, facts.category, facts.request_id)],
        registration=facts,
    )


def notice_to_others(
    facts: contact_pb2.RegistrationFacts, *recipients: contact_pb2.NoticeRecipient, notice_id: str = ""
) -> contact_pb2.Notice:
    """Returns the notice of a registration to the representative contact and the recipients given."""
    return contact_pb2.Notice(
        notice_id=notice_id or str(uuid4()),
        kind=contact_pb2.NOTICE_KIND_REGISTRATION_NOTICE,
        recipients=[bidder_owner(facts.bidder_id, facts.category), *recipients],
        registration=facts,
    )

"""変更: what is registered, the form of a change, its commit and its receipt (CHG-01 to CHG-03, CHG-05)."""

from dataclasses import dataclass, field
from datetime import datetime

from front_door.domain.bidder import CompanyProfile
from front_door.domain.card_session import ActChallenge, Card, CardSession
from front_door.domain.card_state import AgencyRegistration, BindingState, CardState, RegistrationState
from front_door.domain.contact import Contact, ContactForm, RegisteredContacts
from refusals import Code, Refusal

CARD_CONTACT, REPRESENTATIVE_CONTACT = "card_contact", "representative_contact"


@dataclass(frozen=True, slots=True)
class RegisteredCard:
    """A card that is registered at the agency of its session, and whose bidder may change what is registered."""

    card: Card
    state: CardState
    registration: AgencyRegistration

    @property
    def other_agencies(self) -> list[str]:
        """The codes of the other agencies at which it is registered, ascending."""
        return self.state.list_other_agencies(self.registration.agency)


@dataclass(frozen=True, slots=True)
class Registered:
    """What is registered (CHG-05)."""

    card: RegisteredCard
    company: CompanyProfile
    contacts: RegisteredContacts

    @property
    def agencies_with_earlier_contacts(self) -> list[str]:
        """Of the other agencies of the card, those at which an earlier version of one of the contacts counts."""
        return [agency for agency in self.card.other_agencies if agency in self.contacts.agencies_with_earlier]


@dataclass(frozen=True, slots=True)
class ContactChange:
    """New contacts as typed, None for one that stays, and the versions that they were typed over (0 for none)."""

    card_contact: ContactForm | None
    representative_contact: ContactForm | None
    card_contact_version: int
    representative_contact_version: int


@dataclass(frozen=True, slots=True)
class ChangeDraft:
    """What a contractor hands in to be checked and signed."""

    request_id: str
    change: ContactChange
    propagate: bool
    validate_only: bool


@dataclass(frozen=True, slots=True)
class ChangeForm:
    """Everything that a change is made from: what the card signs the hash of.

    A contact that stays as it is is None, and its version 0.
    """

    request_id: str
    instance: str
    agency: str
    category: str
    bidder_id: str
    certificate_sha256: bytes
    card_contact: Contact | None
    representative_contact: Contact | None
    card_contact_version: int
    representative_contact_version: int
    propagate: bool


@dataclass(frozen=True, slots=True)
class PreparedChange:
    """A form that would be carried out, and what a person is shown before signing; `act` is None in a dry run.

    `changed_fields` are named as "card_contact.telephone", in the form's order.
    """

    form: ChangeForm
    changed_fields: tuple[str, ...]
    company: CompanyProfile
    card: Card
    act: ActChallenge | None


@dataclass(frozen=True, slots=True)
class ActProof:
    """That a card signed an act, as certificate-registry states it; contact-notification verifies it."""

    encoded: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CommittedChange:
    """A change that was made; `history_receipt` proves its entry in the history, and is empty until it is sealed."""

    change_id: str
    agency: str
    category: str
    request_sha256: bytes
    company: CompanyProfile
    card_contact: Contact
    representative_contact: Contact | None
    changed_fields: tuple[str, ...]
    counts_from: datetime
    propagate: bool
    history_digest: bytes
    history_receipt: str


@dataclass(frozen=True, slots=True)
class ChangeReceipt:
    """利用者変更の控え."""

    request_id: str
    card: Card
    change: CommittedChange


def require_registered(session: CardSession, agency: str) -> RegisteredCard:
    """Returns the card of a session if it is registered, and good, at the agency now.

    Raises CARD_NOT_REGISTERED_HERE, CARD_BINDING_ENDED, CARD_REPLACED, CARD_SUSPENDED, BIDDER_SUSPENDED.
    """
    state = session.state
    registration = state.find_registration(agency) if state is not None else None
    if state is not None and state.binding is not BindingState.LIVE and not _is_replaced(registration):
        raise Refusal("CARD_BINDING_ENDED", Code.FAILED_PRECONDITION)
    if state is None or registration is None:
        raise Refusal("CARD_NOT_REGISTERED_HERE", Code.FAILED_PRECONDITION)
    if _is_replaced(registration):
        raise Refusal("CARD_REPLACED", Code.FAILED_PRECONDITION)
    if state.is_suspended or registration.state is RegistrationState.SUSPENDED:
        raise Refusal("CARD_SUSPENDED", Code.FAILED_PRECONDITION)
    if registration.state is not RegistrationState.GOOD:
        raise Refusal("CARD_BINDING_ENDED", Code.FAILED_PRECONDITION)
    if session.is_bidder_suspended:
        raise Refusal("BIDDER_SUSPENDED", Code.FAILED_PRECONDITION, {"bidder_id": state.bidder_id})
    return RegisteredCard(session.card, state, registration)


def fill_change_form(
    draft: ChangeDraft, registered: RegisteredCard, changed_fields: tuple[str, ...], *, instance: str, category: str
) -> ChangeForm:
    """Returns the form of a draft: of the contacts that it has, those in which a field changes."""
    change = draft.change
    card_contact = change.card_contact if _changes(changed_fields, CARD_CONTACT) else None
    representative = change.representative_contact if _changes(changed_fields, REPRESENTATIVE_CONTACT) else None
    return ChangeForm(
        request_id=draft.request_id,
        instance=instance,
        agency=registered.registration.agency,
        category=category,
        bidder_id=registered.state.bidder_id,
        certificate_sha256=registered.card.certificate_sha256,
        card_contact=card_contact.contact if card_contact else None,
        representative_contact=representative.contact if representative else None,
        card_contact_version=change.card_contact_version if card_contact else 0,
        representative_contact_version=change.representative_contact_version if representative else 0,
        propagate=draft.propagate,
    )


def require_form_of_session(form: ChangeForm, registered: RegisteredCard, *, instance: str, category: str) -> None:
    """Returns if a form is for the session's card, bidder, agency and category; raises FORM_DIFFERS_FROM_ACT."""
    expected = (
        instance,
        registered.registration.agency,
        category,
        registered.state.bidder_id,
        registered.card.certificate_sha256,
    )
    if (form.instance, form.agency, form.category, form.bidder_id, form.certificate_sha256) != expected:
        raise Refusal("FORM_DIFFERS_FROM_ACT", Code.INVALID_ARGUMENT)


def _is_replaced(registration: AgencyRegistration | None) -> bool:
    return registration is not None and registration.state is RegistrationState.REPLACED


def _changes(changed_fields: tuple[str, ...], section: str) -> bool:
    return any(changed.startswith(f"{section}.") for changed in changed_fields)

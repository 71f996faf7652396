"""Which operation is right for a card (REN-05): what stands of it, and what follows from that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from front_door.domain.advice_words import (
    COMPANY_DIFFERS,
    CONSEQUENCES,
    EXCEPTIONS,
    PAPER_BID,
    REASONS,
    STANDINGS,
    Sentence,
    Situation,
)
from front_door.domain.bidder import CompanyProfile
from front_door.domain.card_session import Card, CardSession
from front_door.domain.card_state import BindingState, CardState, RegistrationState
from instance_profile.base import Text
from instance_profile.hours import format_instant_en, format_instant_ja, write_hours
from instance_profile.model import Operation, Profile
from instance_profile.name_key import name_key
from instance_profile.offers import Offer

# A new card is applied for, checked, issued and activated, which takes weeks.
_EXPIRES_SOON = timedelta(days=90)
# A new card can hardly be had in time for a tender (LIF-06).
_LITTLE_VALIDITY = timedelta(days=30)


class CompanyRefusal(StrEnum):
    """Why a bidder can do nothing at an agency now, as qualification-registry says it."""

    NOT_QUALIFIED = "BIDDER_NOT_QUALIFIED"
    ENDED = "BIDDER_ENDED"
    SUSPENDED = "BIDDER_SUSPENDED"


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do with a card now. `operation` is None where it is none of the menu's: `reasons` say what to do then."""

    standing: Text
    operation: Operation | None
    reasons: tuple[Text, ...]
    until: datetime | None
    consequences: tuple[Text, ...]
    exceptions: tuple[Text, ...]


_OPERATIONS = {
    Situation.NEW: Operation.REGISTRATION,
    Situation.RELEASED: Operation.REGISTRATION,
    Situation.ELSEWHERE: Operation.REGISTRATION,
    Situation.EXPIRED: Operation.REGISTRATION,
    Situation.BIDDER_ENDED: Operation.REGISTRATION,
    Situation.EXPIRES_SOON: Operation.RENEWAL,
    Situation.REGISTERED: Operation.CHANGE,
}
# In which the card is going to be used until it expires.
_IN_USE = (Situation.NEW, Situation.RELEASED, Situation.ELSEWHERE, Situation.EXPIRES_SOON)


def determine_situation(session: CardSession, agency: str, refusal: CompanyRefusal | None, now: datetime) -> Situation:
    """Returns what stands of a card at an agency, in the category of its session.

    `refusal` is what the roster's registry says of the bidder that the card belongs to, None where it says nothing.
    """
    state, card = session.state, session.card
    registration = state.find_registration(agency) if state is not None else None
    if registration is not None and registration.state is RegistrationState.REPLACED:
        return Situation.REPLACED
    if state is not None and state.binding is BindingState.CLOSED:
        return Situation.CLOSED
    if card.not_after <= now:
        return Situation.EXPIRED
    if state is None:
        return Situation.NEW
    if state.binding is BindingState.RELEASED:
        return Situation.RELEASED
    if refusal is CompanyRefusal.ENDED:
        return Situation.BIDDER_ENDED
    if refusal is CompanyRefusal.SUSPENDED or session.is_bidder_suspended:
        return Situation.BIDDER_SUSPENDED
    if refusal is CompanyRefusal.NOT_QUALIFIED:
        return Situation.NOT_QUALIFIED
    if state.is_suspended or (registration and registration.state is RegistrationState.SUSPENDED):
        return Situation.SUSPENDED
    if registration is None or registration.state is not RegistrationState.GOOD:
        return Situation.ELSEWHERE
    return Situation.EXPIRES_SOON if card.not_after - now <= _EXPIRES_SOON else Situation.REGISTERED


def compose_advice(
    profile: Profile,
    offer: Offer,
    situation: Situation,
    card: Card,
    state: CardState | None,
    company: CompanyProfile | None,
    now: datetime,
) -> Advice:
    """Returns the advice for a card in a situation; `company` is the roster's, None where it is not known."""
    usable = offer.category.list_usable_operations()
    operation = _OPERATIONS.get(situation)
    if operation is Operation.RENEWAL and operation not in usable:
        operation = Operation.REGISTRATION
    consequences, exceptions = [*CONSEQUENCES.get(situation, ())], [*EXCEPTIONS.get(situation, ())]
    if situation in _IN_USE and card.not_after - now <= _LITTLE_VALIDITY:
        consequences.append(PAPER_BID)
    if situation is Situation.EXPIRES_SOON and company is not None and _differs(card, company):
        exceptions.insert(0, COMPANY_DIFFERS)
    values = {
        "agency": offer.agency.name,
        "category": offer.category.name,
        "label": profile.bidder_id.label,
        "bidder_id": _say_twice(state.bidder_id if state is not None else ""),
        "until": Text(ja=format_instant_ja(card.not_after), en=format_instant_en(card.not_after)),
        "hours": write_hours(profile.opening_hours),
        **{operation.value: _say_twice("") for operation in Operation},
        **{guide.operation.value: guide.name for guide in profile.operations},
    }

    def fill(sentences: Sequence[Sentence]) -> tuple[Text, ...]:
        said = [each for each in sentences if not each.needs_renewal or Operation.RENEWAL in usable]
        return tuple(each.fill(values) for each in said)

    return Advice(
        standing=STANDINGS[situation].fill(values),
        operation=operation if operation in usable else None,
        reasons=fill(REASONS[situation]),
        until=card.not_after if situation is Situation.EXPIRES_SOON else None,
        consequences=fill(consequences),
        exceptions=fill(exceptions),
    )


def _say_twice(text: str) -> Text:
    return Text(ja=text, en=text)


def _differs(card: Card, company: CompanyProfile) -> bool:
    # Only a hint: a certificate may write the company in Latin letters, or with its branch.
    if not card.company_name:
        return False
    names = {name_key(company.name), name_key(company.full_name)}
    return name_key(card.company_name) not in names

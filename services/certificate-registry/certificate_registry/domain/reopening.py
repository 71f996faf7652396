"""What officers take back: a renewal, by which one card took the place of another one."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from certificate_registry.domain.binding import ENDED_BY_RENEWAL, BindingState, RegistrationState
from certificate_registry.domain.registration import Origin
from certificate_registry.domain.suspension import CardRequest, DecidedCard
from refusals import Code, Refusal
from servicekit.identity import OPERATOR

# Why the registrations end that came from a renewal which officers took back; and the binding, if none is left.
REOPENED = "renewal reversed by officers"
_STANDING = frozenset({RegistrationState.GOOD, RegistrationState.SUSPENDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopeningRequest:
    """What an officer asks for a replaced card, and the card that took its place."""

    of_card: CardRequest
    replaced_by: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRegistration:
    """The registration that a renewal made for the new card at an agency, or propagation after it."""

    registration_id: UUID
    state: RegistrationState
    origin: Origin
    stays_here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A registration of the old card that the new one replaced at an agency.

    `new` is None where the new card was registered there already, and only the old one was replaced.
    """

    agency: str
    registration_id: UUID
    new: NewRegistration | None

    @property
    def is_renewal(self) -> bool:
        """Whether the contractor renewed at this agency, which others may have followed."""
        return self.new is not None and self.new.origin is Origin.RENEWAL

    @property
    def is_replaced_again(self) -> bool:
        """Whether a third card took the new one's place."""
        return self.new is not None and self.new.state is RegistrationState.REPLACED

    @property
    def stands(self) -> bool:
        """Whether the new card's registration is good there, or suspended."""
        return self.new is not None and self.new.state in _STANDING


def choose_reopened(card: DecidedCard, agency: str, replaced: Sequence[Replacement]) -> Sequence[Replacement]:
    """Returns what is reopened: the renewal at this agency, or for the operator all of them, and what followed.

    `card` is the old one, `replaced` all of it that the new one replaced. What followed stays where another renewal by
    the same card stands, which other agencies follow too, and where a third card took the new one's place.

    Raises BINDING_ENDED for a binding that ended otherwise, CARD_NOT_REPLACED, BINDING_OF_ANOTHER_AGENCY where the
    renewal was made elsewhere, CARD_REPLACED_AGAIN.
    """
    if card.binding is not BindingState.LIVE and card.binding_reason != ENDED_BY_RENEWAL:
        raise Refusal("BINDING_ENDED", Code.FAILED_PRECONDITION)
    renewals = [one for one in replaced if one.is_renewal]
    chosen = renewals if agency == OPERATOR else [one for one in renewals if one.agency == agency]
    if not chosen:
        raise _refuse_not_chosen(agency, replaced, renewals)
    if any(one.is_replaced_again for one in chosen):
        raise Refusal("CARD_REPLACED_AGAIN", Code.FAILED_PRECONDITION)
    if not any(_is_followed(one) for one in chosen):
        return chosen
    if any(_is_followed(one) and one.stands for one in renewals if one not in chosen):
        return chosen
    followed = [one for one in replaced if not one.is_renewal and not one.is_replaced_again]
    return sorted([*chosen, *followed], key=lambda one: one.agency)


def _is_followed(renewal: Replacement) -> bool:
    return renewal.new is not None and not renewal.new.stays_here


def _refuse_not_chosen(agency: str, replaced: Sequence[Replacement], renewals: Sequence[Replacement]) -> Refusal:
    elsewhere = [one.agency for one in renewals if _is_followed(one)]
    if elsewhere and any(one.agency == agency for one in replaced):
        return Refusal("BINDING_OF_ANOTHER_AGENCY", Code.PERMISSION_DENIED, {"agency": elsewhere[0]})
    return Refusal("CARD_NOT_REPLACED", Code.FAILED_PRECONDITION)

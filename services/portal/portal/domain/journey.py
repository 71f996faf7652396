"""A journey: one operation of a person, from its choice in the menu to its end, as it lies in a sealed draft."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from portal.domain.parts import AdvicePart, ChangePart, RegistrationPart, RenewalPart
from toroku.act.v1.signed_purpose_pb2 import SignedPurpose
from toroku.certificate.v1.card_pb2 import Card


class Operation(StrEnum):
    """What a person does."""

    REGISTRATION = "registration"
    CHANGE = "change"
    RENEWAL = "renewal"
    ADVICE = "advice"


class Role(StrEnum):
    """The role of a card, as in docs/hand-off.md."""

    SOLE = "sole"
    OLD = "old"
    NEW = "new"


class Step(StrEnum):
    """Where a journey stands; the last part of its page's address."""

    # The person goes to the card agent and comes back with an answer.
    CARD = "card"
    LOG_IN = "log-in"
    OLD_CARD = "old-card"
    OLD_LOG_IN = "old-log-in"
    SUCCESSION = "succession"
    NEW_CARD = "new-card"
    NEW_LOG_IN = "new-log-in"
    ACT = "act"
    # The person fills in, checks, or reads.
    SEARCH = "search"
    APPROVAL = "approval"
    FORM = "form"
    CHECK = "check"
    # The ends.
    RESULT = "result"
    ASKED = "asked"
    ADVICE = "advice"
    REFUSED = "refused"


HOPS = frozenset(
    {
        Step.CARD,
        Step.LOG_IN,
        Step.OLD_CARD,
        Step.OLD_LOG_IN,
        Step.SUCCESSION,
        Step.NEW_CARD,
        Step.NEW_LOG_IN,
        Step.ACT,
    }
)
CARD_HOPS = {Step.CARD: Role.SOLE, Step.OLD_CARD: Role.OLD, Step.NEW_CARD: Role.NEW}
ENDS = frozenset({Step.RESULT, Step.ASKED, Step.ADVICE, Step.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCard:
    """A card that the person chose at the agent, and its session."""

    certificate: bytes
    chain: tuple[bytes, ...] = ()
    # The card as the front door read it.
    card: Card | None = None
    # The token of its session; empty until it has logged in, and again when the session ended.
    session_token: str = field(default="", repr=False)
    # When the session ends unless it is used before.
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRequest:
    """What the agent is to have signed at this hop; `request` is the canonical request of an act."""

    purpose: bytes
    request: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong at the last step: a reason of the catalogue, with what its words need.

    `fields` are violations by field name (`name`, `card_contact.telephone`) with the reason of each; `number` is the
    照会番号. `from_agent` tells that the agent said it.
    """

    reason: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    field_metadata: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    number: str = ""
    from_agent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CardAnswer:
    """What the agent answers to a card hop; `successor_key` of a renewal's old card only."""

    certificate: bytes
    chain: tuple[bytes, ...] = ()
    successor_key: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureAnswer:
    """What the agent answers to a hop with a purpose; `successor_signature` of a renewal's new act only."""

    signed: SignedPurpose
    successor_signature: bytes = b""
    person_in_charge: str = ""


_Part = TypeVar("_Part", RegistrationPart, ChangePart, RenewalPart, AdvicePart)
_Value = TypeVar("_Value")
Part = RegistrationPart | ChangePart | RenewalPart | AdvicePart


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """One operation, as far as it has come. Every step makes a new one; nothing is changed in place."""

    operation: Operation
    agency: str
    category: str
    # UUID, 36 characters: the same for every try of the act, another one for a corrected form.
    request_id: str
    step: Step
    # What only this operation has.
    part: Part
    cards: Mapping[str, HeldCard] = field(default_factory=dict)
    # Set at the hops LOG_IN to ACT.
    signing: SignRequest | None = None
    # What the person typed, by field name as in the forms; never a password that was accepted.
    typed: Mapping[str, str] = field(default_factory=dict, repr=False)
    # 担当者, as it came with a log-in.
    person_in_charge: str = ""
    problem: Problem | None = None
    # Where the person stood when its session ended: the page after the next log-in.
    after_log_in: Step | None = None

    def find_part(self, kind: type[_Part]) -> _Part:
        """Returns what only this operation has; raises TypeError for another operation's."""
        if not isinstance(self.part, kind):
            raise TypeError(f"a journey of {self.operation} has no {kind.__name__}")
        return self.part

    def find_card(self, role: Role = Role.SOLE) -> HeldCard:
        """Returns the card in a role; raises KeyError before it was chosen."""
        return self.cards[role]


def require(value: _Value | None) -> _Value:
    """Returns what an earlier step of the journey has made; raises LookupError where it has not."""
    if value is None:
        raise LookupError("an earlier step of this journey is missing")
    return value

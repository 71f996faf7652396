"""Notices: what people are told of an act by mail. Never derived from card states, which merge."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.registration import Registration
from history.entries import SealedEntry

# Recipients of one notice.
MOST_RECIPIENTS = 1000


class NoticeKind(StrEnum):
    """What a notice says: to the card's own contact that it is registered (REG-06), to others that it was (REG-07)."""

    REGISTRATION = "registration"
    REGISTRATION_NOTICE = "registration notice"
    # The same of a renewal, with its new card (REN-01).
    RENEWAL = "renewal"
    RENEWAL_NOTICE = "renewal notice"
    # To all contacts of the bidder.
    CARD_SUSPENDED = "card suspended"
    CARD_RESUMED = "card resumed"
    BINDING_UNDONE = "binding undone"
    REGISTRATION_REOPENED = "registration reopened"
    PREDECESSOR_LINKED = "predecessor linked"


@dataclass(frozen=True, slots=True)
class RegisteredCard:
    """What a notice says of a registration.

    `holder_name` is the holder of the card, "" where its certificate names none.
    `other_cards` are the bidder's other live cards, in every category, oldest first; empty where the kind needs none.
    """

    registration: Registration
    request_id: UUID
    serial: bytes
    holder_name: str
    other_cards: Sequence[CardKey]


@dataclass(frozen=True, slots=True)
class RenewedCard:
    """What a notice says of a renewal, beside the new card and its registration: the old card, its serial number."""

    new: RegisteredCard
    old_certificate_sha256: bytes
    old_serial: bytes
    propagate: bool


@dataclass(frozen=True, slots=True)
class CardAct:
    """What an officer did to a bidder's card: at an agency, or for the whole instance (the agency "operator")."""

    certificate_sha256: bytes
    agency: str
    category: str
    bidder_id: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class ToldCardAct:
    """The same, with serial number and holder of the card as for `RegisteredCard`."""

    act: CardAct
    serial: bytes
    holder_name: str


@dataclass(frozen=True, slots=True)
class ReversedRenewal:
    """A renewal that officers took back, by its registration; `act` names the old card, and where the renewal was."""

    registration_id: UUID
    act: CardAct


@dataclass(frozen=True, slots=True)
class ToldReversal:
    """What a notice says of it: the new card with its registration and holder, and both serial numbers.

    `propagates`: the other agencies followed the renewal, or were to.
    """

    reversed: ReversedRenewal
    request_id: UUID
    certificate_sha256: bytes
    serial: bytes
    old_serial: bytes
    holder_name: str
    propagates: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that has not been sent yet, what it is about, and the entry of its act.

    `waits` says that its mail should show more of the entry, which will be sealed at any moment.
    """

    notice_id: UUID
    kind: NoticeKind
    about: RegisteredCard | RenewedCard | ToldCardAct | ToldReversal
    entry: SealedEntry
    waits: bool

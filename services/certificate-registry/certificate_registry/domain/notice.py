"""Notices: what people are told of an act by mail. Never derived from card states, which merge."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.registration import Registration

# Recipients of one notice.
MOST_RECIPIENTS = 1000


class NoticeKind(StrEnum):
    """What a notice says: to the card's own contact that it is registered (REG-06), to others that it was (REG-07)."""

    REGISTRATION = "registration"
    REGISTRATION_NOTICE = "registration notice"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that has not been sent yet: which registration it is about, under which request, with which card.

    `holder_name` is the holder of the card, "" where its certificate names none.
    `other_cards` are the bidder's other live cards, in every category, oldest first; empty where the kind needs none.
    """

    notice_id: UUID
    kind: NoticeKind
    registration: Registration
    request_id: UUID
    serial: bytes
    holder_name: str
    other_cards: Sequence[CardKey]

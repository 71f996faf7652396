"""The session of a card: opened with its signed log-in, checked, ended."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from card_agent.console import words
from card_agent.console.retries import Retry, wants_retry
from card_agent.console.words import Words
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import call
from card_agent.operation.numbers import NUMBERS
from card_agent.signing.card_use import SigningCard, choose_display, list_certificate_rows, show_purpose
from card_agent.signing.certificate import describe_card
from refusals import Refusal
from signed_acts.purpose import Role
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import entry_pb2

# Seconds for the end of the session, which nobody has to wait for.
_END_SECONDS = 2.0


class LogInAnswer(Protocol):
    """What every Begin method returns."""

    @property
    def purpose(self) -> bytes:
        """The log-in that the card has to sign."""

    @property
    def card(self) -> card_pb2.Card:
        """The card as read by the server."""


class OpenedAnswer(Protocol):
    """What every Open…Session method returns."""

    @property
    def session_token(self) -> str:
        """The token of the session."""


@dataclass(frozen=True, slots=True)
class LogIn:
    """The two calls by which a card opens a session of an operation, and the role of the card in it."""

    begin: Callable[[], LogInAnswer]
    open: Callable[[signed_purpose_pb2.SignedPurpose], OpenedAnswer]
    role: Role = Role.SOLE
    # The heading over the card.
    title: Words = words.CARD


@dataclass(frozen=True, slots=True)
class CardSession:
    """An open session, and its card as read by the server."""

    card: SigningCard
    server_card: card_pb2.Card
    token: str = field(repr=False)
    answer: OpenedAnswer = field(repr=False)


def open_session(at_agency: AtAgency, card: SigningCard, log_in: LogIn) -> CardSession:
    """Returns a session of a card; a log-in that came too late or got lost may be tried again."""
    while True:
        try:
            return _open_session(at_agency, card, log_in)
        except Refusal as refusal:
            if not wants_retry(at_agency.person, refusal, Retry.CALL, Retry.SIGNATURE):
                raise


def check_session(at_agency: AtAgency, session: CardSession) -> None:
    """Uses a session, so that it does not end meanwhile."""
    request = entry_pb2.CheckSessionRequest(
        session_token=session.token,
        operation=NUMBERS[at_agency.operation],
        agency=at_agency.agency.code,
        category=at_agency.category.code,
    )
    call(at_agency.front_door.entry.CheckSession, request)


def end_session(at_agency: AtAgency, session: CardSession) -> None:
    """Ends a session; raises nothing."""
    # It expires after ten minutes anyway; an error here must not hide an earlier one.
    with contextlib.suppress(Refusal):
        request = entry_pb2.EndSessionRequest(session_token=session.token)
        call(at_agency.front_door.entry.EndSession, request, seconds=_END_SECONDS)


def show_card(at_agency: AtAgency, card: card_pb2.Card, title: Words = words.CARD) -> None:
    """Shows a card as the server reads it."""
    rows = list_certificate_rows(describe_card(card), choose_display(at_agency.category))
    at_agency.person.show(title, rows)


def _open_session(at_agency: AtAgency, card: SigningCard, log_in: LogIn) -> CardSession:
    person = at_agency.person
    with person.show_waiting():
        begun = log_in.begin()
    place = at_agency.place(begun.card.authority)
    person.enter(place)
    show_card(at_agency, begun.card, log_in.title)
    purpose = card.accept_purpose(begun.purpose, at_agency.expect_purpose(card, role=log_in.role))
    show_purpose(person, purpose, place, details=at_agency.details)
    signed_purpose = card.sign(purpose)
    with person.show_waiting():
        opened = log_in.open(signed_purpose)
    return CardSession(card, begun.card, opened.session_token, opened)

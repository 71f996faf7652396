"""Cards: suspended, confirmed, resumed, and set free of their binding, by acts at certificate-registry."""

from collections.abc import Iterator

import grpc

from operator_command.officer.acts.options import ActOptions
from operator_command.officer.acts.outcome import (
    CARD,
    LAPSES,
    REASON,
    WHERE,
    describe_time,
    print_lapse,
    print_lines,
    print_not_yet_effective,
    print_proposed,
)
from operator_command.officer.acts.session import CERTIFICATE_REGISTRY, ActingSession, ask_service, make_signer
from operator_command.officer.suspensions.card_words import describe_card
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase
from refusals import Code, Refusal
from toroku.certificate.v1 import cards_pb2
from toroku.certificate.v1.cards_pb2_grpc import CardsStub

_METHODS = cards_pb2.DESCRIPTOR.services_by_name["Cards"].methods_by_name
_PAGE = 100
_CONFIRMED = Phrase("確認", "confirmed")


def list_cards(session: ActingSession, agency: str, category: str, bidder_id: str | None, card: bytes | None) -> None:
    """Prints the cards of a bidder, or one card. Raises the registry's refusals."""
    request = cards_pb2.ListCardsRequest(
        agency=agency, category=category, bidder_id=bidder_id or "", certificate_sha256=card or b"", most=_PAGE
    )
    shown = False
    with session.open(CERTIFICATE_REGISTRY) as channel:
        for listed in _list(CardsStub(channel), request):
            _print_card(session, listed)
            shown = True
    if not shown:
        print_line(session.console, session.speech, Phrase("該当するICカードはありません。", "There is no such card."))


def find_card(
    session: ActingSession, channel: grpc.Channel, agency: str, category: str, card: bytes
) -> cards_pb2.ListedCard:
    """Prints a card and returns it. Raises CARD_NOT_LISTED."""
    request = cards_pb2.ListCardsRequest(agency=agency, category=category, certificate_sha256=card)
    listed = next(_list(CardsStub(channel), request), None)
    if listed is None:
        raise Refusal("CARD_NOT_LISTED", Code.NOT_FOUND, {"agency": agency, "category": category})
    _print_card(session, listed)
    return listed


def suspend_card(
    session: ActingSession, options: ActOptions, agency: str, category: str, card: bytes, reason: str
) -> None:
    """Suspends a card at once, and prints by when another person has to confirm it."""
    with session.open(CERTIFICATE_REGISTRY) as channel:
        listed = find_card(session, channel, agency, category, card)
        request = cards_pb2.SuspendCardRequest(
            agency=agency,
            category=category,
            certificate_sha256=card,
            bidder_id=listed.state.bidder_id,
            reason=reason,
        )
        response = make_signer(session, options).carry_out(
            channel, _METHODS["SuspendCard"], request, cards_pb2.SuspendCardResponse
        )
    lines = [
        (CARD, card.hex()),
        (WHERE, session.speech.name_place(agency)),
        (REASON, reason),
        (LAPSES, describe_time(response.lapses_at, session.speech)),
    ]
    print_lines(session, Phrase("ICカードの利用を停止しました。", "The card is suspended."), lines)
    print_not_yet_effective(session, response.not_yet_effective_at)
    print_lapse(session, response.lapses_at, f"toroku suspend confirm --card {card.hex()} --category {category}")


def confirm_suspension(session: ActingSession, options: ActOptions, agency: str, category: str, card: bytes) -> None:
    """Confirms the suspension of a card, which then stays until it is resumed."""
    with session.open(CERTIFICATE_REGISTRY) as channel:
        listed = find_card(session, channel, agency, category, card)
        request = cards_pb2.ConfirmCardSuspensionRequest(
            agency=agency, category=category, certificate_sha256=card, bidder_id=listed.state.bidder_id
        )
        response = make_signer(session, options).carry_out(
            channel, _METHODS["ConfirmCardSuspension"], request, cards_pb2.ConfirmCardSuspensionResponse
        )
    lines = [
        (CARD, card.hex()),
        (WHERE, session.speech.name_place(agency)),
        (_CONFIRMED, describe_time(response.confirmed_at, session.speech)),
    ]
    print_lines(session, Phrase("利用停止を確認しました。", "The suspension is confirmed."), lines)
    said = Phrase(
        "停止は自動的には解除されません。解除するには「toroku resume card」を実行してください。",
        "It does not lapse any more. It ends by toroku resume card.",
    )
    print_line(session.console, session.speech, said)


def resume_card(
    session: ActingSession, options: ActOptions, agency: str, category: str, card: bytes, reason: str
) -> None:
    """Proposes that a card is resumed."""
    with session.open(CERTIFICATE_REGISTRY) as channel:
        listed = find_card(session, channel, agency, category, card)
        request = cards_pb2.ResumeCardRequest(
            agency=agency,
            category=category,
            certificate_sha256=card,
            bidder_id=listed.state.bidder_id,
            reason=reason,
        )
        response = make_signer(session, options).carry_out(
            channel, _METHODS["ResumeCard"], request, cards_pb2.ResumeCardResponse
        )
    print_proposed(session, response.proposal)


def undo_binding(
    session: ActingSession, options: ActOptions, agency: str, category: str, card: bytes, reason: str
) -> None:
    """Proposes that a card is set free of its bidder, so that it may register anew."""
    with session.open(CERTIFICATE_REGISTRY) as channel:
        listed = find_card(session, channel, agency, category, card)
        request = cards_pb2.UndoBindingRequest(
            agency=agency,
            category=category,
            certificate_sha256=card,
            bidder_id=listed.state.bidder_id,
            reason=reason,
        )
        response = make_signer(session, options).carry_out(
            channel, _METHODS["UndoBinding"], request, cards_pb2.UndoBindingResponse
        )
    print_proposed(session, response.proposal)


def _list(stub: CardsStub, request: cards_pb2.ListCardsRequest) -> Iterator[cards_pb2.ListedCard]:
    while True:
        cards = ask_service(stub.ListCards, request).cards
        yield from cards
        if len(cards) < _PAGE:
            return
        request.after = cards[-1].state.certificate_sha256


def _print_card(session: ActingSession, listed: cards_pb2.ListedCard) -> None:
    digest = listed.state.certificate_sha256.hex()
    print_lines(session, Phrase(f"ICカード {digest}", f"card {digest}"), describe_card(listed, session.speech))

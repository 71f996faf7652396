"""Cards that came after others: renewals undone, and links to expired cards, by acts at certificate-registry."""

from collections.abc import Iterator

from operator_command.officer.acts.options import ActOptions
from operator_command.officer.acts.outcome import (
    AGENCY,
    BIDDER,
    CARD,
    Line,
    describe_day,
    describe_time,
    print_lines,
    print_proposed,
)
from operator_command.officer.acts.session import CERTIFICATE_REGISTRY, ActingSession, ask_service, make_signer
from operator_command.officer.suspensions.cards import find_card
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase, Speech
from refusals import Code, Refusal
from toroku.certificate.v1 import cards_pb2
from toroku.certificate.v1.cards_pb2_grpc import CardsStub

_METHODS = cards_pb2.DESCRIPTOR.services_by_name["Cards"].methods_by_name
_PAGE = 100
_PREDECESSOR = Phrase("前のICカード（証明書のSHA-256）", "card before (SHA-256 of the certificate)")
_SERIAL = Phrase("前のICカードの証明書のシリアル番号", "serial number of the certificate before")
_NOT_AFTER = Phrase("前のICカードの有効期限", "certificate before valid until")
_LINKED = Phrase("関連付け", "linked")
_NAMED = Phrase("指定", "named")


def propose_reopening(
    session: ActingSession,
    options: ActOptions,
    agency: str,
    category: str,
    card: bytes,
    replaced_by: bytes | None,
    reason: str,
) -> None:
    """Proposes to undo the renewal by which another card took a card's place.

    Where that card is not named, it is the one that did. Raises CARD_NOT_LISTED, RENEWED_CARD_UNCLEAR.
    """
    with session.open(CERTIFICATE_REGISTRY) as channel:
        listed = find_card(session, channel, agency, category, card)
        if replaced_by is None:
            replaced_by = _find_new_card(listed)
        request = cards_pb2.ReopenRegistrationRequest(
            agency=agency,
            category=category,
            certificate_sha256=card,
            bidder_id=listed.state.bidder_id,
            replaced_by=replaced_by,
            reason=reason,
        )
        response = make_signer(session, options).carry_out(
            channel, _METHODS["ReopenRegistration"], request, cards_pb2.ReopenRegistrationResponse
        )
    print_proposed(session, response.proposal)


def link_card(
    session: ActingSession,
    options: ActOptions,
    agency: str,
    category: str,
    card: bytes,
    predecessor: bytes,
    reason: str,
) -> None:
    """Shows both cards, and links one to the expired one before it."""
    with session.open(CERTIFICATE_REGISTRY) as channel:
        listed = find_card(session, channel, agency, category, card)
        find_card(session, channel, agency, category, predecessor)
        request = cards_pb2.LinkPredecessorRequest(
            agency=agency,
            category=category,
            certificate_sha256=card,
            bidder_id=listed.state.bidder_id,
            predecessor=predecessor,
            reason=reason,
        )
        response = make_signer(session, options).carry_out(
            channel, _METHODS["LinkPredecessor"], request, cards_pb2.LinkPredecessorResponse
        )
    lines = [
        (CARD, card.hex()),
        (_PREDECESSOR, predecessor.hex()),
        (AGENCY, session.speech.name_agency(agency)),
        (_LINKED, describe_time(response.linked_at, session.speech)),
    ]
    print_lines(session, Phrase("前のICカードと関連付けました。", "The cards are linked."), lines)


def list_named(session: ActingSession, agency: str, category: str, most: int) -> None:
    """Prints the cards that bidders named and nobody has linked, each with what links it."""
    request = cards_pb2.ListNamedPredecessorsRequest(agency=agency, category=category, most=min(most, _PAGE))
    shown = 0
    with session.open(CERTIFICATE_REGISTRY) as channel:
        for named in _list(CardsStub(channel), request):
            if shown == most:
                said = Phrase("ほかにもあります。--mostで件数を増やしてください。", "There are more: raise --most.")
                print_line(session.console, session.speech, said)
                return
            heading = Phrase("業者が指定した前のICカード", "card before, as a bidder named it")
            print_lines(session, heading, _describe(named, session.speech))
            linking = (
                f"toroku cards link {named.certificate_sha256.hex()} --predecessor {named.predecessor.hex()} "
                f"--category {category}"
            )
            said = Phrase(
                f"前のICカードの有効期限が切れた後に、関連付けることができます：{linking}",
                f"Once the card before has expired, they can be linked: {linking}",
            )
            print_line(session.console, session.speech, said)
            shown += 1
    if not shown:
        said = Phrase("業者が指定した前のICカードはありません。", "No bidder has named a card before.")
        print_line(session.console, session.speech, said)


def _find_new_card(listed: cards_pb2.ListedCard) -> bytes:
    """Returns the one card that took a card's place. Raises RENEWED_CARD_UNCLEAR."""
    took = {registration.replaced_by for registration in listed.state.registrations if registration.replaced_by}
    if len(took) != 1:
        raise Refusal("RENEWED_CARD_UNCLEAR", Code.FAILED_PRECONDITION, {"number": str(len(took))})
    return took.pop()


def _list(stub: CardsStub, request: cards_pb2.ListNamedPredecessorsRequest) -> Iterator[cards_pb2.NamedPredecessor]:
    while True:
        named = ask_service(stub.ListNamedPredecessors, request).named
        yield from named
        if len(named) < request.most:
            return
        request.after = named[-1].registration_id


def _describe(named: cards_pb2.NamedPredecessor, speech: Speech) -> Iterator[Line]:
    yield BIDDER, named.bidder_id
    yield CARD, named.certificate_sha256.hex()
    yield _PREDECESSOR, named.predecessor.hex()
    yield _SERIAL, named.predecessor_serial
    yield _NOT_AFTER, describe_day(named.predecessor_not_after, speech)
    yield _NAMED, describe_time(named.named_at, speech)

"""`advise`: the card logs in for a look, and the front door says which operation is right for it (REN-05)."""

from collections.abc import Callable
from datetime import datetime

from card_agent.advice.expired import advise_on_expired, has_expired
from card_agent.advice.log_in import make_log_in
from card_agent.advice.show_advice import show_advice
from card_agent.console import words
from card_agent.console.person import Person
from card_agent.media.token import TokenMedium
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import FrontDoor, call_for
from card_agent.operation.entry import choose_agency, choose_category, enter_instance
from card_agent.operation.sessions import end_session, open_session
from card_agent.operation.unfinished import UnfinishedRequests
from card_agent.signing.card_choice import choose_medium
from card_agent.signing.card_use import SigningCard, list_certificate_rows, read_card
from card_agent.signing.certificate import describe_certificate
from refusals import Refusal
from signed_acts.purpose import Operation
from toroku.frontdoor.v1 import advice_pb2, front_door_pb2


def advise(
    front_door: FrontDoor,
    medium: TokenMedium,
    person: Person,
    unfinished: UnfinishedRequests,
    clock: Callable[[], datetime],
    *,
    instance_id: str | None = None,
    details: bool = False,
) -> advice_pb2.GetAdviceResponse:
    """Shows which operation is right for the card, and returns it.

    A card that has expired is answered before anything is asked: no server is called and no PIN is needed. Raises the
    refusals of the token (`token.TokenMedium`), of the purpose (`purpose.check_purpose`) and of the server.
    """
    card = read_card(choose_medium(medium, person), person)
    certificate = describe_certificate(card.certificate.certificate)
    if has_expired(certificate, clock()):
        person.show(words.CARD, list_certificate_rows(certificate))
        advice = advise_on_expired(certificate)
        show_advice(person, advice, front_door_pb2.Instance())
        return advice
    instance = enter_instance(front_door, person, Operation.VIEW, instance_id)
    agency = choose_agency(instance, person, Operation.VIEW)
    category = choose_category(instance, agency, person, Operation.VIEW)
    at_agency = AtAgency(Operation.VIEW, front_door, person, unfinished, instance, agency, category, details)
    person.enter(at_agency.place())
    try:
        advice = _ask(at_agency, card)
    except Refusal as refusal:
        # The clock of this PC may be late.
        if refusal.reason != "CERTIFICATE_EXPIRED":
            raise
        advice = advise_on_expired(certificate)
    show_advice(person, advice, instance)
    return advice


def _ask(at_agency: AtAgency, card: SigningCard) -> advice_pb2.GetAdviceResponse:
    session = open_session(at_agency, card, make_log_in(at_agency, card))
    try:
        request = advice_pb2.GetAdviceRequest(
            session_token=session.token, agency=at_agency.agency.code, category=at_agency.category.code
        )
        return call_for(at_agency.person, at_agency.front_door.advice.GetAdvice, request)
    finally:
        end_session(at_agency, session)

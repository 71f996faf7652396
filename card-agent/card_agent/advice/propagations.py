"""`propagations`: the card logs in for a look, and sees how far what it did has come at the other agencies (SYN-05)."""

from card_agent.advice.log_in import make_log_in
from card_agent.console import propagation_words
from card_agent.console.person import Person
from card_agent.media.token import TokenMedium
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import FrontDoor
from card_agent.operation.entry import choose_agency, choose_category, enter_instance
from card_agent.operation.propagations import Propagations, list_own, show_propagations
from card_agent.operation.sessions import end_session, open_session
from card_agent.operation.unfinished import UnfinishedRequests
from card_agent.signing.card_choice import choose_medium
from card_agent.signing.card_use import read_card
from signed_acts.purpose import Operation


def look_at_propagations(
    front_door: FrontDoor,
    medium: TokenMedium,
    person: Person,
    unfinished: UnfinishedRequests,
    *,
    instance_id: str | None = None,
    details: bool = False,
) -> Propagations:
    """Shows what became of everything that the card did at an agency, at each other agency, and returns it.

    Raises the refusals of the token (`token.TokenMedium`), of the purpose (`purpose.check_purpose`) and of the server.
    """
    instance = enter_instance(front_door, person, Operation.VIEW, instance_id)
    agency = choose_agency(instance, person, Operation.VIEW)
    category = choose_category(instance, agency, person, Operation.VIEW)
    at_agency = AtAgency(Operation.VIEW, front_door, person, unfinished, instance, agency, category, details)
    person.enter(at_agency.place())
    card = read_card(choose_medium(medium, person, instance), person)
    session = open_session(at_agency, card, make_log_in(at_agency, card))
    try:
        propagations = list_own(at_agency, session)
    finally:
        end_session(at_agency, session)
    show_propagations(person, instance, propagations)
    if not propagations:
        person.show_message(propagation_words.NOTHING)
    return propagations

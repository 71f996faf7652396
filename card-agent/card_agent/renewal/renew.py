"""The operation ICカード更新 at the front door, from the choice of the agency to the result (REN-01).

Each card signs twice: its log-in, and its act. The old card agrees to the card that a key of this renewal vouches for;
the new one names the old one and that key. Before each act it is compared with what lies in the readers, so that no
attacker in between can have another card take the place.

All of it runs in the calling thread, one step after the other, so that Ctrl-C ends it wherever it is (ADR 20).
"""

from functools import partial

from card_agent.console import renewal_words
from card_agent.console.person import Person
from card_agent.console.place import Place
from card_agent.console.retries import Retry, wants_retry
from card_agent.console.words import to_words
from card_agent.media.card_places import CardPlaces, FoundPlaces
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import FrontDoor
from card_agent.operation.entry import check_opening, choose_agency, choose_category, enter_instance
from card_agent.operation.progress import Outcome, Progress
from card_agent.operation.session_keeping import USUAL_KEEPING, SessionKeeping
from card_agent.operation.sessions import check_session, end_session, open_session
from card_agent.operation.unfinished import UnfinishedRequests
from card_agent.renewal.cards import CardDesk
from card_agent.renewal.commit import commit
from card_agent.renewal.in_progress import BothCards, Renewal, RenewalDone
from card_agent.renewal.log_in import make_log_in
from card_agent.renewal.result import show_result
from card_agent.renewal.resume import fetch_result, find_unfinished_card, list_unfinished
from card_agent.renewal.succession import GOOD_SECONDS, sign_succession
from refusals import Refusal
from signed_acts.purpose import Operation
from toroku.frontdoor.v1 import renewal_pb2

_OPERATION = Operation.RENEWAL


def renew_card(
    front_door: FrontDoor,
    places: CardPlaces,
    person: Person,
    unfinished: UnfinishedRequests,
    progress: Progress[RenewalDone],
    *,
    instance_id: str | None = None,
    details: bool = False,
    session_keeping: SessionKeeping = USUAL_KEEPING,
    most_seconds: float = GOOD_SECONDS,
) -> RenewalDone:
    """Has the new card take the place of the old one, and returns the result.

    If the answer of an earlier renewal was lost, its result is fetched first, at any hour. With `instance_id`, another
    instance is refused. `progress` says how far it came if a KeyboardInterrupt ends it. With `details`, all values of
    what the cards sign are shown. The new card is waited for `most_seconds`. Raises the refusals of the tokens
    (`token.TokenMedium`), of the purposes (`purpose.check_purpose`) and of the server, OUTSIDE_OPENING_HOURS, and
    RENEWAL_GIVEN_UP if the person cancels.
    """
    instance = enter_instance(front_door, person, _OPERATION, instance_id)
    person.show_message(renewal_words.BY_ITSELF)
    if unfinished.list_all(_OPERATION, instance.id):
        # It may be these cards'.
        progress.outcome = Outcome.UNKNOWN
    else:
        check_opening(instance.opening)
    agency = choose_agency(instance, person, _OPERATION)
    category = choose_category(instance, agency, person, _OPERATION)
    place = Place(instance, agency, category)
    person.enter(place)
    if place.rules.HasField("holder_rule"):
        person.show_message(to_words(place.rules.holder_rule))
    at_agency = AtAgency(_OPERATION, front_door, person, unfinished, instance, agency, category, details=details)
    renewal = Renewal(at_agency, progress, session_keeping)
    desk = CardDesk(places, person, most_seconds)
    done = _finish(renewal, _renew_in_rounds(renewal, desk))
    show_result(person, done)
    return done


def _renew_in_rounds(renewal: Renewal, desk: CardDesk) -> renewal_pb2.RenewalResult:
    """Renews in one round or, if the person goes back or a session ends, in another one from the old card on."""
    person = renewal.person
    # The new card of an earlier round, which may still be where the old one belongs.
    new_card: bytes | None = None
    while True:
        is_unfinished = bool(list_unfinished(renewal))
        if is_unfinished:
            person.show_message(renewal_words.FOUND_UNFINISHED)
        found = desk.find(renewal_words.INSERT_NEW if is_unfinished else renewal_words.INSERT_OLD)
        try:
            unfinished = find_unfinished_card(renewal, desk, found)
            if unfinished is not None:
                new_card = unfinished[0].certificate.sha256
                result = fetch_result(renewal, *unfinished)
                if result is not None:
                    return result
            renewal.progress.outcome = Outcome.NOT_DONE
            check_opening(renewal.at_agency.instance.opening)
            renewed, new_card = _renew_once(renewal, desk, found, new_card)
            if renewed is not None:
                return renewed
        except Refusal as refusal:
            if not wants_retry(person, refusal, Retry.LOG_IN, Retry.SIGNATURE):
                raise
        if renewal.progress.outcome is Outcome.NOT_DONE:
            person.show_message(renewal_words.STARTING_AGAIN)


def _renew_once(
    renewal: Renewal, desk: CardDesk, found: FoundPlaces, other_than: bytes | None
) -> tuple[renewal_pb2.RenewalResult | None, bytes]:
    """Returns the result, None if the person goes back, and the hash of the new card."""
    at_agency, keep = renewal.at_agency, renewal.session_keeping.keep
    old_card = desk.read_old(found, other_than)
    desk.choose_pins(at_agency.category, found)
    old = open_session(at_agency, old_card, make_log_in(at_agency, old_card))
    try:
        with keep(partial(check_session, at_agency, old)):
            succession = sign_succession(at_agency, old)
            new_card = desk.read_new(found, old_card)
            desk.hand_over_pin(old_card, new_card)
            new = open_session(at_agency, new_card, make_log_in(at_agency, new_card))
            try:
                with keep(partial(check_session, at_agency, new)):
                    return commit(renewal, BothCards(old, new, succession)), new_card.certificate.sha256
            finally:
                end_session(at_agency, new)
    finally:
        old_card.forget_pin()
        end_session(at_agency, old)


def _finish(renewal: Renewal, result: renewal_pb2.RenewalResult) -> RenewalDone:
    at_agency = renewal.at_agency
    done = RenewalDone(result, at_agency.instance, at_agency.details)
    renewal.progress.finish(done, partial(_forget, at_agency, result.request_id))
    return done


def _forget(at_agency: AtAgency, request_id: str) -> None:
    for request in at_agency.unfinished.list_all(_OPERATION, at_agency.instance.id):
        if request.request_id == request_id:
            at_agency.unfinished.delete(request.key)

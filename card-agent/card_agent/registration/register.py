"""The operation 登録 at the front door, from the choice of the agency to the receipt (REG-01).

The card signs twice: the log-in opens a session, the act registers. Before the second signature the act is compared
with the values typed here, and the bidder with the one searched for, so that no attacker in between can have another
act signed.

All of it runs in the calling thread, one step after the other, so that Ctrl-C ends it wherever it is (ADR 20).
"""

from functools import partial

from card_agent.console import words
from card_agent.console.field_names import announce_mail
from card_agent.console.person import Person
from card_agent.console.place import Place
from card_agent.console.retries import Retry, wants_retry
from card_agent.console.words import to_words
from card_agent.media.token import TokenMedium
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import FrontDoor, call, call_for
from card_agent.operation.entry import check_opening, choose_agency, choose_category, enter_instance
from card_agent.operation.progress import Outcome, Progress
from card_agent.operation.propagations import list_planned, show_planned
from card_agent.operation.receipt_text import must_print
from card_agent.operation.session_keeping import USUAL_KEEPING, SessionKeeping
from card_agent.operation.sessions import CardSession, LogIn, check_session, end_session, open_session
from card_agent.operation.unfinished import UnfinishedRequest, UnfinishedRequests
from card_agent.registration.commit import commit
from card_agent.registration.form import fill_in
from card_agent.registration.in_progress import Registration, RegistrationResult
from card_agent.registration.receipt import list_receipt_sections
from card_agent.registration.search import find_bidder
from card_agent.registration.typed_contacts import TypedContacts
from card_agent.signing.card_choice import choose_medium
from card_agent.signing.card_use import SigningCard, read_card
from refusals import Refusal
from signed_acts.purpose import Operation
from toroku.act.v1 import signed_purpose_pb2
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import front_door_pb2, registration_pb2

_OPERATION = Operation.REGISTRATION


def register(
    front_door: FrontDoor,
    medium: TokenMedium,
    person: Person,
    unfinished: UnfinishedRequests,
    progress: Progress[RegistrationResult],
    *,
    instance_id: str | None = None,
    details: bool = False,
    session_keeping: SessionKeeping = USUAL_KEEPING,
) -> RegistrationResult:
    """Registers the card with the person's answers, and returns the receipt.

    If the answer of an earlier registration was lost, its receipt is fetched first, at any hour. With `instance_id`,
    any other instance is refused. `progress` says how far it came if a KeyboardInterrupt ends it. With `details`, all
    values of what the card signs are shown, its lines in every language, and what the history has of it. Raises the
    refusals of the token (`token.TokenMedium`), of the purpose (`purpose.check_purpose`) and of the server,
    OUTSIDE_OPENING_HOURS, BIDDER_DIFFERS for another bidder than the one typed if nobody can be asked, and
    REGISTRATION_GIVEN_UP if the person cancels.
    """
    instance = enter_instance(front_door, person, _OPERATION, instance_id)
    if unfinished.list_all(_OPERATION, instance.id):
        # It may be this card's.
        progress.outcome = Outcome.UNKNOWN
    else:
        check_opening(instance.opening)
    agency = choose_agency(instance, person, _OPERATION)
    category = choose_category(instance, agency, person, _OPERATION)
    place = Place(instance, agency, category)
    person.enter(place)
    if place.rules.HasField("holder_rule"):
        person.show_message(to_words(place.rules.holder_rule))
    card = read_card(choose_medium(medium, person, instance), person)
    at_agency = AtAgency(_OPERATION, front_door, person, unfinished, instance, agency, category, details)
    result = _register_in_sessions(at_agency, card, progress, session_keeping)
    show_receipt(person, result)
    return result


def show_receipt(person: Person, result: RegistrationResult) -> None:
    """Shows the receipt."""
    for title, rows in list_receipt_sections(result.receipt, result.instance):
        person.show(title, rows)
    if result.details:
        person.show(words.HISTORY, [(words.HISTORY_DIGEST, result.receipt.history_digest.hex())])
    person.show_message(words.REGISTERED)
    show_planned(person, result.instance, result.planned)
    for category in result.instance.categories:
        if category.code == result.receipt.registration.category:
            person.show_message(announce_mail(category))
            if must_print(category, card_pb2.OPERATION_REGISTRATION):
                person.show_message(words.MUST_PRINT)


def _register_in_sessions(
    at_agency: AtAgency, card: SigningCard, progress: Progress[RegistrationResult], session_keeping: SessionKeeping
) -> RegistrationResult:
    """Registers in one session or, as long as the person wants to, in another one after the first one's end."""
    person, unfinished, key = at_agency.person, at_agency.unfinished, at_agency.key(card)
    if unfinished.find(key) is None:
        progress.outcome = Outcome.NOT_DONE
        # Only the receipt of an earlier registration is given at any hour.
        check_opening(at_agency.instance.opening)
    typed: dict[str, str] = {}
    while True:
        previous = unfinished.find(key)
        if previous is not None:
            progress.outcome = Outcome.UNKNOWN
        session: CardSession | None = None
        try:
            session = open_session(at_agency, card, _make_log_in(at_agency, card, previous))
            registration = Registration(at_agency, progress, session, typed)
            with session_keeping.keep(partial(check_session, at_agency, session)):
                _show_standing(registration)
                receipt = _fetch_receipt(registration, previous) or _search_and_register(registration, previous)
            return _finish(registration, receipt)
        except Refusal as refusal:
            if not wants_retry(person, refusal, Retry.LOG_IN):
                raise
            person.show_message(words.LOGGING_IN_AGAIN)
            # The person may have left the desk.
            card.forget_pin()
        finally:
            if session is not None:
                end_session(at_agency, session)


def _make_log_in(at_agency: AtAgency, card: SigningCard, previous: UnfinishedRequest | None) -> LogIn:
    service, certificate = at_agency.front_door.registration, card.certificate
    resume_request_id = previous.request_id if previous else ""

    def begin() -> registration_pb2.BeginRegistrationResponse:
        request = registration_pb2.BeginRegistrationRequest(
            agency=at_agency.agency.code,
            category=at_agency.category.code,
            certificate=certificate.der,
            other_certificates=certificate.chain_der,
            resume_request_id=resume_request_id,
        )
        return call(service.BeginRegistration, request)

    def open_with(log_in: signed_purpose_pb2.SignedPurpose) -> registration_pb2.OpenSessionResponse:
        request = registration_pb2.OpenSessionRequest(
            agency=at_agency.agency.code,
            category=at_agency.category.code,
            certificate=certificate.der,
            log_in=log_in,
            resume_request_id=resume_request_id,
        )
        return call(service.OpenSession, request)

    return LogIn(begin, open_with)


def _show_standing(registration: Registration) -> None:
    answer = registration.session.answer
    if not isinstance(answer, registration_pb2.OpenSessionResponse):
        return
    if answer.standing == card_pb2.CARD_STANDING_REGISTERED_ELSEWHERE:
        registration.person.show_message(registration.place.fill(words.REGISTERED_ELSEWHERE))


def _fetch_receipt(registration: Registration, previous: UnfinishedRequest | None) -> front_door_pb2.Receipt | None:
    if previous is None:
        return None
    registration.person.show_message(words.LOOKING_FOR_RECEIPT)
    request = registration_pb2.GetReceiptRequest(
        session_token=registration.session.token,
        agency=registration.agency.code,
        category=registration.category.code,
        request_id=previous.request_id,
    )
    try:
        return call_for(registration.person, registration.front_door.registration.GetReceipt, request).receipt
    except Refusal as refusal:
        if refusal.reason != "REGISTRATION_NOT_FOUND":
            raise
    registration.progress.outcome = Outcome.NOT_DONE
    registration.person.show_message(words.NOT_REGISTERED_BEFORE)
    check_opening(registration.at_agency.instance.opening)
    return None


def _search_and_register(registration: Registration, previous: UnfinishedRequest | None) -> front_door_pb2.Receipt:
    while True:
        bidder = find_bidder(registration)
        has_representative = bidder.HasField("representative_contact")
        contacts = TypedContacts(
            registration.category,
            bidder.representative_contact_wanted,
            bidder.representative_contact if has_representative else None,
            registration.typed,
        )
        form = fill_in(registration, bidder, contacts, previous)
        if form is not None:
            return commit(registration, bidder, contacts, form)


def _finish(registration: Registration, receipt: front_door_pb2.Receipt) -> RegistrationResult:
    at_agency = registration.at_agency
    planned = list_planned(at_agency, registration.session)
    result = RegistrationResult(receipt, at_agency.instance, at_agency.details, planned)
    registration.progress.finish(result, partial(at_agency.unfinished.delete, registration.key))
    return result

"""The operation 登録 at the front door, from the choice of the agency to the receipt (REG-01).

The card signs twice: the log-in opens a session, the act registers. Before the second signature the act is compared
with the values typed here, and the bidder with the one searched for, so that no attacker in between can have another
act signed.

All of it runs in the calling thread, one step after the other, so that Ctrl-C ends it wherever it is (ADR 20).
"""

import contextlib
from dataclasses import replace
from functools import partial

from card_agent.console import words
from card_agent.console.field_names import announce_mail
from card_agent.console.person import Person
from card_agent.console.place import Place
from card_agent.console.retries import Retry, wants_retry
from card_agent.console.words import to_words
from card_agent.media.token import TokenMedium
from card_agent.registration.calls import FrontDoor, call, call_for
from card_agent.registration.commit import commit
from card_agent.registration.contacts import TypedContacts
from card_agent.registration.entry import check_opening, choose_agency, choose_category
from card_agent.registration.form import fill_in, show_card
from card_agent.registration.greeting import greet
from card_agent.registration.in_progress import Outcome, Progress, Registration, RegistrationResult
from card_agent.registration.receipt import list_receipt_sections, must_print
from card_agent.registration.search import find_bidder
from card_agent.registration.session_keeping import USUAL_KEEPING, SessionKeeping
from card_agent.registration.unfinished import UnfinishedRegistration, UnfinishedRegistrations
from card_agent.signing.card_use import read_card, show_purpose
from refusals import Code, Refusal
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import entry_pb2, front_door_pb2, registration_pb2

# Seconds for the end of the session, which nobody has to wait for.
_END_SECONDS = 2.0


def register(
    front_door: FrontDoor,
    medium: TokenMedium,
    person: Person,
    unfinished: UnfinishedRegistrations,
    progress: Progress,
    *,
    instance_id: str | None = None,
    details: bool = False,
    session_keeping: SessionKeeping = USUAL_KEEPING,
) -> RegistrationResult:
    """Registers the card with the person's answers, and returns the receipt.

    If the answer of an earlier registration was lost, its receipt is fetched first, at any hour. With `instance_id`,
    any other instance is refused. `progress` says how far it came if a KeyboardInterrupt ends it. With `details`, all
    values of what the card signs are shown, and its lines in every language. Raises the refusals of the token
    (`token.TokenMedium`), of the purpose (`purpose.check_purpose`) and of the server, OUTSIDE_OPENING_HOURS,
    BIDDER_DIFFERS for another bidder than the one typed if nobody can be asked, and REGISTRATION_GIVEN_UP if the person
    cancels.
    """
    instance = call_for(person, front_door.entry.DescribeInstance, entry_pb2.DescribeInstanceRequest()).instance
    if instance_id is not None and instance.id != instance_id:
        raise Refusal("INSTANCE_DIFFERS", Code.FAILED_PRECONDITION, {"found": instance.id, "expected": instance_id})
    person.enter(Place(instance))
    greet(person, instance)
    if unfinished.has_any(instance.id):
        # It may be this card's.
        progress.outcome = Outcome.UNKNOWN
    else:
        check_opening(instance.opening)
    agency = choose_agency(instance, person)
    category = choose_category(instance, agency, person)
    place = Place(instance, agency, category)
    person.enter(place)
    if place.rules.HasField("holder_rule"):
        person.show_message(to_words(place.rules.holder_rule))
    card = read_card(medium, person)
    registration = Registration(
        front_door, person, unfinished, progress, instance, agency, category, card, details=details
    )
    result = _register_in_sessions(registration, session_keeping)
    show_receipt(person, result)
    return result


def show_receipt(person: Person, result: RegistrationResult) -> None:
    """Shows the receipt."""
    for title, rows in list_receipt_sections(result.receipt, result.instance):
        person.show(title, rows)
    person.show_message(words.REGISTERED)
    for category in result.instance.categories:
        if category.code == result.receipt.registration.category:
            person.show_message(announce_mail(category))
            if must_print(category):
                person.show_message(words.MUST_PRINT)


def _register_in_sessions(registration: Registration, session_keeping: SessionKeeping) -> RegistrationResult:
    """Registers in one session or, as long as the person wants to, in another one after the first one's end."""
    person = registration.person
    if registration.unfinished.find(registration.key) is None:
        registration.progress.outcome = Outcome.NOT_REGISTERED
        # Only the receipt of an earlier registration is given at any hour.
        check_opening(registration.instance.opening)
    while True:
        previous = registration.unfinished.find(registration.key)
        if previous is not None:
            registration.progress.outcome = Outcome.UNKNOWN
        session = registration
        try:
            session = _log_in(registration, previous)
            with session_keeping.keep(partial(_check_session, session)):
                receipt = _fetch_receipt(session, previous) or _search_and_register(session, previous)
            return _finish(session, receipt)
        except Refusal as refusal:
            if not wants_retry(person, refusal, Retry.LOG_IN):
                raise
            person.show_message(words.LOGGING_IN_AGAIN)
            # The person may have left the desk.
            registration.card.forget_pin()
        finally:
            _end_session(session)


def _log_in(registration: Registration, previous: UnfinishedRegistration | None) -> Registration:
    """Returns the registration with a session; a log-in that came too late or got lost may be tried again."""
    while True:
        try:
            return _open_session(registration, previous.request_id if previous else "")
        except Refusal as refusal:
            if not wants_retry(registration.person, refusal, Retry.CALL, Retry.SIGNATURE):
                raise


def _open_session(registration: Registration, resume_request_id: str) -> Registration:
    person, certificate = registration.person, registration.card.certificate
    request = registration_pb2.BeginRegistrationRequest(
        agency=registration.agency.code,
        category=registration.category.code,
        certificate=certificate.der,
        other_certificates=certificate.chain_der,
        resume_request_id=resume_request_id,
    )
    with person.show_waiting():
        log_in = call(registration.front_door.registration.BeginRegistration, request)
    registration = replace(registration, server_card=log_in.card)
    person.enter(registration.place)
    show_card(registration)
    purpose = registration.card.accept_purpose(log_in.purpose, registration.expect_purpose())
    show_purpose(person, purpose, registration.place, details=registration.details)
    signed_purpose = registration.card.sign(purpose)
    open_request = registration_pb2.OpenSessionRequest(
        agency=registration.agency.code,
        category=registration.category.code,
        certificate=certificate.der,
        log_in=signed_purpose,
        resume_request_id=resume_request_id,
    )
    with person.show_waiting():
        session = call(registration.front_door.registration.OpenSession, open_request)
    if session.standing == card_pb2.CARD_STANDING_REGISTERED_ELSEWHERE:
        person.show_message(registration.place.fill(words.REGISTERED_ELSEWHERE))
    return replace(registration, session_token=session.session_token)


def _fetch_receipt(
    registration: Registration, previous: UnfinishedRegistration | None
) -> front_door_pb2.Receipt | None:
    if previous is None:
        return None
    registration.person.show_message(words.LOOKING_FOR_RECEIPT)
    request = registration_pb2.GetReceiptRequest(
        session_token=registration.session_token,
        agency=registration.agency.code,
        category=registration.category.code,
        request_id=previous.request_id,
    )
    try:
        return call_for(registration.person, registration.front_door.registration.GetReceipt, request).receipt
    except Refusal as refusal:
        if refusal.reason != "REGISTRATION_NOT_FOUND":
            raise
    registration.progress.outcome = Outcome.NOT_REGISTERED
    registration.person.show_message(words.NOT_REGISTERED_BEFORE)
    check_opening(registration.instance.opening)
    return None


def _search_and_register(registration: Registration, previous: UnfinishedRegistration | None) -> front_door_pb2.Receipt:
    while True:
        bidder = find_bidder(registration)
        contacts = TypedContacts(registration.category, bidder, registration.typed)
        form = fill_in(registration, bidder, contacts, previous)
        if form is not None:
            return commit(registration, bidder, contacts, form)


def _finish(registration: Registration, receipt: front_door_pb2.Receipt) -> RegistrationResult:
    result = RegistrationResult(receipt, registration.instance)
    registration.progress.outcome, registration.progress.result = Outcome.REGISTERED, result
    registration.unfinished.delete(registration.key)
    return result


def _check_session(registration: Registration) -> None:
    request = entry_pb2.CheckSessionRequest(
        session_token=registration.session_token,
        operation=card_pb2.OPERATION_REGISTRATION,
        agency=registration.agency.code,
        category=registration.category.code,
    )
    call(registration.front_door.entry.CheckSession, request)


def _end_session(registration: Registration) -> None:
    if not registration.session_token:
        return
    # The session expires after ten minutes anyway; an error here must not hide an earlier one.
    with contextlib.suppress(Refusal):
        request = entry_pb2.EndSessionRequest(session_token=registration.session_token)
        call(registration.front_door.entry.EndSession, request, seconds=_END_SECONDS)

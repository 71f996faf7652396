"""The operation 変更 at the front door, from the choice of the agency to the receipt (CHG-01 to CHG-03, CHG-05).

What is registered is shown first, and a person who only wanted to see it leaves then. As at 登録, the card signs twice,
and the act is compared with what was typed here before it is signed. All of it runs in the calling thread (ADR 20).
"""

from functools import partial

from card_agent.change.commit import commit
from card_agent.change.form import choose_sections, fill_in
from card_agent.change.in_progress import Change, ChangeResult, Draft
from card_agent.change.meanwhile import REASON as CHANGED_MEANWHILE
from card_agent.change.meanwhile import meet_newest
from card_agent.change.receipt import show_receipt
from card_agent.change.registered import get_registered, show_registered
from card_agent.console import change_words
from card_agent.console.person import Person
from card_agent.console.retries import Retry, wants_retry
from card_agent.media.token import TokenMedium
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import FrontDoor, call, call_for
from card_agent.operation.contacts import ContactForms
from card_agent.operation.entry import check_opening, choose_agency, choose_category, enter_instance
from card_agent.operation.progress import Outcome, Progress
from card_agent.operation.propagations import list_planned
from card_agent.operation.session_keeping import USUAL_KEEPING, SessionKeeping
from card_agent.operation.sessions import CardSession, LogIn, check_session, end_session, open_session
from card_agent.operation.unfinished import UnfinishedRequest, UnfinishedRequests
from card_agent.signing.card_choice import choose_medium
from card_agent.signing.card_use import SigningCard, read_card
from refusals import Refusal
from signed_acts.purpose import Operation
from toroku.act.v1 import signed_purpose_pb2
from toroku.frontdoor.v1 import change_pb2


def change_contacts(
    front_door: FrontDoor,
    medium: TokenMedium,
    person: Person,
    unfinished: UnfinishedRequests,
    progress: Progress[ChangeResult],
    *,
    instance_id: str | None = None,
    details: bool = False,
    session_keeping: SessionKeeping = USUAL_KEEPING,
) -> ChangeResult | None:
    """Shows what is registered, and changes it with the person's answers; returns the receipt.

    None where the person leaves without a change, which is as good an end. If the answer of an earlier change was lost,
    its receipt is fetched first, at any hour. With `instance_id`, any other instance is refused. `progress` says how
    far it came if a KeyboardInterrupt ends it. Raises the refusals of the token (`token.TokenMedium`), of the purpose
    (`purpose.check_purpose`) and of the server, OUTSIDE_OPENING_HOURS, CONTACT_CHANGED_MEANWHILE where nobody is there
    to see what changed, and CHANGE_GIVEN_UP if the person cancels.
    """
    instance = enter_instance(front_door, person, Operation.CHANGE, instance_id)
    for sentence in change_words.EACH_BY_ITSELF:
        person.show_message(sentence)
    if unfinished.list_all(Operation.CHANGE, instance.id):
        # It may be this card's.
        progress.outcome = Outcome.UNKNOWN
    else:
        check_opening(instance.opening)
    agency = choose_agency(instance, person, Operation.CHANGE)
    category = choose_category(instance, agency, person, Operation.CHANGE)
    at_agency = AtAgency(Operation.CHANGE, front_door, person, unfinished, instance, agency, category, details=details)
    person.enter(at_agency.place())
    card = read_card(choose_medium(medium, person, instance), person)
    result = _change_in_sessions(at_agency, progress, card, session_keeping)
    if result is None:
        person.show_message(change_words.LEFT)
    else:
        show_receipt(person, result)
    return result


def _change_in_sessions(
    at_agency: AtAgency, progress: Progress[ChangeResult], card: SigningCard, session_keeping: SessionKeeping
) -> ChangeResult | None:
    """Changes in one session or, as long as the person wants to, in another one after the first one's end."""
    person, unfinished, key = at_agency.person, at_agency.unfinished, at_agency.key(card)
    if unfinished.find(key) is None:
        progress.outcome = Outcome.NOT_DONE
        # Only the receipt of an earlier change is given at any hour.
        check_opening(at_agency.instance.opening)
    draft = Draft(ContactForms(at_agency.category, ()))
    while True:
        previous = unfinished.find(key)
        if previous is not None:
            progress.outcome = Outcome.UNKNOWN
        session: CardSession | None = None
        try:
            session = open_session(at_agency, card, _log_in(at_agency, card, previous))
            change = Change(at_agency, progress, session, draft, previous)
            with session_keeping.keep(partial(check_session, at_agency, session)):
                receipt = _fetch_receipt(change) or _look_and_change(change)
            if receipt is not None:
                return _finish(change, receipt)
            # An earlier change that was not made is not looked for again.
            unfinished.delete(key)
            return None
        except Refusal as refusal:
            if not wants_retry(person, refusal, Retry.LOG_IN):
                raise
            person.show_message(change_words.LOGGING_IN_AGAIN)
            # The person may have left the desk.
            card.forget_pin()
        finally:
            if session is not None:
                end_session(at_agency, session)


def _log_in(at_agency: AtAgency, card: SigningCard, previous: UnfinishedRequest | None) -> LogIn:
    service, certificate = at_agency.front_door.change, card.certificate
    codes = {"agency": at_agency.agency.code, "category": at_agency.category.code}
    resumed = previous.request_id if previous else ""
    begin = change_pb2.BeginChangeRequest(
        **codes, certificate=certificate.der, other_certificates=certificate.chain_der, resume_request_id=resumed
    )

    def open_with(log_in: signed_purpose_pb2.SignedPurpose) -> change_pb2.OpenChangeSessionResponse:
        request = change_pb2.OpenChangeSessionRequest(
            **codes, certificate=certificate.der, log_in=log_in, resume_request_id=resumed
        )
        return call(service.OpenChangeSession, request)

    return LogIn(begin=partial(call, service.BeginChange, begin), open=open_with)


def _fetch_receipt(change: Change) -> change_pb2.ChangeReceipt | None:
    """Returns the receipt of the change whose answer was lost, if it was made."""
    if change.previous is None:
        return None
    change.person.show_message(change_words.LOOKING_FOR_RECEIPT)
    request = change_pb2.GetChangeReceiptRequest(
        session_token=change.session.token,
        agency=change.at_agency.agency.code,
        category=change.category.code,
        request_id=change.previous.request_id,
    )
    try:
        return call_for(change.person, change.at_agency.front_door.change.GetChangeReceipt, request).receipt
    except Refusal as refusal:
        if refusal.reason != "CHANGE_NOT_FOUND":
            raise
    change.progress.outcome = Outcome.NOT_DONE
    change.person.show_message(change_words.NOT_CHANGED_BEFORE)
    check_opening(change.at_agency.instance.opening)
    return None


def _look_and_change(change: Change) -> change_pb2.ChangeReceipt | None:
    """Shows what is registered and changes it; what was typed in an earlier session is not asked for again."""
    draft = change.draft
    if draft.registered is None:
        registered = get_registered(change)
        show_registered(change, registered)
        draft.begin(registered, choose_sections(change))
    while draft.contacts.sections:
        try:
            form = fill_in(change)
            if form is not None:
                return commit(change, form)
        except Refusal as refusal:
            if refusal.reason != CHANGED_MEANWHILE:
                raise
            meet_newest(change, refusal)
        else:
            change.person.show_message(change_words.NOTHING_DIFFERS)
            break
    return None


def _finish(change: Change, receipt: change_pb2.ChangeReceipt) -> ChangeResult:
    planned = list_planned(change.at_agency, change.session) if receipt.propagate else ()
    result = ChangeResult(receipt, change.at_agency.instance, change.at_agency.details, planned)
    change.progress.finish(result, partial(change.at_agency.unfinished.delete, change.at_agency.key(change.card)))
    return result

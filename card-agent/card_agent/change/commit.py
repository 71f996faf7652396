"""The act: prepared by the server, compared with what was typed, agreed to, signed by the card, and sent (CHG-01)."""

from uuid import uuid4

from card_agent.change.form import GIVEN_UP, prepare
from card_agent.change.in_progress import Change
from card_agent.change.meanwhile import REASON as CHANGED_MEANWHILE
from card_agent.console import change_words
from card_agent.console.retries import Retry, wants_retry
from card_agent.operation.agreement import agree
from card_agent.operation.calls import call
from card_agent.operation.progress import Outcome
from card_agent.operation.sending import ATTEMPTS, send
from card_agent.operation.unfinished import UnfinishedRequest
from card_agent.signing.card_use import show_purpose
from card_agent.signing.purpose import ExpectedRequest, ShownPurpose
from refusals import Code, Refusal
from signed_acts.request import hash_canonical
from toroku.frontdoor.v1 import change_pb2

# Reasons after which a new request id is needed.
_REQUEST_ID_SPENT = {"REQUEST_ID_REUSED"}
# Reasons after which the same request is signed anew: what was proven with the earlier signature came to nothing.
_SIGNATURE_SPENT = {"CHALLENGE_USED", "ACT_PROOF_EXPIRED"}
# Characters of a bidder id in a refusal.
_MOST_CHARACTERS = 40


def commit(change: Change, form: change_pb2.ChangeForm) -> change_pb2.ChangeReceipt:
    """Changes the contacts as in the form that the person agreed to, and returns the receipt.

    Raises the refusals of card and server, and CHANGE_GIVEN_UP.
    """
    person, progress = change.person, change.progress
    sent: change_pb2.SubmitChangeRequest | None = None
    rounds = 0
    while True:
        rounds += 1
        try:
            act, form = _prepare_act(change, form)
        except Refusal as refusal:
            receipt = _ask_once_more(change, sent) if refusal.reason in _MOVED_ON else None
            if receipt is None:
                raise
            return receipt
        show_purpose(person, act, change.place, details=change.at_agency.details)
        agree(person, change_words.CONFIRM_ACT, may_go_back=False, given_up=GIVEN_UP)
        sent = change_pb2.SubmitChangeRequest(
            session_token=change.session.token,
            agency=form.agency,
            category=form.category,
            form=form,
            act=change.card.sign(act),
        )
        try:
            return _send(change, sent)
        except Refusal as refusal:
            if refusal.reason in _SIGNATURE_SPENT and rounds < ATTEMPTS:
                person.show_message(change_words.SIGNING_ANEW)
                continue
            is_known = progress.outcome is Outcome.NOT_DONE
            if not is_known or not wants_retry(person, refusal, Retry.SIGNATURE):
                raise


# What the server says of a form that is written already, or over which another one came.
_MOVED_ON = {CHANGED_MEANWHILE, "NOTHING_CHANGED"}


def _send(change: Change, request: change_pb2.SubmitChangeRequest) -> change_pb2.ChangeReceipt:
    at_agency, progress, form = change.at_agency, change.progress, request.form
    unfinished = UnfinishedRequest(at_agency.key(change.card), form.request_id, hash_canonical(form).hex())
    was_unknown = progress.outcome is Outcome.UNKNOWN
    try:
        return send(at_agency, progress, at_agency.front_door.change.SubmitChange, request, unfinished).receipt
    except Refusal:
        # This attempt was refused, but an earlier one with another signature may have arrived.
        if was_unknown:
            at_agency.unfinished.save(unfinished)
            progress.outcome = Outcome.UNKNOWN
        raise


def _ask_once_more(change: Change, sent: change_pb2.SubmitChangeRequest | None) -> change_pb2.ChangeReceipt | None:
    """Returns the receipt if what was sent before has arrived after all: the newest contacts are then this change's."""
    if sent is None:
        return None
    try:
        return call(change.at_agency.front_door.change.SubmitChange, sent).receipt
    except Refusal as refusal:
        if refusal.reason not in _SIGNATURE_SPENT | _MOVED_ON:
            raise
    change.at_agency.unfinished.delete(change.at_agency.key(change.card))
    change.progress.outcome = Outcome.NOT_DONE
    return None


def _prepare_act(change: Change, form: change_pb2.ChangeForm) -> tuple[ShownPurpose, change_pb2.ChangeForm]:
    """Returns the act, checked to be about this form, and the form, with a new request id if the old one was spent."""
    try:
        response = prepare(change, form, validate_only=False)
    except Refusal as refusal:
        if refusal.reason not in _REQUEST_ID_SPENT:
            raise
        form.request_id = change.draft.request_id = str(uuid4())
        response = prepare(change, form, validate_only=False)
    _compare_answer(response, form)
    expected = ExpectedRequest(form.bidder_id, form.request_id, hash_canonical(form))
    purpose = change.at_agency.expect_purpose(change.card, expected)
    return change.card.accept_purpose(response.purpose, purpose), form


def _compare_answer(response: change_pb2.PrepareChangeResponse, form: change_pb2.ChangeForm) -> None:
    """Checks that all parts of the answer are about this form.

    Raises PURPOSE_FOR_ANOTHER_BIDDER and PURPOSE_FOR_ANOTHER_REQUEST, as for the act itself.
    """
    for bidder_id in (response.form.bidder_id, response.company.bidder_id):
        if bidder_id != form.bidder_id:
            metadata = {"found": bidder_id[:_MOST_CHARACTERS], "expected": form.bidder_id[:_MOST_CHARACTERS]}
            raise Refusal("PURPOSE_FOR_ANOTHER_BIDDER", Code.FAILED_PRECONDITION, metadata)
    returned, expected = hash_canonical(response.form), hash_canonical(form)
    if returned != expected:
        metadata = {"found": returned.hex(), "expected": expected.hex()}
        raise Refusal("PURPOSE_FOR_ANOTHER_REQUEST", Code.FAILED_PRECONDITION, metadata)

"""The act: prepared by the server, compared with what was typed, agreed to, signed by the card, and sent (REG-05)."""

from uuid import uuid4

from card_agent.console import words
from card_agent.console.retries import Retry, wants_retry
from card_agent.operation.agreement import agree
from card_agent.operation.progress import Outcome
from card_agent.operation.sending import send
from card_agent.operation.unfinished import UnfinishedRequest
from card_agent.registration.form import GIVEN_UP, REQUEST_ID_SPENT, prepare
from card_agent.registration.in_progress import Registration
from card_agent.registration.search import MOST_CHARACTERS
from card_agent.registration.typed_contacts import TypedContacts
from card_agent.signing.card_use import show_purpose
from card_agent.signing.purpose import ExpectedRequest, ShownPurpose
from refusals import Code, Refusal
from signed_acts.request import hash_canonical
from toroku.frontdoor.v1 import front_door_pb2, registration_pb2


def commit(
    registration: Registration,
    bidder: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    form: front_door_pb2.RegistrationForm,
) -> front_door_pb2.Receipt:
    """Registers with the form that the person agreed to, and returns the receipt.

    Raises the refusals of card and server, and REGISTRATION_GIVEN_UP.
    """
    person = registration.person
    while True:
        act, form = _prepare_act(registration, bidder, contacts, form)
        show_purpose(person, act, registration.place, details=registration.at_agency.details)
        agree(person, words.CONFIRM_ACT, may_go_back=False, given_up=GIVEN_UP)
        request = registration_pb2.RegisterRequest(
            session_token=registration.session.token,
            agency=registration.agency.code,
            category=registration.category.code,
            proof=bidder.proof,
            request_id=form.request_id,
            act=registration.card.sign(act),
            predecessor_serial=form.predecessor_serial,
        )
        try:
            return _send(registration, request, form)
        except Refusal as refusal:
            is_known = registration.progress.outcome is Outcome.NOT_DONE
            if not is_known or not wants_retry(person, refusal, Retry.SIGNATURE):
                raise


def _prepare_act(
    registration: Registration,
    bidder: registration_pb2.FindBidderResponse,
    contacts: TypedContacts,
    form: front_door_pb2.RegistrationForm,
) -> tuple[ShownPurpose, front_door_pb2.RegistrationForm]:
    """Returns the act, checked to be about this form, and the form, with a new request id if the old one was spent."""
    try:
        response = prepare(registration, bidder, contacts, form, validate_only=False)
    except Refusal as refusal:
        if refusal.reason not in REQUEST_ID_SPENT:
            raise
        form.request_id = str(uuid4())
        response = prepare(registration, bidder, contacts, form, validate_only=False)
    _compare_answer(response, form)
    expected = ExpectedRequest(bidder.company.bidder_id, form.request_id, hash_canonical(form))
    return registration.card.accept_purpose(
        response.purpose, registration.at_agency.expect_purpose(registration.card, expected)
    ), form


def _compare_answer(
    response: registration_pb2.PrepareRegistrationResponse, form: front_door_pb2.RegistrationForm
) -> None:
    """Checks that all parts of the answer are about this form.

    Raises PURPOSE_FOR_ANOTHER_BIDDER and PURPOSE_FOR_ANOTHER_REQUEST, as for the act itself.
    """
    for bidder_id in (response.form.bidder_id, response.company.bidder_id):
        if bidder_id != form.bidder_id:
            metadata = {"found": bidder_id[:MOST_CHARACTERS], "expected": form.bidder_id[:MOST_CHARACTERS]}
            raise Refusal("PURPOSE_FOR_ANOTHER_BIDDER", Code.FAILED_PRECONDITION, metadata)
    returned, expected = hash_canonical(response.form), hash_canonical(form)
    if returned != expected:
        metadata = {"found": returned.hex(), "expected": expected.hex()}
        raise Refusal("PURPOSE_FOR_ANOTHER_REQUEST", Code.FAILED_PRECONDITION, metadata)


def _send(
    registration: Registration, request: registration_pb2.RegisterRequest, form: front_door_pb2.RegistrationForm
) -> front_door_pb2.Receipt:
    unfinished = UnfinishedRequest(registration.key, form.request_id, hash_canonical(form).hex())
    method = registration.front_door.registration.Register
    return send(registration.at_agency, registration.progress, method, request, unfinished).receipt

"""The new card's act: prepared by the server, compared with both cards, agreed to, signed, and sent (REN-01)."""

from functools import partial
from hashlib import sha256
from typing import NoReturn

from card_agent.console import renewal_words
from card_agent.console.person import Answer
from card_agent.console.retries import Retry, wants_retry
from card_agent.operation.calls import call_for
from card_agent.operation.card_approval import ASKABLE, ask_officer
from card_agent.operation.progress import Outcome
from card_agent.operation.sending import send
from card_agent.operation.unfinished import UnfinishedRequest
from card_agent.renewal.comparison import choose_propagation, find_usual_propagation, show_both_cards
from card_agent.renewal.in_progress import BothCards, Renewal
from card_agent.signing.card_use import show_purpose
from card_agent.signing.purpose import ExpectedRequest, ShownPurpose
from refusals import Code, Refusal
from signed_acts.purpose import Role
from signed_acts.request import hash_canonical
from toroku.frontdoor.v1 import renewal_pb2

# Characters of a bidder id in a refusal.
_MOST_CHARACTERS = 40


def commit(renewal: Renewal, cards: BothCards) -> renewal_pb2.RenewalResult | None:
    """Renews as the person agrees to, and returns the result; None if it goes back to start again.

    Raises the refusals of card and server, and RENEWAL_GIVEN_UP.
    """
    person = renewal.person
    show_both_cards(renewal, _check(renewal, cards))
    propagate = choose_propagation(renewal)
    while True:
        form = _make_form(renewal, cards, propagate=propagate)
        act = _prepare_act(renewal, cards, form)
        place = renewal.at_agency.place(cards.new.server_card.authority)
        show_purpose(person, act, place, details=renewal.at_agency.details)
        answer = person.confirm(
            renewal_words.PRESS_TO_RENEW, may_go_back=True, yes=renewal_words.RENEW, back=renewal_words.GO_BACK
        )
        if answer is Answer.BACK:
            return None
        if answer is not Answer.YES:
            raise Refusal("RENEWAL_GIVEN_UP", Code.ABORTED)
        request = renewal_pb2.RenewRequest(
            old_session_token=cards.old.token,
            new_session_token=cards.new.token,
            **renewal.codes,
            form=form,
            old_act=cards.succession.act,
            new_act=cards.new.card.sign(act),
            successor_signature=cards.succession.vouch_for(cards.new.card.certificate.sha256),
        )
        try:
            return _send(renewal, cards, request)
        except Refusal as refusal:
            # Where the old card's act is too old, both cards are needed again.
            may_sign_again = renewal.progress.outcome is Outcome.NOT_DONE and cards.succession.is_good
            if not may_sign_again or not wants_retry(person, refusal, Retry.SIGNATURE):
                raise


def _check(renewal: Renewal, cards: BothCards) -> renewal_pb2.PrepareRenewalResponse:
    """Has the server check every condition; asks the officer where one has to decide about the new card."""
    # Before anything is chosen: the check is the same whatever will be.
    form = _make_form(renewal, cards, propagate=find_usual_propagation(renewal.at_agency.instance))
    try:
        return _prepare(renewal, cards, form, validate_only=True)
    except Refusal as refusal:
        if refusal.reason not in ASKABLE:
            raise
        _ask_officer(renewal, cards, refusal)


def _ask_officer(renewal: Renewal, cards: BothCards, refusal: Refusal) -> NoReturn:
    place = renewal.at_agency.place(cards.new.server_card.authority)
    ask_officer(renewal.person, place, partial(_ask_for_approval, renewal, cards), refusal)


def _ask_for_approval(renewal: Renewal, cards: BothCards, mail_address: str) -> str:
    request = renewal_pb2.AskForRenewalApprovalRequest(
        old_session_token=cards.old.token,
        new_session_token=cards.new.token,
        **renewal.codes,
        mail_address=mail_address,
    )
    return call_for(renewal.person, renewal.at_agency.front_door.renewal.AskForRenewalApproval, request).number


def _make_form(renewal: Renewal, cards: BothCards, *, propagate: bool) -> renewal_pb2.RenewalForm:
    """Returns the form, as the server has to hash it."""
    return renewal_pb2.RenewalForm(
        request_id=cards.succession.request_id,
        instance=renewal.at_agency.instance.id,
        **renewal.codes,
        bidder_id=cards.succession.bidder_id,
        certificate_sha256=cards.new.card.certificate.sha256,
        old_certificate_sha256=cards.old.card.certificate.sha256,
        successor_key=cards.succession.public_key,
        propagate=propagate,
    )


def _prepare(
    renewal: Renewal, cards: BothCards, form: renewal_pb2.RenewalForm, *, validate_only: bool
) -> renewal_pb2.PrepareRenewalResponse:
    """Has the server check both cards and, unless `validate_only`, make the act of the new one."""
    request = renewal_pb2.PrepareRenewalRequest(
        old_session_token=cards.old.token,
        new_session_token=cards.new.token,
        **renewal.codes,
        request_id=form.request_id,
        successor_key=form.successor_key,
        propagate=form.propagate,
        validate_only=validate_only,
    )
    response = call_for(renewal.person, renewal.at_agency.front_door.renewal.PrepareRenewal, request)
    _compare_answer(response, form)
    return response


def _compare_answer(response: renewal_pb2.PrepareRenewalResponse, form: renewal_pb2.RenewalForm) -> None:
    """Checks that all parts of the answer are about this form and these cards.

    Raises PURPOSE_FOR_ANOTHER_BIDDER, PURPOSE_FOR_ANOTHER_CARD and PURPOSE_FOR_ANOTHER_REQUEST, as for the act itself.
    """
    for bidder_id in (response.form.bidder_id, response.company.bidder_id):
        if bidder_id != form.bidder_id:
            metadata = {"found": bidder_id[:_MOST_CHARACTERS], "expected": form.bidder_id[:_MOST_CHARACTERS]}
            raise Refusal("PURPOSE_FOR_ANOTHER_BIDDER", Code.FAILED_PRECONDITION, metadata)
    for card, certificate_sha256 in (
        (response.old_card, form.old_certificate_sha256),
        (response.new_card, form.certificate_sha256),
    ):
        if card.certificate_sha256 != certificate_sha256:
            metadata = {"found": card.certificate_sha256.hex(), "expected": certificate_sha256.hex()}
            raise Refusal("PURPOSE_FOR_ANOTHER_CARD", Code.FAILED_PRECONDITION, metadata)
    if response.form != form:
        metadata = {"found": hash_canonical(response.form).hex(), "expected": hash_canonical(form).hex()}
        raise Refusal("PURPOSE_FOR_ANOTHER_REQUEST", Code.FAILED_PRECONDITION, metadata)


def _prepare_act(renewal: Renewal, cards: BothCards, form: renewal_pb2.RenewalForm) -> ShownPurpose:
    """Returns the new card's act, checked to be about this form."""
    response = _prepare(renewal, cards, form, validate_only=False)
    expected = ExpectedRequest(
        form.bidder_id,
        form.request_id,
        hash_canonical(form),
        successor_key_sha256=sha256(form.successor_key).digest(),
        other_certificate_sha256=form.old_certificate_sha256,
    )
    card = cards.new.card
    return card.accept_purpose(response.purpose, renewal.at_agency.expect_purpose(card, expected, role=Role.NEW))


def _send(renewal: Renewal, cards: BothCards, request: renewal_pb2.RenewRequest) -> renewal_pb2.RenewalResult:
    at_agency = renewal.at_agency
    unfinished = UnfinishedRequest(
        at_agency.key(cards.new.card),
        request.form.request_id,
        hash_canonical(request.form).hex(),
        cards.old.card.certificate.sha256.hex(),
    )
    return send(at_agency, renewal.progress, at_agency.front_door.renewal.Renew, request, unfinished).result

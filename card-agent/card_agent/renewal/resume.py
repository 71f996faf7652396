"""A renewal whose answer was lost: its result is asked for with the new card, at any hour (REG-05, REN-01)."""

from card_agent.console import renewal_words
from card_agent.console.retries import RETRIES, Retry
from card_agent.media.card_places import CardPlace, FoundPlaces
from card_agent.operation.calls import call_for
from card_agent.operation.progress import Outcome
from card_agent.operation.sessions import end_session, open_session
from card_agent.operation.unfinished import UnfinishedRequest
from card_agent.renewal.cards import CardDesk
from card_agent.renewal.in_progress import Renewal
from card_agent.renewal.log_in import make_log_in
from card_agent.signing.card_use import SigningCard, read_card_once
from refusals import Refusal
from signed_acts.purpose import Role
from toroku.frontdoor.v1 import renewal_pb2


def list_unfinished(renewal: Renewal) -> list[UnfinishedRequest]:
    """Returns the renewals without an answer at this agency and category, of whatever cards."""
    at_agency = renewal.at_agency
    here = (at_agency.agency.code, at_agency.category.code)
    found = at_agency.unfinished.list_all(at_agency.operation, at_agency.instance.id)
    return [request for request in found if (request.key.agency, request.key.category) == here]


def find_unfinished_card(
    renewal: Renewal, desk: CardDesk, found: FoundPlaces
) -> tuple[SigningCard, UnfinishedRequest] | None:
    """Returns the new card of a renewal without an answer, and that renewal; None if no card here belongs to one.

    Where the old card of one is in the reader, the new one is asked for.
    """
    requests = list_unfinished(renewal)
    if not requests:
        return None
    for place in (found.new,) if found.is_one else (found.new, found.old):
        card = _try_to_read(renewal, place)
        if card is None:
            continue
        request = _find_request(card, requests)
        if request is None and any(card.certificate.sha256.hex() == each.other_certificate_sha256 for each in requests):
            card = desk.read_new(found, card)
            request = _find_request(card, requests)
        if request is not None:
            return card, request
    return None


def fetch_result(renewal: Renewal, card: SigningCard, request: UnfinishedRequest) -> renewal_pb2.RenewalResult | None:
    """Returns the result of a renewal; None if it was not made, which is known then."""
    at_agency, person = renewal.at_agency, renewal.person
    renewal.progress.outcome = Outcome.UNKNOWN
    person.show_message(renewal_words.LOOKING_FOR_RESULT)
    session = open_session(at_agency, card, make_log_in(at_agency, card, request.request_id))
    try:
        question = renewal_pb2.GetRenewalResultRequest(
            new_session_token=session.token, **renewal.codes, request_id=request.request_id
        )
        return call_for(person, at_agency.front_door.renewal.GetRenewalResult, question).result
    except Refusal as refusal:
        if refusal.reason != "RENEWAL_NOT_FOUND":
            raise
    finally:
        end_session(at_agency, session)
    # What was sent can't be carried out any more: the acts of both cards need the sessions that are gone.
    at_agency.unfinished.delete(request.key)
    renewal.progress.outcome = Outcome.NOT_DONE
    person.show_message(renewal_words.NOT_RENEWED_BEFORE)
    return None


def _try_to_read(renewal: Renewal, place: CardPlace) -> SigningCard | None:
    try:
        return read_card_once(place.medium, renewal.person, Role.NEW)
    except Refusal as refusal:
        # What is wrong with it is said when it is needed.
        if RETRIES.get(refusal.reason) is not Retry.CARD:
            raise
        return None


def _find_request(card: SigningCard, requests: list[UnfinishedRequest]) -> UnfinishedRequest | None:
    certificate_sha256 = card.certificate.sha256.hex()
    return next((each for each in requests if each.key.certificate_sha256 == certificate_sha256), None)

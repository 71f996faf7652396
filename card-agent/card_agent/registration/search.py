"""The search for the bidder on the roster (QUA-01)."""

from functools import partial

from card_agent.console import words
from card_agent.console.person import Answer, Person, Question
from card_agent.console.place import Place
from card_agent.console.retries import Retry, wants_retry
from card_agent.console.words import to_words
from card_agent.operation.calls import call_for
from card_agent.operation.card_approval import ASKABLE, ask_officer
from card_agent.operation.company import name_company
from card_agent.registration.in_progress import Registration
from refusals import Code, Refusal
from toroku.frontdoor.v1 import front_door_pb2, registration_pb2

# Characters of a bidder id in a refusal.
MOST_CHARACTERS = 40


def find_bidder(registration: Registration) -> registration_pb2.FindBidderResponse:
    """Returns the bidder that the person searches for; asks again as long as nothing is found and the person wants to.

    Raises the server's refusals, CARD_APPROVAL_PENDING where an officer has to decide and was asked, BIDDER_DIFFERS for
    another bidder than the one typed if nobody can be asked, and REGISTRATION_GIVEN_UP if the person does not agree.
    """
    person = registration.person
    while True:
        _introduce_search(person, registration.place)
        password = _ask_for_values(registration)
        typed = registration.typed
        request = registration_pb2.FindBidderRequest(
            session_token=registration.session.token,
            agency=registration.agency.code,
            category=registration.category.code,
            name=typed.get("search.name", ""),
            bidder_id=typed.get("search.bidder_id", ""),
            password=password,
        )
        try:
            bidder = call_for(person, registration.front_door.registration.FindBidder, request)
        except Refusal as refusal:
            if refusal.reason in ASKABLE:
                ask_officer(person, registration.place, partial(_ask_for_approval, registration, request), refusal)
            if not wants_retry(person, refusal, Retry.INPUT):
                raise
        else:
            _compare_bidder(registration, typed.get("search.bidder_id", ""), bidder)
            return bidder


def _ask_for_approval(registration: Registration, search: registration_pb2.FindBidderRequest, address: str) -> str:
    request = registration_pb2.AskForApprovalRequest(
        session_token=search.session_token,
        agency=search.agency,
        category=search.category,
        name=search.name,
        bidder_id=search.bidder_id,
        password=search.password,
        mail_address=address,
    )
    return call_for(registration.person, registration.front_door.registration.AskForApproval, request).number


def _introduce_search(person: Person, place: Place) -> None:
    """Shows the title of the category's search, and the agency's own text on it."""
    category = place.category or front_door_pb2.Category()
    title = to_words(category.search_title) if category.HasField("search_title") else words.SEARCH
    notes = [to_words(place.rules.search_text)] if place.rules.HasField("search_text") else []
    person.introduce(title, *notes)


def _ask_for_values(registration: Registration) -> str:
    """Asks for all fields of the search, with the values typed before; returns the password, which is not kept."""
    password = ""
    for search_field in registration.category.search_fields:
        path = f"search.{search_field.field}"
        question = Question(
            path,
            to_words(search_field.label),
            to_words(search_field.hint),
            search_field.field in registration.place.rules.required_search_fields,
            secret=search_field.secret,
            previous=registration.typed.get(path, ""),
        )
        answer = registration.person.ask(question)
        if search_field.secret:
            password = answer
        else:
            registration.typed[path] = answer
    return password


def _compare_bidder(registration: Registration, typed: str, bidder: registration_pb2.FindBidderResponse) -> None:
    found = bidder.company.bidder_id
    # A category may have no number among its search fields; then the person compares the company alone.
    if typed in ("", found):
        return
    metadata = {"typed": typed[:MOST_CHARACTERS], "found": found[:MOST_CHARACTERS]}
    person, place = registration.person, registration.place
    rows = [
        (place.fill(words.TYPED_NUMBER), typed),
        (place.fill(words.FOUND_NUMBER), found),
        (words.FOUND_NAME, name_company(bidder.company)),
    ]
    person.show(place.fill(words.OTHER_BIDDER), rows)
    refusal = Refusal("BIDDER_DIFFERS", Code.FAILED_PRECONDITION, metadata)
    if person.confirm_unexpected(place.fill(words.CONFIRM_OTHER_BIDDER), refusal) is not Answer.YES:
        raise Refusal("REGISTRATION_GIVEN_UP", Code.ABORTED)

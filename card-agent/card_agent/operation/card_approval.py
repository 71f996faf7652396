"""Asks the agency's officer about a card whose company or holder can't be told to be the roster's (CRD-10)."""

from collections.abc import Callable
from typing import NoReturn

from card_agent.console import words
from card_agent.console.person import Person, Question
from card_agent.console.place import Place
from card_agent.console.retries import Retry, wants_retry
from refusals import Code, Refusal

ANSWER_ADDRESS = "card_approval.mail_address"
# A request that was refused for one of these may be put before an officer.
ASKABLE = frozenset({"COMPANY_NEEDS_OFFICER", "HOLDER_NEEDS_OFFICER", "CARD_APPROVAL_REFUSED"})
# That an officer was asked, now or before.
PENDING = "CARD_APPROVAL_PENDING"


def ask_officer(person: Person, place: Place, ask: Callable[[str], str], refusal: Refusal) -> NoReturn:
    """Says what happened, and asks the officer if the person leaves a mail address for the answer.

    `ask` takes the address and returns the question's number. Raises CARD_APPROVAL_PENDING with the number, `refusal`
    where the person leaves no address, and the server's refusals.
    """
    person.show_refusal(refusal)
    while True:
        address = person.ask(
            Question(ANSWER_ADDRESS, words.ANSWER_ADDRESS, place.fill(words.HOW_TO_ASK), required=False)
        )
        if not address:
            raise refusal
        try:
            number = ask(address)
        except Refusal as mistake:
            if not wants_retry(person, mistake, Retry.INPUT):
                raise
            continue
        person.show(words.OFFICER_ASKED, [(words.APPROVAL_NUMBER, number), (words.ANSWER_ADDRESS, address)])
        raise Refusal(PENDING, Code.FAILED_PRECONDITION, {"number": number})

"""Sends a signed act, whose request is kept as unfinished until its answer is there (REG-05)."""

from collections.abc import Callable
from typing import TypeVar

from card_agent.console import words
from card_agent.console.retries import Retry, wants_retry
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import call
from card_agent.operation.progress import Outcome, Progress
from card_agent.operation.unfinished import UnfinishedRequest
from refusals import Refusal

_Response = TypeVar("_Response")
_Result = TypeVar("_Result")

# Attempts to send a request whose answer is lost, before the person has to check the network.
ATTEMPTS = 3
# Reasons after which it is unknown whether the request was carried out.
_OUTCOME_UNKNOWN = {"PEER_UNREACHABLE", "PEER_FAILED", "INTERNAL_FAILURE", "DATABASE_UNAVAILABLE"}


def send(
    at_agency: AtAgency,
    progress: Progress[_Result],
    method: Callable[..., _Response],
    request: object,
    unfinished: UnfinishedRequest,
) -> _Response:
    """Sends until there is an answer, several times by itself and then as long as the person wants to.

    Raises the server's refusals; `progress` says then whether the request may have been carried out.
    """
    person = at_agency.person
    progress.outcome = Outcome.UNKNOWN
    at_agency.unfinished.save(unfinished)
    attempts = 0
    while True:
        attempts += 1
        try:
            with person.show_waiting():
                return call(method, request, wait_for_ready=attempts > 1)
        except Refusal as refusal:
            if refusal.reason not in _OUTCOME_UNKNOWN:
                # A refusal after a lost answer leaves open whether the earlier attempt succeeded; the next run asks for
                # its receipt.
                if attempts == 1:
                    at_agency.unfinished.delete(unfinished.key)
                    progress.outcome = Outcome.NOT_DONE
                raise
            if attempts >= ATTEMPTS and not wants_retry(person, refusal, Retry.CALL):
                raise
        person.show_message(words.ASKING_AGAIN)

"""After which refusals another try can help, and how: the one place that decides whether a person is offered one."""

from collections.abc import Mapping
from enum import Enum, auto

from card_agent.console.person import Person
from refusals import Refusal


class Retry(Enum):
    """What is done anew."""

    # The same call again: network, servers with too much to do.
    CALL = auto()
    # The use of the card, with the PIN where that was wrong.
    CARD = auto()
    # What was typed.
    INPUT = auto()
    # The signature, for a purpose that is new.
    SIGNATURE = auto()
    # Log-in and search; what was typed is kept.
    LOG_IN = auto()


# A reason that is not here is final for this run of the command.
RETRIES: Mapping[str, Retry] = {
    "PEER_UNREACHABLE": Retry.CALL,
    "SERVER_BUSY": Retry.CALL,
    "TOO_MANY_CALLS": Retry.CALL,
    "REQUEST_NOT_RECEIVED": Retry.CALL,
    "DATABASE_UNAVAILABLE": Retry.CALL,
    "REGISTRY_UNAVAILABLE": Retry.CALL,
    "CERTIFICATE_CHECKS_BUSY": Retry.CALL,
    "SMART_CARD_SERVICE_NOT_RUNNING": Retry.CARD,
    "CARD_READER_NOT_FOUND": Retry.CARD,
    "CARD_NOT_INSERTED": Retry.CARD,
    "CARDS_SEVERAL": Retry.CARD,
    "CARD_IN_USE": Retry.CARD,
    "CARD_USED_BY_ANOTHER_PAGE": Retry.CARD,
    "CARD_REMOVED": Retry.CARD,
    "CARD_UNREADABLE": Retry.CARD,
    "CARD_FAILED": Retry.CARD,
    "CARD_CHANGED": Retry.CARD,
    # Another card may be the right one.
    "CARD_NOT_SUPPORTED": Retry.CARD,
    "CARD_WITHOUT_CERTIFICATE": Retry.CARD,
    "CARD_PIN_WRONG": Retry.CARD,
    "CARD_PIN_WRONG_UNCOUNTED": Retry.CARD,
    "CARD_PIN_FORM": Retry.CARD,
    "MY_NUMBER_CARD_PIN_WRONG": Retry.CARD,
    "MY_NUMBER_CARD_PIN_FORM": Retry.CARD,
    "CARD_FILE_PASSWORD_WRONG": Retry.CARD,
    "MODULE_FAILED": Retry.CARD,
    "MODULE_CRASHED": Retry.CARD,
    "MODULE_NOT_ANSWERING": Retry.CARD,
    "MODULE_TOKENS_SEVERAL": Retry.CARD,
    "MODULE_PIN_FORM": Retry.CARD,
    "MODULE_PIN_CHARACTERS": Retry.CARD,
    "BIDDER_NOT_FOUND": Retry.INPUT,
    # A later number of the same company may be registered with this card.
    "BIDDER_ENDED": Retry.INPUT,
    "FIELDS_INVALID": Retry.INPUT,
    "PREDECESSOR_UNKNOWN": Retry.INPUT,
    "CHALLENGE_EXPIRED": Retry.SIGNATURE,
    "CARD_SESSION_EXPIRED": Retry.LOG_IN,
    "CARD_SESSION_UNKNOWN": Retry.LOG_IN,
    "BIDDER_PROOF_EXPIRED": Retry.LOG_IN,
}


def wants_retry(person: Person, refusal: Refusal, *kinds: Retry) -> bool:
    """Returns whether a try of one of these kinds can help after the refusal, and the person wants it."""
    return RETRIES.get(refusal.reason) in kinds and person.offer_retry(refusal)

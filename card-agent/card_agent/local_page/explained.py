"""Refusals in the words of the pages."""

import logging

from card_agent.console.place import Place, list_names
from card_agent.console.retries import RETRIES, Retry
from card_agent.console.words import Words
from card_agent.local_page.answers import answer_refusal, write_return_address
from card_agent.local_page.hand_offs import HandOff
from card_agent.local_page.links import Link
from card_agent.local_page.views import Frame, RefusalPage
from refusals import Refusal
from refusals.catalogue import explain_refusal

_LOGGER = logging.getLogger(__name__)


def explain_in_words(refusal: Refusal, place: Place) -> tuple[Words, Words]:
    """Returns what happened, and what to do next."""
    explanation = explain_refusal(refusal, list_names(place))
    return Words(explanation.ja.what, explanation.en.what), Words(explanation.ja.next, explanation.en.next)


def refuse_page(refusal: Refusal) -> RefusalPage:
    """Returns a page that belongs to no hand-off, and so leads nowhere."""
    problem, next_step = explain_in_words(refusal, Place())
    return RefusalPage(None, problem, next_step)


def refuse_hop(refusal: Refusal, place: Place, frame: Frame, hand_off: HandOff, link: Link) -> RefusalPage:
    """Returns the page that ends a hop: with the way back to the portal, and to try again where that can help."""
    # For the help desk: the reason, and nothing of what was typed or shown.
    _LOGGER.info("a hop was refused: %s", refusal.reason)
    problem, next_step = explain_in_words(refusal, place)
    again = link.address if RETRIES.get(refusal.reason) is Retry.CARD else ""
    address = write_return_address(hand_off, link, answer_refusal(refusal.reason))
    return RefusalPage(frame, problem, next_step, again, address)

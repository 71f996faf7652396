"""The agent's own first page: the phrase, and the portals of the trusted instances."""

import hmac

from card_agent.console.place import Place
from card_agent.console.words import to_words
from card_agent.local_page import hop_words
from card_agent.local_page.agent import Agent
from card_agent.local_page.explained import explain_in_words, refuse_page
from card_agent.local_page.phrase import read_phrase, save_phrase
from card_agent.local_page.views import DonePage, StartPage, TrustedPortal, View
from card_agent.trust import TrustedInstance
from refusals import Code, Refusal
from refusals.language import Language

OPEN, PHRASE, AGAIN = "/open", "/phrase", "/again"


async def make_start_page(agent: Agent, language: Language, refusal: Refusal | None = None) -> View:
    """Returns the first page; `refusal` is that of a phrase that was typed just now."""
    try:
        trusted = agent.list_portals()
    except Refusal as unreadable:
        return refuse_page(unreadable)
    phrase = read_phrase(agent.folder)
    portals = [
        TrustedPortal(each.id, to_words((await agent.instances.get(each)).name), each.portal) for each in trusted
    ]
    problem, next_step = explain_in_words(refusal, Place()) if refusal is not None else (None, None)
    return StartPage(
        phrase=phrase,
        form=agent.forms.issue(OPEN if phrase else PHRASE, language),
        portals=tuple(portals),
        version=agent.version,
        notices=tuple(agent.find_notices()),
        problem=problem,
        next_step=next_step,
    )


async def post_open(agent: Agent, instance_id: str) -> View:
    """Makes a hand-off with an instance, and returns the page that leads to its portal."""
    try:
        instance = find_portal(agent, instance_id)
    except Refusal as refusal:
        return refuse_page(refusal)
    address = agent.open_portal(instance)
    frame = agent.make_frame(Place(await agent.instances.get(instance)))
    return DonePage(frame, hop_words.OPENING, address)


async def post_phrase(agent: Agent, language: Language, phrase: str) -> View:
    """Keeps the phrase, and returns the first page with it, or with what is wrong with it."""
    try:
        save_phrase(agent.folder, phrase)
    except Refusal as refusal:
        return await make_start_page(agent, language, refusal)
    return await make_start_page(agent, language)


def begin(agent: Agent, instance_id: str | None = None) -> str:
    """Returns the address that a start of the agent opens in the browser.

    That is the portal, with a new hand-off, where there is no doubt which one and nothing to be said before; otherwise
    the first page.
    """
    try:
        portals = agent.list_portals()
        if instance_id is not None:
            portals = [find_portal(agent, instance_id)]
    except Refusal:
        # The first page explains it.
        return f"{agent.origin}/"
    if len(portals) != 1 or not read_phrase(agent.folder) or agent.find_notices():
        return f"{agent.origin}/"
    return agent.open_portal(portals[0])


def find_portal(agent: Agent, instance_id: str) -> TrustedInstance:
    """Returns the trusted instance with this id. Raises PORTAL_NOT_TRUSTED, and as `read_trust_file`."""
    for instance in agent.list_portals():
        if instance.id == instance_id:
            return instance
    raise Refusal("PORTAL_NOT_TRUSTED", Code.FAILED_PRECONDITION, {"instance": instance_id[:64]})


def check_secret(agent: Agent, authorization: str) -> None:
    """Raises PAGE_UNKNOWN for a second start that is not this person's."""
    if not hmac.compare_digest(authorization.encode(), f"Bearer {agent.secret}".encode()):
        raise Refusal("PAGE_UNKNOWN", Code.NOT_FOUND)

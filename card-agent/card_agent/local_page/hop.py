"""One hop of a person from the portal to the agent: what the pages and posts of a link have in common."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from card_agent.console.place import Place
from card_agent.console.words import Words
from card_agent.local_page import hop_words
from card_agent.local_page.agent import Agent
from card_agent.local_page.answers import GIVEN_UP, Answer, answer_refusal, write_return_address
from card_agent.local_page.explained import refuse_hop
from card_agent.local_page.hand_offs import HandOff
from card_agent.local_page.links import Link
from card_agent.local_page.views import DonePage, Frame, RefusalPage, View
from refusals import Refusal
from toroku.frontdoor.v1 import front_door_pb2

Fields = Mapping[str, str]
# What a post does: it answers at once, or works on the card meanwhile.
Work = Callable[[], Awaitable[View]]


@dataclass(frozen=True, slots=True)
class Hop:
    """A hop by its link: for which hand-off, and what is known of the place."""

    agent: Agent
    hand_off: HandOff
    place: Place
    frame: Frame

    def finish(self, link: Link, message: Words, answer: Answer) -> View:
        """Returns the page that takes the answer to the portal."""
        try:
            return DonePage(self.frame, message, write_return_address(self.hand_off, link, answer))
        except Refusal as refusal:
            return self.refuse(link, refusal)

    def give_up(self, link: Link) -> View:
        """Returns the page that takes the person back to the portal, with nothing signed."""
        return self.finish(link, hop_words.GIVEN_UP, answer_refusal(GIVEN_UP))

    def refuse(self, link: Link, refusal: Refusal, authority: str = "") -> RefusalPage:
        """Returns the page that explains a refusal; `authority` is the CA of the card that it is about."""
        place = Place(self.place.instance, self.place.agency, self.place.category, authority)
        return refuse_hop(refusal, place, self.frame, self.hand_off, link)


def find_place(
    instance: front_door_pb2.Instance, agency: str | None, category: str | None, authority: str = ""
) -> Place:
    """Returns the place with these codes; what the instance does not know stays unknown."""
    agencies = [each for each in instance.agencies if each.code == agency]
    categories = [each for each in instance.categories if each.code == category]
    return Place(instance, agencies[0] if agencies else None, categories[0] if categories else None, authority)

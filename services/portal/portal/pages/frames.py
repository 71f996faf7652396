"""What every page has, made from the profile and the request."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from instance_profile.model import Profile
from portal.domain.journey import ENDS, Journey, Step
from portal.pages import words
from portal.pages.step_list import list_steps
from portal.pages.views import Frame, Sayable, make_step_address


@dataclass(frozen=True, slots=True)
class Frames:
    """Makes frames of one instance."""

    profile: Profile
    clock: Callable[[], datetime]

    def make(self, address: str, agency: str = "", category: str = "") -> Frame:
        """Returns the frame of a page outside of a journey."""
        is_chosen = bool(agency and category)
        return Frame(
            address=address,
            now=self.clock(),
            agency=self.profile.agency(agency).name if is_chosen else None,
            category=self.profile.category(category).name if is_chosen else None,
            menu=make_menu_address(agency, category) if is_chosen else "",
        )

    def make_of_journey(self, journey: Journey, journey_id: str, version: int, step: Step) -> Frame:
        """Returns the frame of a page of a journey."""
        # Nothing is lost any more when a log-in ends after the operation.
        cards = journey.cards.values() if journey.step not in ENDS else ()
        ends_at = [card.expires_at for card in cards if card.session_token and card.expires_at]
        steps, reached = list_steps(journey, step)
        return Frame(
            address=make_step_address(journey_id, step),
            now=self.clock(),
            agency=self.profile.agency(journey.agency).name,
            category=self.profile.category(journey.category).name,
            menu=make_menu_address(journey.agency, journey.category),
            may_log_out=True,
            ends_at=min(ends_at) if ends_at else None,
            keep_address=make_step_address(journey_id, "keep") if ends_at else "",
            version=version,
            steps=steps,
            reached=reached,
        )


def make_menu_address(agency: str, category: str) -> str:
    """Returns the path of the menu."""
    return f"/agencies/{agency}/{category}/menu"


def name_header(profile: Profile) -> tuple[Sayable, Sayable, Sayable, Sayable]:
    """Returns the words of the header (S-HDR): owner, name, kind of system, tab."""
    header = profile.screens.header
    return header.owner or "", header.name or profile.name, header.system or "", header.tab or words.TAB

"""The pages of journeys: which view a step has, whatever the operation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from instance_profile.model import Profile
from portal.domain.browser_session import BrowserSession
from portal.domain.journey import HOPS, Journey, Operation, Step
from portal.operations.journeys import Draft, Journeys
from portal.pages import advice_pages, change_pages, registration_pages, renewal_pages, words
from portal.pages.agency_states import (
    choose_of_act,
    find_propagated_act,
    is_under_way,
    list_followed,
    make_agency_states,
)
from portal.pages.agent_links import write_link
from portal.pages.entry_pages import EntryPages
from portal.pages.explained import make_trouble
from portal.pages.frames import Frames
from portal.pages.views import (
    BusyPage,
    Button,
    Frame,
    HopPage,
    Link,
    PrintPage,
    RefusalPage,
    ResultPage,
    Sayable,
    View,
    make_step_address,
)
from refusals.language import Language
from toroku.agencysync.v1 import propagation_pb2

Builder = Callable[[Journey, str, Step, Profile, Frame], View]
_BUILDERS: Mapping[Operation, Builder] = {
    Operation.REGISTRATION: registration_pages.build,
    Operation.CHANGE: change_pages.build,
    Operation.RENEWAL: renewal_pages.build,
    Operation.ADVICE: advice_pages.build,
}
_PRINTS: Mapping[Operation, Callable[[Journey, str, Profile, Frame], PrintPage]] = {
    Operation.REGISTRATION: registration_pages.build_print,
    Operation.CHANGE: change_pages.build_print,
}
_REFRESH_SECONDS = 2


@dataclass(frozen=True, slots=True)
class JourneyPages:
    """Builds these pages for one instance."""

    profile: Profile
    frames: Frames
    entry: EntryPages
    journeys: Journeys

    def build(self, draft: Draft, step: Step, session: BrowserSession, language: Language) -> View:
        """Returns the page of a step that can be shown."""
        journey, journey_id = draft.journey, draft.draft_id
        frame = self.frames.make_of_journey(journey, journey_id, draft.version, step)
        if draft.is_busy:
            return BusyPage(frame=frame, title=words.BUSY_TITLE, message=words.BUSY_LINE)
        if step is Step.REFUSED:
            return self._build_refusal(journey, frame)
        if self.journeys.ways[journey.operation].is_committing(journey):
            return RefusalPage(
                frame=frame,
                title=words.HOP_TITLES["act"],
                trouble=make_trouble(journey.problem, journey, self.profile),
                action=make_step_address(journey_id, Step.ACT),
                lines=(words.COMMITTING,),
                buttons=(Button(label=words.AGAIN),),
            )
        if step in HOPS:
            return self._build_hop(draft, session, frame, language)
        return _BUILDERS[journey.operation](journey, journey_id, step, self.profile, frame)

    def build_print(self, draft: Draft) -> PrintPage | None:
        """Returns the receipt for paper; None where there is none."""
        build = _PRINTS.get(draft.journey.operation)
        if draft.journey.step is not Step.RESULT or build is None:
            return None
        frame = self.frames.make_of_journey(draft.journey, draft.draft_id, draft.version, Step.RESULT)
        return build(draft.journey, draft.draft_id, self.profile, frame)

    def add_agencies(
        self, view: ResultPage, journey: Journey, propagations: Sequence[propagation_pb2.Propagation]
    ) -> ResultPage:
        """Returns the result with how far it has come at the other agencies; at first that may not be known yet."""
        act, now = find_propagated_act(journey, self.profile), self.frames.clock()
        of_act = choose_of_act(propagations, act)
        is_moving = bool(act) and (not of_act or any(is_under_way(each, now) for each in of_act))
        return replace(
            view,
            agencies=(
                *list_followed(journey, self.profile),
                *make_agency_states(of_act, journey.category, self.profile, now),
            ),
            refresh_seconds=_REFRESH_SECONDS if is_moving else 0,
        )

    def _build_hop(self, draft: Draft, session: BrowserSession, frame: Frame, language: Language) -> View:
        journey = draft.journey
        if not session.has_agent:
            return replace(self.entry.build_agent(frame.address), frame=frame)
        return HopPage(
            frame=frame,
            title=words.HOP_TITLES[journey.step],
            trouble=make_trouble(journey.problem, journey, self.profile),
            lines=(words.HOP_LINES[journey.step], *_list_kept(journey), words.AFTER_CARD),
            address=write_link(session, journey, draft.draft_id, draft.version, language),
            where_it_fails=words.WHERE_IT_FAILS,
            back=frame.menu,
        )

    def _build_refusal(self, journey: Journey, frame: Frame) -> RefusalPage:
        trouble = make_trouble(journey.problem, journey, self.profile)
        is_registered = journey.problem is not None and journey.problem.reason == "CARD_ALREADY_REGISTERED"
        return RefusalPage(
            frame=frame,
            title=words.REFUSED_TITLE,
            trouble=trouble,
            lines=self.profile.screens.search.already_registered if is_registered else (),
            links=(Link(label=words.TO_MENU, address=frame.menu), Link(label=words.LOG_OUT, address="/log-out")),
        )


def _list_kept(journey: Journey) -> tuple[Sayable, ...]:
    return (words.TYPED_IS_KEPT,) if journey.after_log_in is not None else ()

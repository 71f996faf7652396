"""What the card agent brings: its start, and its answers (docs/hand-off.md)."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from portal.domain.journey import CARD_HOPS, HOPS, CardAnswer, Journey
from portal.operations.browser_sessions import BrowserSessions
from portal.operations.journeys import Journeys
from portal.pages import words
from portal.pages.agent_links import read_answer, read_step
from portal.pages.answers import Answers, go_to, set_session
from portal.pages.gate import MOST_ANSWER_BYTES, read_number
from portal.pages.views import RelayPage, make_step_address
from portal.pages.visits import Visits
from refusals import Code, Refusal

# The agent's protocol that this portal speaks.
_PROTOCOL = 1
_PORTS = range(1024, 65536)
_HAND_OFF_CHARACTERS = 43


@dataclass(frozen=True, slots=True)
class AgentRoutes:
    """The pages to which the agent leads the browser: a script of theirs posts what stands in the fragment."""

    answers: Answers
    visits: Visits
    sessions: BrowserSessions
    journeys: Journeys

    async def show_start(self, request: Request) -> Response:
        """GET /start"""
        return self._show_relay(request, "/start", ("port", "handoff", "protocol", "instance"))

    async def start(self, request: Request) -> Response:
        """POST /start: keeps the agent with the browser session, and goes on where it waits for one."""
        known, fields = await self.visits.read_form(request)
        if read_number(fields.get("protocol", "")) < _PROTOCOL:
            return go_to("/agent?why=old")
        if fields.get("instance") != self.answers.profile.id:
            return go_to("/agent?why=other")
        port, hand_off = read_number(fields.get("port", "")), fields.get("handoff", "")
        if port not in _PORTS or len(hand_off) != _HAND_OFF_CHARACTERS:
            raise Refusal("PORTAL_FORM_MALFORMED", Code.INVALID_ARGUMENT)
        new_id, session = await self.visits.begin_where_none(known)
        session = await self.sessions.meet_agent(session, port, hand_off)
        draft = await self.journeys.find_newest(session)
        is_waiting = draft is not None and draft.journey.step in HOPS
        target = make_step_address(draft.draft_id, draft.journey.step) if draft is not None and is_waiting else "/"
        return set_session(go_to(target), new_id)

    async def show_return(self, request: Request) -> Response:
        """GET /return"""
        return self._show_relay(request, "/return", ("handoff", "step", "answer"))

    async def take_answer(self, request: Request) -> Response:
        """POST /return: the agent's answer counts only in the browser session that began the step."""
        session, fields = await self.visits.read_form(request, MOST_ANSWER_BYTES)
        journey_id, version = read_step(fields.get("step", ""))
        draft = await self.journeys.find(session, journey_id) if session is not None else None
        if session is None or draft is None or fields.get("handoff") not in session.hand_offs:
            raise Refusal("AGENT_OF_ANOTHER_SESSION", Code.PERMISSION_DENIED)
        if draft.version != version or draft.is_busy or draft.journey.step not in HOPS:
            return go_to(make_step_address(journey_id, draft.journey.step))
        answer = read_answer(fields.get("answer", ""), of_card=draft.journey.step in CARD_HOPS)
        if isinstance(answer, Refusal):
            after = await self.journeys.take_refusal(session, journey_id, version, answer)
        elif isinstance(answer, CardAnswer):
            after = await self.journeys.take_card(session, journey_id, version, answer)
        else:
            after = await self.journeys.take_signature(session, journey_id, version, answer)
        response = go_to(make_step_address(journey_id, (after or draft).journey.step))
        # Whoever planted the id that the browser came with has nothing of what a card opens.
        if after is not None and _has_session(after.journey) and not _has_session(draft.journey):
            new_id, _ = await self.sessions.replace_id(session)
            return set_session(response, new_id)
        return response

    def _show_relay(self, request: Request, action: str, fields: tuple[str, ...]) -> Response:
        view = RelayPage(
            frame=self.answers.frames.make(action),
            title=words.RELAY_TITLE,
            action=action,
            fields=fields,
            without_script=words.WITHOUT_SCRIPT,
        )
        return self.answers.show(request, view)


def _has_session(journey: Journey) -> bool:
    return any(card.session_token for card in journey.cards.values())

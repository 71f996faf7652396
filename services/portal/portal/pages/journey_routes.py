"""A journey in a browser: its begin, its pages and forms, and the log-out."""

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from portal.domain.journey import Operation, Step
from portal.operations.browser_sessions import BrowserSessions
from portal.operations.card_sessions import CardSessions
from portal.operations.journeys import Journeys
from portal.pages import words
from portal.pages.answers import Answers, find_language, go_to, set_session
from portal.pages.entry_routes import EntryRoutes
from portal.pages.gate import HEADERS, read_number
from portal.pages.journey_pages import JourneyPages
from portal.pages.views import LogOutPage, ResultPage, make_step_address
from portal.pages.visits import Visits
from refusals import Code, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyRoutes:
    """What a person sees and sends between the menu and the end."""

    answers: Answers
    visits: Visits
    sessions: BrowserSessions
    journeys: Journeys
    card_sessions: CardSessions
    entry: EntryRoutes
    pages: JourneyPages

    async def begin(self, request: Request) -> Response:
        """POST …/operations: begins a journey."""
        agency, category = self.entry.read_choice(request)
        known, fields = await self.visits.read_form(request)
        usable = self.answers.profile.category(category).list_usable_operations()
        operation = fields.get("operation", "")
        if operation not in {*(each.value for each in usable), Operation.ADVICE.value}:
            raise Refusal("PORTAL_FORM_MALFORMED", Code.INVALID_ARGUMENT)
        new_id, session = await self.visits.begin_where_none(known)
        draft = await self.journeys.begin(session, Operation(operation), agency, category)
        return set_session(go_to(make_step_address(draft.draft_id, draft.journey.step)), new_id)

    async def show_current(self, request: Request) -> Response:
        """GET /operations/{id}"""
        _, draft = await self.visits.find_draft(request, await self.visits.find_session(request))
        return go_to(make_step_address(draft.draft_id, draft.journey.step))

    async def show_step(self, request: Request) -> Response:
        """GET /operations/{id}/{step}: another page than can be shown leads to where the journey stands."""
        session, draft = await self.visits.find_draft(request, await self.visits.find_session(request))
        step, way = _read_page(request), self.journeys.ways[draft.journey.operation]
        if step is None or not way.may_show(draft.journey, step):
            return go_to(make_step_address(draft.draft_id, draft.journey.step))
        view = self.pages.build(draft, step, session, find_language(request))
        if isinstance(view, ResultPage) and step is Step.RESULT:
            propagations = await self.card_sessions.list_propagations(draft.journey)
            if propagations is not None:
                view = self.pages.add_agencies(view, draft.journey, propagations)
        return self.answers.show(request, view)

    async def submit(self, request: Request) -> Response:
        """POST /operations/{id}/{step}"""
        known, fields = await self.visits.read_form(request)
        session, draft = await self.visits.find_draft(request, known)
        step, version = _read_page(request), read_number(fields.get("version", ""))
        if fields.get("answer") == "leave":
            return go_to(f"/agencies/{draft.journey.agency}/{draft.journey.category}/menu")
        if step is not None:
            draft = await self.journeys.submit(session, draft.draft_id, version, step, fields) or draft
        return go_to(make_step_address(draft.draft_id, draft.journey.step))

    async def show_print(self, request: Request) -> Response:
        """GET /operations/{id}/print"""
        _, draft = await self.visits.find_draft(request, await self.visits.find_session(request))
        view = self.pages.build_print(draft)
        if view is None:
            return go_to(make_step_address(draft.draft_id, draft.journey.step))
        return self.answers.show(request, view)

    async def keep(self, request: Request) -> Response:
        """POST /operations/{id}/keep: what is typed so far; answers in how many seconds the log-in ends (0: it has)."""
        session, fields = await self.visits.read_form(request)
        journey_id = request.path_params["journey"]
        version = read_number(fields.get("version", ""))
        kept = None
        if session is not None:
            kept = await self.journeys.keep(session, journey_id, version, fields, self.card_sessions.touch)
        if kept is None:
            raise Refusal("PORTAL_PAGE_UNKNOWN", Code.NOT_FOUND)
        frame = self.answers.frames.make_of_journey(kept.journey, kept.draft_id, kept.version, kept.journey.step)
        left = int((frame.ends_at - frame.now).total_seconds()) if frame.ends_at is not None else 0
        return JSONResponse({"ends_in_seconds": max(left, 0)}, headers=dict(HEADERS))

    async def show_log_out(self, request: Request) -> Response:
        """GET /log-out: asks (S-REG-11)."""
        session = await self.visits.find_session(request)
        draft = await self.journeys.find_newest(session) if session is not None else None
        back = make_step_address(draft.draft_id, draft.journey.step) if draft is not None else "/"
        frame = self.answers.frames.make("/log-out")
        view = LogOutPage(frame=frame, title=words.LOG_OUT, message=words.LOG_OUT_QUESTION, back=back)
        return self.answers.show(request, view)

    async def log_out(self, request: Request) -> Response:
        """POST /log-out: ends the cards' sessions, deletes the drafts, and gives the session another id."""
        session, _ = await self.visits.read_form(request)
        if session is None:
            return go_to("/end")
        drafts = await self.journeys.list_all(session)
        tokens = {card.session_token for draft in drafts for card in draft.journey.cards.values()} - {""}
        await asyncio.gather(*map(self.card_sessions.end, tokens))
        done = next((draft.journey.operation for draft in drafts if draft.journey.step is Step.RESULT), None)
        await self.sessions.forget(session)
        new_id, _ = await self.sessions.replace_id(session)
        return set_session(go_to(f"/end?operation={done}" if done else "/end"), new_id)


def _read_page(request: Request) -> Step | None:
    name = request.path_params["step"]
    return Step(name) if name in {step.value for step in Step} else None

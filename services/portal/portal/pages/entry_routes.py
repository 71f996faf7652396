"""Which address shows which page before and after a journey; none of them needs a session, and the menu knows it."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from portal.pages.answers import Answers, go_to
from portal.pages.entry_pages import EntryPages
from portal.pages.visits import Visits
from refusals import Code, Refusal

# What an agent may be that is of no use, and what may have been done before the end.
_AGENT_KINDS = frozenset({"old", "other"})
_DONE = frozenset({"registration", "change", "renewal"})


@dataclass(frozen=True, slots=True)
class EntryRoutes:
    """From the doors to the menu, and the end."""

    answers: Answers
    entry: EntryPages
    visits: Visits

    async def show_entry(self, request: Request) -> Response:
        """GET /"""
        return self.answers.show(request, self.entry.build_entry(request.url.path))

    async def show_choice(self, request: Request) -> Response:
        """GET /choice: with agency and category it goes on; with the only ones, too."""
        agency, category = request.query_params.get("agency", ""), request.query_params.get("category", "")
        only = self.entry.find_only_choice()
        if only is not None:
            agency, category = only
        if not category:
            return self.answers.show(request, self.entry.build_choice("/choice", agency))
        if self.entry.offers(agency, category):
            return go_to(f"/agencies/{agency}/{category}")
        return self.answers.show(request, self.entry.build_not_offered("/choice", agency))

    async def show_doors(self, request: Request) -> Response:
        """GET /agencies/{agency}/{category}"""
        return self.answers.show(request, self.entry.build_doors(request.url.path, *self.read_choice(request)))

    async def show_top(self, request: Request) -> Response:
        """GET …/top"""
        return self.answers.show(request, self.entry.build_top(request.url.path, *self.read_choice(request)))

    async def show_menu(self, request: Request) -> Response:
        """GET …/menu"""
        agency, category = self.read_choice(request)
        session = await self.visits.find_session(request)
        drafts = await self.visits.journeys.list_all(session) if session is not None else ()
        return self.answers.show(request, self.entry.build_menu(request.url.path, agency, category, drafts))

    async def show_guide(self, request: Request) -> Response:
        """GET …/guide"""
        return self.answers.show(request, self.entry.build_guide(request.url.path, *self.read_choice(request)))

    async def show_agent(self, request: Request) -> Response:
        """GET /agent"""
        why, address = _read_kind(request, "why", _AGENT_KINDS)
        view = self.entry.build_agent(address, why)
        return self.answers.show(request, view)

    async def show_end(self, request: Request) -> Response:
        """GET /end"""
        operation, address = _read_kind(request, "operation", _DONE)
        view = self.entry.build_end(address, operation)
        return self.answers.show(request, view)

    def read_choice(self, request: Request) -> tuple[str, str]:
        """Returns agency and category of the address; raises PORTAL_PAGE_UNKNOWN where they are not offered."""
        agency, category = request.path_params["agency"], request.path_params["category"]
        if not self.entry.offers(agency, category):
            raise Refusal("PORTAL_PAGE_UNKNOWN", Code.NOT_FOUND)
        return agency, category


def _read_kind(request: Request, name: str, kinds: frozenset[str]) -> tuple[str, str]:
    """Returns the kind of a page that an address asks for, and its address; the plain page for an unknown kind."""
    kind = request.query_params.get(name, "")
    return (kind, f"{request.url.path}?{name}={kind}") if kind in kinds else ("", request.url.path)

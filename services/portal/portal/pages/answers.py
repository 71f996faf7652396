"""Answers to browsers: pages, redirects, cookies."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from instance_profile.model import Profile
from portal.pages import words
from portal.pages.explained import make_trouble_of_refusal
from portal.pages.frames import Frames
from portal.pages.gate import COOKIE, HEADERS, LANGUAGE_COOKIE
from portal.pages.render import render
from portal.pages.views import Link, RefusalPage, View
from refusals import Code, Refusal
from refusals.language import Language, find_accepted_language

_STATUSES = {
    Code.INVALID_ARGUMENT: 400,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNAVAILABLE: 503,
    Code.INTERNAL: 500,
}


@dataclass(frozen=True, slots=True)
class Answers:
    """Makes the answers of one instance."""

    profile: Profile
    frames: Frames

    def show(self, request: Request, view: View, status: int = 200) -> Response:
        """Returns a page in the browser's language."""
        return HTMLResponse(render(view, self.profile, find_language(request)), status, dict(HEADERS))

    def show_refusal(self, request: Request, refusal: Refusal) -> Response:
        """Returns the page of a refusal that belongs to no journey."""
        view = RefusalPage(
            frame=self.frames.make("/"),
            title=words.REFUSED_TITLE,
            trouble=make_trouble_of_refusal(refusal, self.profile),
            links=(Link(label=words.TO_START, address="/"),),
        )
        response = self.show(request, view, _STATUSES.get(refusal.code, 409))
        if "retry_after_seconds" in refusal.metadata:
            response.headers["Retry-After"] = refusal.metadata["retry_after_seconds"]
        return response


def go_to(path: str) -> Response:
    """Returns the way to another page of the portal, to be got: its address is never made from a request."""
    return RedirectResponse(path, 303, headers=dict(HEADERS))


def set_session(response: Response, session_id: str) -> Response:
    """Returns an answer that tells the browser its session's new id; with an empty one nothing is told."""
    if session_id:
        response.set_cookie(COOKIE, session_id, secure=True, httponly=True, samesite="lax")
    return response


def set_language(request: Request, response: Response) -> None:
    """Has the browser keep a language that was chosen."""
    language = request.query_params.get("language")
    if language in ("ja", "en"):
        response.set_cookie(LANGUAGE_COOKIE, language, secure=True, httponly=True, samesite="lax")


def find_language(request: Request) -> Language:
    """Returns the language that was chosen, or else the browser's first one of ours."""
    for chosen in (request.query_params.get("language"), request.cookies.get(LANGUAGE_COOKIE)):
        if chosen in ("ja", "en"):
            return "ja" if chosen == "ja" else "en"
    return find_accepted_language(request.headers.get("accept-language", "")) or "ja"

"""Makes HTML of the agent's pages: whole, or streamed as the busy page and, when the card is done, the rest of it."""

from collections.abc import Mapping
from importlib.resources import files
from urllib.parse import parse_qsl, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from card_agent.console.words import Words, say
from card_agent.local_page import page_words
from card_agent.local_page.views import (
    CardPage,
    DonePage,
    Frame,
    PinPage,
    RefusalPage,
    SignPage,
    StartPage,
    View,
)
from refusals.language import Language

_TEMPLATES: Mapping[type, str] = {
    CardPage: "card.html",
    PinPage: "pin.html",
    SignPage: "sign.html",
    DonePage: "done.html",
    RefusalPage: "refusal.html",
    StartPage: "start.html",
}
_OTHER: Mapping[Language, Language] = {"ja": "en", "en": "ja"}


def render(view: View, language: Language) -> str:
    """Returns a whole page."""
    frame = None if isinstance(view, StartPage) else view.frame
    phrase = view.phrase if isinstance(view, StartPage) else ""
    head = _render_head(_find_title(view), frame, language, phrase=phrase, is_problem=_has_problem(view))
    return head + render_end(view, language)


def render_start(busy: Frame, language: Language) -> str:
    """Returns the first part of an answer for which the card is worked on: a page on which nothing can be pressed."""
    return _render_head(page_words.STREAMED_TITLE, busy, language) + _render("busy.html", language)


def render_end(view: View, language: Language) -> str:
    """Returns the rest of an answer that `render_start` began; the style sheet hides the busy part from then on."""
    address = "/" if isinstance(view, StartPage) else view.frame.address if view.frame else ""
    other = _OTHER[language]
    return _render(
        _TEMPLATES[type(view)],
        language,
        view=view,
        title=_find_title(view),
        other_language=other,
        other_address=_change_language(address, other) if address else "",
    )


def style_sheet() -> bytes:
    """Returns the style sheet of all pages."""
    return files(__package__).joinpath("page.css").read_bytes()


def _render_head(
    title: Words, frame: Frame | None, language: Language, *, phrase: str = "", is_problem: bool = False
) -> str:
    return _render(
        "head.html",
        language,
        title=title,
        is_problem=is_problem,
        instance_name=frame.instance_name if frame else None,
        instance_id=frame.instance_id if frame else "",
        phrase=frame.phrase if frame else phrase,
    )


def _has_problem(view: View) -> bool:
    if isinstance(view, PinPage | SignPage):
        return view.pin is not None and view.pin.problem is not None
    return isinstance(view, CardPage | StartPage) and view.problem is not None


def _find_title(view: View) -> Words:
    if isinstance(view, CardPage):
        return page_words.CARD_TITLES[view.role]
    if isinstance(view, PinPage):
        return view.pin.title
    if isinstance(view, SignPage):
        return view.pin.title if view.pin else page_words.CHECK_WHAT_IS_SIGNED
    if isinstance(view, DonePage):
        return view.message
    if isinstance(view, RefusalPage):
        return page_words.REFUSED_TITLE
    return page_words.START_TITLE if view.phrase else page_words.CHOOSE_PHRASE_TITLE


def _change_language(address: str, language: Language) -> str:
    parts = urlsplit(address)
    parameters = [(name, value) for name, value in parse_qsl(parts.query) if name != "language"]
    return f"{parts.path}?{urlencode([*parameters, ('language', language)])}"


def _render(template: str, language: Language, **values: object) -> str:
    environment = _ENVIRONMENTS[language]
    return environment.get_template(template).render(values)


def _make_environment(language: Language) -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"words": page_words, "language": language}
    environment.filters["say"] = lambda value: say(value, language)
    return environment


_ENVIRONMENTS: Mapping[Language, Environment] = {"ja": _make_environment("ja"), "en": _make_environment("en")}

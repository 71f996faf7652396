"""Makes HTML of the portal's pages."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.resources import files
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from instance_profile.japan_time import JAPAN
from instance_profile.model import Profile
from portal.pages import page_words
from portal.pages.frames import name_header
from portal.pages.views import (
    AdvicePage,
    AgentPage,
    BusyPage,
    CheckPage,
    ChoicePage,
    DoorsPage,
    EndPage,
    EntryPage,
    FormPage,
    GuidePage,
    HopPage,
    LogOutPage,
    MenuPage,
    PrintPage,
    RefusalPage,
    RelayPage,
    ResultPage,
    Sayable,
    View,
    Words,
)
from refusals.language import Language

_TEMPLATES: Mapping[type, str] = {
    EntryPage: "entry.html",
    ChoicePage: "choice.html",
    DoorsPage: "doors.html",
    MenuPage: "menu.html",
    GuidePage: "guide.html",
    AgentPage: "agent.html",
    HopPage: "hop.html",
    FormPage: "form.html",
    CheckPage: "check.html",
    ResultPage: "result.html",
    PrintPage: "print.html",
    AdvicePage: "advice.html",
    RefusalPage: "refusal.html",
    LogOutPage: "log_out.html",
    EndPage: "end.html",
    BusyPage: "busy.html",
    RelayPage: "relay.html",
}
_OTHER: Mapping[Language, Language] = {"ja": "en", "en": "ja"}


def render(view: View, profile: Profile, language: Language) -> str:
    """Returns a page of an instance in a language."""
    owner, name, system, tab = name_header(profile)
    other = _OTHER[language]
    return (
        _make_environment(language)
        .get_template(_TEMPLATES[type(view)])
        .render(
            view=view,
            frame=view.frame,
            owner=owner,
            name=name,
            system=system,
            tab=tab,
            help_desk=profile.help_desk,
            other_language=other,
            labels=_name_fields(view),
            other_address=_write_address_in(view.frame.address, other),
        )
    )


def _name_fields(view: View) -> Mapping[str, Sayable]:
    """Returns what the error summary calls each field of a form: its label, with the section's where there are two."""
    if not isinstance(view, FormPage):
        return {}
    return {
        field.name: _join(section.heading, field.label) if section.heading else field.label
        for section in view.sections
        for field in section.fields
    }


def _join(heading: Sayable, label: Sayable) -> Words:
    ja, en = (say(heading, "ja"), say(label, "ja")), (say(heading, "en"), say(label, "en"))
    return Words("　".join(ja), ", ".join(en))


def _write_address_in(address: str, language: Language) -> str:
    """Returns the address of the same page in a language; what else its query says stays."""
    path, _, query = address.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query) if name != "language"]
    return f"{path}?{urlencode([*kept, ('language', language)])}"


def style_sheet() -> bytes:
    """Returns the style sheet of all pages."""
    return _read("page.css")


def script() -> bytes:
    """Returns the script of all pages."""
    return _read("portal.js")


@cache
def _read(name: str) -> bytes:
    return files(__package__).joinpath("files", name).read_bytes()


def say(value: Sayable, language: Language) -> str:
    """Returns a text in a language."""
    if isinstance(value, str):
        return value
    return value.ja if language == "ja" else value.en


def _write_clock(now: datetime, language: Language) -> str:
    """Returns the server's date and time (ENT-09), as 2014年08月18日 15時45分."""
    japan = now.astimezone(JAPAN)
    return f"{japan:%Y年%m月%d日 %H時%M分}" if language == "ja" else f"{japan:%Y-%m-%d %H:%M} (Japan)"


@cache
def _make_environment(language: Language) -> Environment:
    environment = Environment(
        loader=PackageLoader("portal.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"words": page_words, "language": language}
    environment.filters["say"] = lambda value: say(value, language)
    environment.filters["clock"] = lambda now: _write_clock(now, language)
    return environment

"""The agent's pages for Saitama have every word of its manual, and Aomori's where Saitama's manual has none.

`agent_screens.tsv` has the manuals' words by screen, in their order; `agent_screens_exceptions.tsv` says which of them
stand on no page, and why. White space does not count: the manuals print it at random.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typing_extensions import override

from front_door.convert.instance import InstanceDescription
from instance_profile.hours import determine_opening_state
from instance_profile.load import load_profile
from signed_acts.purpose import Operation, Role
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.card_in_memory import PivInMemory
from tests.support.page_agent import PageAgent, running_page_agent
from tests.support.purposes import make_log_in

FOLDER = Path(__file__).parent
SAITAMA = Path(__file__).parents[3] / "profiles" / "saitama.yaml"
PIN = "123456"
NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
# Which element of a page has the words of a kind.
ELEMENTS = {"title": {"h1", "h2"}, "label": {"label"}, "button": {"button"}, "message": {"p"}, "note": {"p"}}


@dataclass(frozen=True)
class Line:
    """A line of a screen of a manual."""

    screen: str
    order: str
    kind: str
    required: str
    words: str


def read_lines() -> list[Line]:
    """Returns the lines that the pages have to have."""
    exceptions = {(row["screen"], row["order"]) for row in read_table("agent_screens_exceptions.tsv")}
    return [
        Line(row["screen"], row["order"], row["kind"], row["required"], remove_white_space(row["words"]))
        for row in read_table("agent_screens.tsv")
        if (row["screen"], row["order"]) not in exceptions
    ]


def read_table(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))


def remove_white_space(text: str) -> str:
    return "".join(text.split())


class PageWords(HTMLParser):
    """The words of a page by the kind of element that they stand in, in the order of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: dict[str, list[str]] = defaultdict(list)
        self._open: list[tuple[str, list[str]]] = []
        self.feed(html)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "link", "input"}:
            self._open.append((tag, []))

    @override
    def handle_data(self, data: str) -> None:
        for _, texts in self._open:
            texts.append(data)

    @override
    def handle_endtag(self, tag: str) -> None:
        name, texts = self._open.pop()
        self.words[name].append(remove_white_space("".join(texts)))


@dataclass
class Walk:
    """A person's way over the pages of the agent; `screens` are the pages that are a screen of a manual."""

    pages: PageAgent
    handoff: str
    screens: dict[str, list[str]] = field(default_factory=dict)

    def take_in_reader(self, card: PivInMemory, operation: str, role: Role, *screens: str) -> None:
        """Sees the page that has the card inserted, and presses OK while the card is busy."""
        page = self.pages.get(self.pages.card_link(self.handoff, operation, role, category="works"))
        self.pages.found.clear()
        self.pages.insert(card)
        answer = self.pages.post("/card", {"token": page.token, "answer": "ok"})
        self.screens |= {screen: [*self.screens.get(screen, []), page.body] for screen in screens}
        self.screens["A-REG-03"] = [answer.body]

    def log_in(self, card: IssuedCard, operation: str, role: Role, screen: str) -> None:
        """Sees the page with the PIN, and types it."""
        log_in = make_log_in(card, operation, role)
        page = self.pages.get(self.pages.sign_link(self.handoff, log_in))
        self.screens[screen] = [*self.screens.get(screen, []), page.body]
        self.pages.sign(self.handoff, log_in, PIN)


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """The pages of a registration, a change and a renewal at an instance with Saitama's profile, by their screens."""
    profile = load_profile(SAITAMA)
    described = InstanceDescription(profile).at(determine_opening_state(profile.opening_hours, NOW), NOW)
    authority = CertificateAuthority.create(key=new_ec_key())
    old, new = (authority.issue(key=new_ec_key()) for _ in range(2))
    with running_page_agent(tmp_path_factory.mktemp("agent"), described.instance) as pages:
        walk = Walk(pages, pages.open_portal())
        for operation, screen in ((Operation.REGISTRATION, "S-REG-05"), (Operation.CHANGE, "S-CHG-05")):
            walk.take_in_reader(PivInMemory.of(old), operation, Role.SOLE)
            walk.log_in(old, operation, Role.SOLE, screen)
        walk.take_in_reader(PivInMemory.of(old), Operation.RENEWAL, Role.OLD, "S-REN-05", "A-REN-03")
        walk.log_in(old, Operation.RENEWAL, Role.OLD, "S-REN-05")
        walk.take_in_reader(PivInMemory.of(new), Operation.RENEWAL, Role.NEW, "S-REN-06", "A-REN-04")
        walk.log_in(new, Operation.RENEWAL, Role.NEW, "S-REN-06")
        yield walk.screens


@pytest.mark.parametrize("line", read_lines(), ids=lambda line: f"{line.screen}-{line.order}")
def test_page_has_the_words_of_the_manual(screens: dict[str, list[str]], line: Line) -> None:
    found = [PageWords(html).words for html in screens[line.screen]]
    texts = [text for words in found for element in ELEMENTS[line.kind] for text in words[element]]
    assert [text for text in texts if line.words in text], f"{line.words} in none of {texts}"
    if line.kind == "label":
        mark = {"yes": "※必須", "no": "※任意"}[line.required]
        assert [text for text in texts if text.endswith(f"{line.words}{mark}")], texts


def test_every_screen_of_the_manual_is_a_page(screens: dict[str, list[str]]) -> None:
    assert {line.screen for line in read_lines()} == set(screens)


def test_exceptions_are_lines_of_the_manual_each_with_a_reason() -> None:
    lines = {(row["screen"], row["order"]) for row in read_table("agent_screens.tsv")}
    exceptions = read_table("agent_screens_exceptions.tsv")
    assert {(row["screen"], row["order"]) for row in exceptions} <= lines
    assert all(row["reason"] for row in exceptions)

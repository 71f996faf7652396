"""Every word that Saitama's manual prints on a screen of the portal, or beside it, stands on that screen.

A line of the manual stands within one element of the page; a short one, which could be a part of any sentence, is the
whole of an element or of a text in it, as a label beside its mark 「必須」 is.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest
from typing_extensions import override

from instance_profile import load_profile
from portal.domain.browser_session import BrowserSession
from portal.domain.journey import HeldCard, Journey, Operation, Problem, Step
from portal.domain.parts import ChangePart, RegistrationPart, RenewalPart
from portal.operations.journeys import Draft, Journeys
from portal.pages import change_pages, registration_pages, renewal_pages
from portal.pages.entry_pages import EntryPages
from portal.pages.frames import Frames
from portal.pages.journey_pages import JourneyPages
from portal.pages.render import render
from portal.pages.views import View
from toroku.certificate.v1.card_pb2 import Card
from toroku.contact.v1.contact_pb2 import Contact, ContactVersion
from toroku.frontdoor.v1 import change_pb2, front_door_pb2, registration_pb2, renewal_pb2
from toroku.qualification.v1.bidder_pb2 import CompanyProfile

PROFILE = load_profile(Path(__file__).parents[3] / "profiles" / "saitama.yaml")
# Fewer characters than these are looked for as a whole.
SHORT = 8
EMPTY_ELEMENTS = {"meta", "link", "input", "br", "hr", "img"}
# They hold others: what stands in them beside each other is no line.
OUTER_ELEMENTS = {
    "html",
    "head",
    "body",
    "header",
    "main",
    "nav",
    "section",
    "div",
    "form",
    "ul",
    "dl",
    "table",
    "tr",
    "thead",
    "tbody",
    "select",
    "footer",
    "aside",
}
LINES = Path(__file__).with_name("saitama_screens.tsv")
AGENCY, CATEGORY = "saitama-prefecture", "works"
# A Friday morning in Japan.
NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
FRAMES = Frames(PROFILE, lambda: NOW)
ENTRY = EntryPages(PROFILE, FRAMES, lambda: NOW)
COMPANY = CompanyProfile(bidder_id="1000000001", name="登録建設株式会社", address="埼玉県さいたま市浦和区")
CARD = Card(
    serial_decimal="224231109942", serial_hexadecimal="3435373536", issuer="OU=CA,C=JP", company_name="登録建設"
)
CONTACT = Contact(department="工事部", telephone="048-000-0000")


def journey_of(operation: Operation, step: Step, part: RegistrationPart | ChangePart | RenewalPart) -> Journey:
    card = HeldCard(certificate=b"c", card=CARD)
    return Journey(
        operation=operation,
        agency=AGENCY,
        category=CATEGORY,
        request_id="0c9f6a9e-6f0e-4c0a-9a55-0c9f6a9e6f0e",
        step=step,
        part=part,
        cards={"sole": card, "old": card, "new": card},
    )


def registration(step: Step) -> View:
    checked = registration_pb2.PrepareRegistrationResponse(company=COMPANY, card=CARD)
    part = RegistrationPart(
        found=registration_pb2.FindBidderResponse(company=COMPANY, representative_contact_wanted=True),
        checked=checked,
        receipt=front_door_pb2.Receipt(company=COMPANY, card=CARD, card_contact=CONTACT),
    )
    journey = journey_of(Operation.REGISTRATION, step, part)
    frame = FRAMES.make_of_journey(journey, "journey", 1, step)
    return registration_pages.build(journey, "journey", step, PROFILE, frame)


def registration_print() -> View:
    receipt = front_door_pb2.Receipt(company=COMPANY, card=CARD, card_contact=CONTACT)
    journey = journey_of(Operation.REGISTRATION, Step.RESULT, RegistrationPart(receipt=receipt))
    frame = FRAMES.make_of_journey(journey, "journey", 1, Step.RESULT)
    return registration_pages.build_print(journey, "journey", PROFILE, frame)


def change(step: Step) -> View:
    version = ContactVersion(contact=CONTACT, version=1)
    part = ChangePart(
        registered=change_pb2.GetRegisteredResponse(
            company=COMPANY, card=CARD, card_contact=version, representative_contact=version
        ),
        checked=change_pb2.PrepareChangeResponse(company=COMPANY, card=CARD),
    )
    journey = journey_of(Operation.CHANGE, step, part)
    return change_pages.build(journey, "journey", step, PROFILE, FRAMES.make_of_journey(journey, "journey", 1, step))


def change_print() -> View:
    part = ChangePart(receipt=change_pb2.ChangeReceipt(company=COMPANY, card=CARD, card_contact=CONTACT))
    journey = journey_of(Operation.CHANGE, Step.RESULT, part)
    frame = FRAMES.make_of_journey(journey, "journey", 1, Step.RESULT)
    return change_pages.build_print(journey, "journey", PROFILE, frame)


def renewal_check() -> View:
    checked = renewal_pb2.PrepareRenewalResponse(company=COMPANY, old_card=CARD, new_card=CARD)
    journey = journey_of(Operation.RENEWAL, Step.CHECK, RenewalPart(checked=checked))
    frame = FRAMES.make_of_journey(journey, "journey", 1, Step.CHECK)
    return renewal_pages.build(journey, "journey", Step.CHECK, PROFILE, frame)


def already_registered() -> View:
    problem = Problem(reason="CARD_ALREADY_REGISTERED")
    journey = replace(journey_of(Operation.REGISTRATION, Step.REFUSED, RegistrationPart()), problem=problem)
    # A page that says no asks neither the database nor the front door.
    nobody = cast("Any", None)
    journeys = Journeys(database=nobody, key=nobody, clock=lambda: NOW, ways={}, incidents=nobody)
    session = cast("BrowserSession", None)
    pages = JourneyPages(PROFILE, FRAMES, ENTRY, journeys)
    return pages.build(Draft("journey", 1, journey), Step.REFUSED, session, "ja")


def list_entry_screens(category: str) -> Mapping[str, View]:
    """Returns the pages that are the same for whoever comes to a category."""
    choice, menu = ENTRY.build_choice("/choice"), ENTRY.build_menu("/menu", AGENCY, category)
    return {
        "S-HDR": menu,
        "S-ENT-01": ENTRY.build_entry("/"),
        "S-INF-01": ENTRY.build_guide("/guide", AGENCY, category),
        "S-REG-01": choice,
        "S-CHG-01": choice,
        "S-REG-04": menu,
        "S-CHG-04": menu,
        "S-REN-04": menu,
    }


@cache
def make_screens() -> Mapping[str, View]:
    of_entry = {
        f"{screen} {category.code}": view
        for category in PROFILE.categories
        for screen, view in list_entry_screens(category.code).items()
    }
    return of_entry | {
        "S-REG-05M": already_registered(),
        "S-REG-06": registration(Step.SEARCH),
        "S-REG-07": registration(Step.FORM),
        "S-REG-10": registration_print(),
        "S-CHG-07": change(Step.CHECK),
        "S-CHG-09": change_print(),
        "S-REN-07": renewal_check(),
    }


def read_lines() -> Iterator[tuple[str, str, str]]:
    """Yields each line of the manual with the pages on which it stands: those of the entry for every category."""
    with LINES.open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            for screen in make_screens():
                if screen.partition(" ")[0] == row["screen"]:
                    yield screen, row["order"], row["words"]


def remove_space(text: str) -> str:
    return re.sub(r"\s", "", text)


@dataclass
class Elements(HTMLParser):
    """The texts of a page, without space: of each element whole, and of each text in it, also between its spaces."""

    whole: list[tuple[str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    open: list[tuple[str, list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in EMPTY_ELEMENTS:
            self.open.append((tag, []))

    @override
    def handle_data(self, data: str) -> None:
        for _, texts in self.open:
            texts.append(remove_space(data))
        self.texts += [remove_space(data), *data.split()]

    @override
    def handle_endtag(self, tag: str) -> None:
        opened, texts = self.open.pop()
        assert opened == tag, f"</{tag}> ends <{opened}>"
        self.whole.append((tag, "".join(texts)))


@cache
def read_screen(screen: str) -> Elements:
    elements = Elements()
    elements.feed(render(make_screens()[screen], PROFILE, "ja"))
    return elements


def stands_on(words: str, page: Elements) -> bool:
    """Returns whether a line of the manual stands on a page."""
    line = remove_space(words)
    if len(line) < SHORT:
        return line in page.texts or any(line == text for _, text in page.whole)
    return any(line in text for tag, text in page.whole if tag not in OUTER_ELEMENTS)


@pytest.mark.parametrize(("screen", "order", "words"), list(read_lines()))
def test_word_of_the_manual_stands_on_its_screen(screen: str, order: str, words: str) -> None:
    assert stands_on(words, read_screen(screen)), f"{screen} {order}"


def test_short_word_within_a_sentence_is_not_its_label() -> None:
    page = Elements()
    page.feed("<main><h1>利用者の変更</h1><p>登録を変更します。</p><label>登録 <span>必須</span></label></main>")

    assert stands_on("登録", page)
    assert not stands_on("変更", page)
    # Two elements beside each other are no line.
    assert not stands_on("利用者の変更登録を変更します。", page)

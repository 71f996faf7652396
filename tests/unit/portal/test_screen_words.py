"""Every word that Saitama's manual prints on a screen of the portal, or beside it, stands on that screen."""

import csv
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from html import unescape
from pathlib import Path

import pytest

from instance_profile import load_profile
from portal.domain.journey import HeldCard, Journey, Operation, Problem, Step
from portal.domain.parts import ChangePart, RegistrationPart, RenewalPart
from portal.pages import change_pages, registration_pages, renewal_pages
from portal.pages.entry_pages import EntryPages
from portal.pages.explained import make_trouble
from portal.pages.frames import Frames
from portal.pages.render import render
from portal.pages.views import RefusalPage, View
from toroku.certificate.v1.card_pb2 import Card
from toroku.contact.v1.contact_pb2 import Contact, ContactVersion
from toroku.frontdoor.v1 import change_pb2, front_door_pb2, registration_pb2, renewal_pb2
from toroku.qualification.v1.bidder_pb2 import CompanyProfile

PROFILE = load_profile(Path(__file__).parents[3] / "profiles" / "saitama.yaml")
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
    journey = journey_of(Operation.REGISTRATION, Step.REFUSED, RegistrationPart())
    problem = Problem(reason="CARD_ALREADY_REGISTERED")
    return RefusalPage(
        frame=FRAMES.make("/"),
        title="",
        trouble=make_trouble(problem, journey, PROFILE),
        lines=PROFILE.screens.search.already_registered,
    )


@cache
def make_screens() -> Mapping[str, View]:
    choice, menu = ENTRY.build_choice("/choice"), ENTRY.build_menu("/menu", AGENCY, CATEGORY)
    return {
        "S-HDR": menu,
        "S-ENT-01": ENTRY.build_entry("/"),
        "S-REG-01": choice,
        "S-CHG-01": choice,
        "S-REG-04": menu,
        "S-CHG-04": menu,
        "S-REN-04": menu,
        "S-REG-05M": already_registered(),
        "S-REG-06": registration(Step.SEARCH),
        "S-REG-07": registration(Step.FORM),
        "S-REG-10": registration_print(),
        "S-CHG-07": change(Step.CHECK),
        "S-CHG-09": change_print(),
        "S-REN-07": renewal_check(),
    }


def read_lines() -> list[tuple[str, str, str]]:
    with LINES.open(encoding="utf-8") as file:
        return [(row["screen"], row["order"], row["words"]) for row in csv.DictReader(file, delimiter="\t")]


def remove_space(text: str) -> str:
    return re.sub(r"\s", "", text)


@cache
def read_screen(screen: str) -> str:
    page = render(make_screens()[screen], PROFILE, "ja")
    return remove_space(unescape(re.sub(r"<[^>]+>", "", page)))


@pytest.mark.parametrize(("screen", "order", "words"), read_lines())
def test_word_of_the_manual_stands_on_its_screen(screen: str, order: str, words: str) -> None:
    assert remove_space(words) in read_screen(screen), f"{screen} {order}"

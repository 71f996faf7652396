"""The pages of ICカード更新 (S-REN-07, S-REN-08)."""

from instance_profile.model import Operation, Profile
from portal.domain.journey import Journey, Step, require
from portal.domain.parts import RenewalPart
from portal.pages import words
from portal.pages.approval_pages import build_approval, build_asked
from portal.pages.explained import make_trouble
from portal.pages.parts import make_card_rows, make_company_rows, write_instant
from portal.pages.views import (
    Button,
    CheckPage,
    Choice,
    Frame,
    Link,
    ResultPage,
    Row,
    Section,
    View,
    make_step_address,
)

# 業者名 and 企業住所: what S-REN-07 shows of the company beside each card.
_SHOWN_OF_COMPANY = ("name", "address")


def build(journey: Journey, journey_id: str, step: Step, profile: Profile, frame: Frame) -> View:
    """Returns the page of a step."""
    match step:
        case Step.CHECK:
            return _build_check(journey, journey_id, profile, frame)
        case Step.APPROVAL:
            return build_approval(journey, journey_id, profile, frame)
        case Step.ASKED:
            number = journey.find_part(RenewalPart).approval
            return build_asked(number, frame)
        case _:
            return _build_result(journey, profile, frame)


def _build_check(journey: Journey, journey_id: str, profile: Profile, frame: Frame) -> CheckPage:
    checked = require(journey.find_part(RenewalPart).checked)
    category, screen = profile.category(journey.category), profile.screens.check
    shown = {rule.label for rule in category.company_fields if rule.field.value in _SHOWN_OF_COMPANY}
    company = tuple(row for row in make_company_rows(category, checked.company) if row.label in shown)
    cards = (
        (screen.old_card or words.OLD_CARD, checked.old_card),
        (screen.new_card or words.NEW_CARD, checked.new_card),
    )
    sections = tuple(
        Section(
            heading=heading,
            rows=(*company, *make_card_rows(category, card, in_renewal=True, with_certificate=True)),
        )
        for heading, card in cards
    )
    agency = Row(label=screen.chosen_agency or words.AGENCY, value=profile.agency(journey.agency).name)
    choices: tuple[Choice, ...] = ()
    if Operation.RENEWAL in profile.list_propagation_choices():
        choices = (
            Choice(
                name="propagate",
                label=screen.propagate or words.PROPAGATE,
                checked=bool(journey.typed.get("propagate")),
                notes=screen.propagate_notes,
            ),
        )
    return CheckPage(
        frame=frame,
        title=screen.renewal_title or words.RENEW,
        trouble=make_trouble(journey.problem, journey, profile),
        action=make_step_address(journey_id, Step.CHECK),
        cards=sections,
        sections=(Section(rows=(agency,)),),
        lines=(*screen.renewal_notes, screen.renewal_message or words.IF_RIGHT_RENEW),
        choices=choices,
        buttons=(Button(label=words.RENEW), Button(label=words.BACK, answer="back")),
    )


def _build_result(journey: Journey, profile: Profile, frame: Frame) -> ResultPage:
    result, category = require(journey.find_part(RenewalPart).result), profile.category(journey.category)
    return ResultPage(
        frame=frame,
        title=profile.screens.result.renewal_title or words.RENEWED,
        message=words.RENEWED,
        rows=(
            Row(label=words.REQUEST_NUMBER, value=result.request_id),
            Row(label=words.RENEWED_AT, value=write_instant(result.registration.registered_at)),
            *make_card_rows(category, result.new_card, in_renewal=True, with_certificate=True),
            Row(label=words.PROPAGATION, value=words.FOLLOWS if result.propagate else words.STAYS),
            Row(label=words.HISTORY, value=result.history_digest.hex()),
        ),
        links=(Link(label=words.TO_MENU, address=frame.menu), Link(label=words.LOG_OUT, address="/log-out")),
    )

"""The pages of 登録 (S-REG-06 to S-REG-10)."""

from instance_profile.base import Text
from instance_profile.model import Profile
from portal.domain.journey import Journey, Step, require
from portal.domain.parts import RegistrationPart
from portal.operations.contact_forms import CARD, REPRESENTATIVE
from portal.pages import words
from portal.pages.approval_pages import build_approval, build_asked
from portal.pages.explained import make_trouble
from portal.pages.parts import (
    find_heading,
    find_problem,
    make_card_rows,
    make_company_rows,
    make_contact_fields,
    make_contact_rows,
    make_receipt_sections,
    write_instant,
)
from portal.pages.views import (
    Box,
    Button,
    CheckPage,
    Field,
    FormPage,
    Frame,
    Link,
    PrintPage,
    ResultPage,
    Row,
    Sayable,
    Section,
    View,
    Words,
    make_step_address,
)


def build(journey: Journey, journey_id: str, step: Step, profile: Profile, frame: Frame) -> View:
    """Returns the page of a step."""
    match step:
        case Step.SEARCH:
            return _build_search(journey, journey_id, profile, frame)
        case Step.APPROVAL:
            return build_approval(journey, journey_id, profile, frame)
        case Step.FORM:
            return _build_form(journey, journey_id, profile, frame)
        case Step.CHECK:
            return _build_check(journey, journey_id, profile, frame)
        case Step.ASKED:
            number = journey.find_part(RegistrationPart).approval
            return build_asked(number, frame)
        case _:
            return _build_result(journey, journey_id, profile, frame)


def build_print(journey: Journey, journey_id: str, profile: Profile, frame: Frame) -> PrintPage:
    """Returns the receipt for paper (S-REG-10)."""
    receipt, category = require(journey.find_part(RegistrationPart).receipt), profile.category(journey.category)
    titles = [rule.title for rule in category.receipts if rule.operation.value == journey.operation]
    return PrintPage(
        frame=frame,
        title=titles[0] if titles else words.REGISTERED,
        sections=(
            *make_receipt_sections(profile, category, receipt),
            Section(rows=(Row(label=words.REQUEST_NUMBER, value=receipt.request_id),)),
        ),
        back=make_step_address(journey_id, Step.RESULT),
    )


def _build_search(journey: Journey, journey_id: str, profile: Profile, frame: Frame) -> FormPage:
    category, screen = profile.category(journey.category), profile.screens.search
    agency = profile.agency(journey.agency)
    required = agency.find_rules(category).required_search_fields
    notes = {"name": screen.name_note, "bidder_id": screen.bidder_id_note}
    fields = tuple(
        Field(
            name=rule.field.value,
            label=rule.label,
            kind="secret" if rule.field.value == "password" else "text",
            value="" if rule.field.value == "password" else journey.typed.get(rule.field.value, ""),
            hint=_join(notes.get(rule.field.value), rule.hint),
            required=rule.field in required,
            problem=find_problem(journey.problem, rule.field.value, profile, journey),
        )
        for rule in category.search_fields
    )
    return FormPage(
        frame=frame,
        title=category.search_title or words.SEARCH,
        trouble=make_trouble(journey.problem, journey, profile),
        boxes=tuple(Box(title=box.title, lines=box.lines) for box in screen.boxes),
        action=make_step_address(journey_id, Step.SEARCH),
        lines=screen.lines,
        sections=(Section(rows=(Row(label=words.AGENCY, value=agency.name),), fields=fields),),
        buttons=(Button(label=words.SEARCH), Button(label=words.BACK, answer="leave")),
    )


def _join(note: Text | None, hint: Text) -> Sayable:
    if note is None:
        return hint
    return Words(f"{note.ja}{hint.ja}", f"{note.en} {hint.en}")


def _build_form(journey: Journey, journey_id: str, profile: Profile, frame: Frame) -> FormPage:
    category, screen = profile.category(journey.category), profile.screens.form
    found = require(journey.find_part(RegistrationPart).found)
    heading, note = find_heading(category, REPRESENTATIVE)
    if found.representative_contact_wanted:
        fields = make_contact_fields(profile, journey, REPRESENTATIVE)
        representative = Section(heading=heading, notes=(note,), fields=fields)
    else:
        rows = make_contact_rows(category, REPRESENTATIVE, found.representative_contact)
        representative = Section(heading=heading, notes=(words.REPRESENTATIVE_STANDS,), rows=rows)
    card_heading, card_note = find_heading(category, CARD)
    serial = Field(
        name="predecessor_serial",
        label=words.OLD_SERIAL,
        value=journey.typed.get("predecessor_serial", ""),
        hint=words.OLD_SERIAL_HINT,
        required=False,
        problem=find_problem(journey.problem, "predecessor_serial", profile, journey),
    )
    return FormPage(
        frame=frame,
        title=screen.registration_title or words.REGISTER,
        trouble=make_trouble(journey.problem, journey, profile),
        boxes=(Box(title="", lines=screen.notes),) if screen.notes else (),
        action=make_step_address(journey_id, Step.FORM),
        sections=(
            Section(
                heading=screen.company or words.COMPANY,
                notes=(words.FROM_ROSTER,),
                rows=make_company_rows(category, found.company),
            ),
            representative,
            Section(
                heading=card_heading,
                notes=(card_note, words.FROM_CARD),
                rows=make_card_rows(category, require(journey.find_card().card)),
                fields=(*make_contact_fields(profile, journey, CARD), serial),
            ),
        ),
        buttons=(Button(label=screen.button or words.CHECK), Button(label=words.BACK, answer="back")),
    )


def _build_check(journey: Journey, journey_id: str, profile: Profile, frame: Frame) -> CheckPage:
    category, part = profile.category(journey.category), journey.find_part(RegistrationPart)
    checked, form_address = require(part.checked), make_step_address(journey_id, Step.FORM)
    wanted = require(part.found).representative_contact_wanted
    card_heading, _ = find_heading(category, CARD)
    card_rows = make_card_rows(category, checked.card)
    contact_rows = make_contact_rows(category, CARD, checked.form.card_contact, form_address)
    return CheckPage(
        frame=frame,
        title=profile.screens.check.registration_title or words.REGISTER,
        trouble=make_trouble(journey.problem, journey, profile),
        action=make_step_address(journey_id, Step.CHECK),
        sections=(
            Section(
                heading=profile.screens.form.company or words.COMPANY, rows=make_company_rows(category, checked.company)
            ),
            Section(
                heading=find_heading(category, REPRESENTATIVE)[0],
                rows=make_contact_rows(
                    category, REPRESENTATIVE, checked.representative_contact, form_address if wanted else ""
                ),
            ),
            Section(heading=card_heading, rows=(*card_rows, *contact_rows)),
            Section(
                heading=profile.screens.check.card or words.CARD,
                rows=make_card_rows(category, checked.card, with_certificate=True)[len(card_rows) :],
            ),
        ),
        lines=(words.CHECK_COMPANIES, words.IF_RIGHT_REGISTER),
        buttons=(Button(label=words.REGISTER), Button(label=words.BACK, answer="back")),
    )


def _build_result(journey: Journey, journey_id: str, profile: Profile, frame: Frame) -> ResultPage:
    receipt, category = require(journey.find_part(RegistrationPart).receipt), profile.category(journey.category)
    screen = profile.screens.result
    must_print = any(rule.must_print for rule in category.receipts if rule.operation.value == journey.operation)
    return ResultPage(
        frame=frame,
        title=screen.registration_title or words.REGISTERED,
        message=words.REGISTERED,
        rows=(
            Row(label=words.REQUEST_NUMBER, value=receipt.request_id),
            Row(label=words.REGISTERED_AT, value=write_instant(receipt.registration.registered_at)),
            Row(label=words.HISTORY, value=receipt.history_digest.hex()),
        ),
        sections=make_receipt_sections(profile, category, receipt),
        lines=(screen.must_print,) if must_print and screen.must_print else (),
        print_address=make_step_address(journey_id, "print"),
        links=(Link(label=words.TO_MENU, address=frame.menu), Link(label=words.LOG_OUT, address="/log-out")),
    )

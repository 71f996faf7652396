"""The pages of 変更 (S-CHG-06 to S-CHG-09)."""

from collections.abc import Sequence

from instance_profile.category import Category
from instance_profile.model import Operation, Profile
from portal.domain.journey import Journey, Step, require
from portal.domain.parts import ChangePart
from portal.operations.contact_forms import CARD, REPRESENTATIVE
from portal.pages import words
from portal.pages.explained import make_trouble
from portal.pages.parts import (
    fill,
    fill_when,
    find_heading,
    make_card_rows,
    make_company_rows,
    make_contact_fields,
    make_contact_rows,
    make_receipt_sections,
    write_instant,
)
from portal.pages.views import (
    Button,
    CheckPage,
    Choice,
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
from toroku.contact.v1.contact_pb2 import Contact, ContactVersion
from toroku.frontdoor.v1.change_pb2 import GetRegisteredResponse


def build(journey: Journey, journey_id: str, step: Step, profile: Profile, frame: Frame) -> View:
    """Returns the page of a step."""
    if step is Step.FORM:
        return _build_form(journey, journey_id, profile, frame)
    if step is Step.CHECK:
        return _build_check(journey, journey_id, profile, frame)
    return _build_result(journey, journey_id, profile, frame)


def build_print(journey: Journey, journey_id: str, profile: Profile, frame: Frame) -> PrintPage:
    """Returns the receipt for paper (S-CHG-09)."""
    receipt, category = require(journey.find_part(ChangePart).receipt), profile.category(journey.category)
    titles = [rule.title for rule in category.receipts if rule.operation is Operation.CHANGE]
    return PrintPage(
        frame=frame,
        title=titles[0] if titles else words.CHANGED,
        sections=(
            *make_receipt_sections(profile, category, receipt),
            Section(rows=(Row(label=words.REQUEST_NUMBER, value=receipt.request_id),)),
        ),
        back=make_step_address(journey_id, Step.RESULT),
    )


def _build_form(journey: Journey, journey_id: str, profile: Profile, frame: Frame) -> FormPage:
    category, registered = profile.category(journey.category), require(journey.find_part(ChangePart).registered)
    heading, note = find_heading(category, REPRESENTATIVE)
    card_heading, card_note = find_heading(category, CARD)
    sections = [
        Section(
            heading=profile.screens.form.company or words.COMPANY,
            notes=(words.FROM_ROSTER,),
            rows=make_company_rows(category, registered.company),
        )
    ]
    if registered.HasField("representative_contact"):
        version = registered.representative_contact
        sections.append(
            Section(
                heading=heading,
                notes=(words.FOR_ALL_CARDS, note, *_list_versions(version, registered, profile)),
                fields=make_contact_fields(profile, journey, REPRESENTATIVE, version.contact),
            )
        )
    version = registered.card_contact
    sections.append(
        Section(
            heading=card_heading,
            notes=(words.FOR_THIS_CARD, card_note, *_list_versions(version, registered, profile), words.FROM_CARD),
            rows=make_card_rows(category, registered.card),
            fields=make_contact_fields(profile, journey, CARD, version.contact),
        )
    )
    return FormPage(
        frame=frame,
        title=profile.screens.form.change_title or words.CHANGE,
        trouble=make_trouble(journey.problem, journey, profile),
        action=make_step_address(journey_id, Step.FORM),
        sections=tuple(sections),
        choices=_list_choices(journey, profile, registered.other_agencies),
        buttons=(
            Button(label=profile.screens.form.button or words.CHECK),
            Button(label=words.BACK, answer="leave"),
        ),
    )


def _build_check(journey: Journey, journey_id: str, profile: Profile, frame: Frame) -> CheckPage:
    category, part = profile.category(journey.category), journey.find_part(ChangePart)
    checked, registered = require(part.checked), require(part.registered)
    address, form = make_step_address(journey_id, Step.FORM), checked.form
    card_heading, _ = find_heading(category, CARD)
    card_rows = make_card_rows(category, checked.card)
    representative: Contact | None = None
    if registered.HasField("representative_contact"):
        stands = not form.HasField("representative_contact")
        representative = registered.representative_contact.contact if stands else form.representative_contact
    card_contact = form.card_contact if form.HasField("card_contact") else registered.card_contact.contact
    return CheckPage(
        frame=frame,
        title=profile.screens.check.change_title or words.CHANGE,
        trouble=make_trouble(journey.problem, journey, profile),
        action=make_step_address(journey_id, Step.CHECK),
        sections=(
            Section(
                heading=profile.screens.form.company or words.COMPANY, rows=make_company_rows(category, checked.company)
            ),
            *_make_representative_section(category, representative, address),
            Section(
                heading=card_heading,
                rows=(*card_rows, *make_contact_rows(category, CARD, card_contact, address)),
            ),
            Section(
                heading=profile.screens.check.card or words.CARD,
                rows=make_card_rows(category, checked.card, with_certificate=True)[len(card_rows) :],
            ),
            Section(
                rows=(
                    Row(label=words.CHANGED_FIELDS, value=_name_fields(category, checked.changed_fields)),
                    Row(label=words.PROPAGATION, value=words.FOLLOWS if form.propagate else words.STAYS),
                )
            ),
        ),
        lines=(profile.screens.check.change_message or words.IF_RIGHT_CHANGE,),
        buttons=(Button(label=words.CHANGE), Button(label=words.BACK, answer="back")),
    )


def _build_result(journey: Journey, journey_id: str, profile: Profile, frame: Frame) -> ResultPage:
    receipt, category = require(journey.find_part(ChangePart).receipt), profile.category(journey.category)
    has_receipt = any(rule.operation is Operation.CHANGE for rule in category.receipts)
    return ResultPage(
        frame=frame,
        title=profile.screens.result.change_title or words.CHANGED,
        message=words.CHANGED,
        rows=(
            Row(label=words.REQUEST_NUMBER, value=receipt.request_id),
            Row(label=words.CHANGED_AT, value=write_instant(receipt.counts_from)),
            Row(label=words.CHANGED_FIELDS, value=_name_fields(category, receipt.changed_fields)),
            Row(label=words.HISTORY, value=receipt.history_digest.hex()),
        ),
        sections=make_receipt_sections(profile, category, receipt),
        print_address=make_step_address(journey_id, "print") if has_receipt else "",
        links=(Link(label=words.TO_MENU, address=frame.menu), Link(label=words.LOG_OUT, address="/log-out")),
    )


def _make_representative_section(
    category: Category, representative: Contact | None, address: str
) -> tuple[Section, ...]:
    if representative is None:
        return ()
    heading, _ = find_heading(category, REPRESENTATIVE)
    return (Section(heading=heading, rows=make_contact_rows(category, REPRESENTATIVE, representative, address)),)


def _list_versions(version: ContactVersion, registered: GetRegisteredResponse, profile: Profile) -> tuple[Sayable, ...]:
    if not version.version:
        return ()
    lines: list[Sayable] = [fill_when(words.COUNTS_FROM, version.counts_from)]
    if earlier := [profile.agency(code).name for code in registered.agencies_with_earlier_contacts]:
        names = Words("、".join(name.ja for name in earlier), ", ".join(name.en for name in earlier))
        lines.append(Words(fill(words.EARLIER_AT, agencies=names.ja).ja, fill(words.EARLIER_AT, agencies=names.en).en))
    return tuple(lines)


def _list_choices(journey: Journey, profile: Profile, other_agencies: Sequence[str]) -> tuple[Choice, ...]:
    if Operation.CHANGE not in profile.list_propagation_choices() or not other_agencies:
        return ()
    check = profile.screens.check
    is_chosen = bool(journey.typed.get("propagate"))
    return (
        Choice(
            name="propagate", label=check.propagate or words.PROPAGATE, checked=is_chosen, notes=check.propagate_notes
        ),
    )


def _name_fields(category: Category, names: Sequence[str]) -> Words:
    labels = {
        f"{section}.{rule.field.value}": (find_heading(category, section)[0], rule.label)
        for section in (REPRESENTATIVE, CARD)
        for rule in category.contact_fields
    }
    found = [labels[name] for name in names if name in labels]
    return Words(
        "、".join(f"{_in_japanese(heading)} {label.ja}" for heading, label in found),
        ", ".join(f"{_in_english(heading)}: {label.en}" for heading, label in found),
    )


def _in_japanese(text: Sayable) -> str:
    return text if isinstance(text, str) else text.ja


def _in_english(text: Sayable) -> str:
    return text if isinstance(text, str) else text.en

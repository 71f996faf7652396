"""Parts that the pages of several operations have, as the profile wants them: company, card, contacts."""

from collections.abc import Mapping
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from instance_profile.category import Category, ContactField
from instance_profile.display import CompanyField, ContactSection, SerialNumberForm
from instance_profile.hours import format_instant_en, format_instant_ja
from instance_profile.japan_time import JAPAN
from instance_profile.model import Profile
from portal.domain.journey import Journey, Problem
from portal.operations.contact_forms import AGAIN, CARD, REPRESENTATIVE
from portal.pages import words
from portal.pages.explained import explain_field, list_names
from portal.pages.views import Field, Row, Sayable, Section, Words
from toroku.certificate.v1.card_pb2 import Card
from toroku.contact.v1.contact_pb2 import Contact
from toroku.frontdoor.v1.change_pb2 import ChangeReceipt
from toroku.frontdoor.v1.front_door_pb2 import Receipt
from toroku.qualification.v1.bidder_pb2 import CompanyProfile

# The names of the sections of a form in the profile and in messages.
SECTIONS = {ContactSection.CARD: CARD, ContactSection.REPRESENTATIVE: REPRESENTATIVE}


def make_company_rows(category: Category, company: CompanyProfile) -> tuple[Row, ...]:
    """Returns 企業情報, in the profile's order and words."""
    return tuple(Row(label=rule.label, value=_read_company(company, rule.field)) for rule in category.company_fields)


def make_card_rows(
    category: Category, card: Card, *, in_renewal: bool = False, with_certificate: bool = False
) -> tuple[Row, ...]:
    """Returns what is shown of a card (CRD-04); `with_certificate` adds serial number, issuer and expiry."""
    display = category.card_display
    rows = [
        Row(label=words.CARD_LABELS[field], value=getattr(card, field) or words.NOT_IN_CERTIFICATE)
        for field in display.fields
    ]
    if with_certificate:
        forms = display.serial_number_in_renewal if in_renewal else display.serial_number
        rows += [
            Row(label=words.SERIAL, value=_write_serial(card, forms)),
            Row(label=words.ISSUER, value=card.issuer),
            Row(label=words.EXPIRY, value=write_day(card.not_after)),
        ]
    return tuple(rows)


def make_contact_fields(
    profile: Profile, journey: Journey, section: str, registered: Contact | None = None
) -> tuple[Field, ...]:
    """Returns the fields of a section, with what was typed; where that differs, with what is registered now."""
    category, problem = profile.category(journey.category), journey.problem
    fields: list[Field] = []
    for rule in category.contact_fields:
        name = f"{section}.{rule.field.value}"
        value = journey.typed.get(name, "")
        current = getattr(registered, rule.field.value) if registered is not None else value
        fields.append(
            Field(
                name=name,
                label=rule.label,
                kind=rule.kind,
                value=value,
                hint=rule.hint,
                required=rule.required,
                problem=find_problem(problem, name, profile, journey),
                reason=fill(words.REGISTERED_VALUE, value=current or words.NOT_GIVEN.ja) if current != value else "",
            )
        )
        if rule.field is ContactField.MAIL_ADDRESS and category.mail_address_typed_twice:
            again = f"{section}.{AGAIN}"
            fields.append(
                Field(
                    name=again,
                    label=words.MAIL_AGAIN,
                    kind="mail_address",
                    value=journey.typed.get(again, ""),
                    required=rule.required,
                    problem=find_problem(problem, again, profile, journey),
                )
            )
    return tuple(fields)


def make_contact_rows(category: Category, section: str, contact: Contact, edit: str = "") -> tuple[Row, ...]:
    """Returns a contact to be read; `edit` is the page on which each value can be corrected."""
    return tuple(
        Row(
            label=rule.label,
            value=getattr(contact, rule.field.value) or words.NOT_GIVEN,
            edit=f"{edit}#{section}.{rule.field.value}" if edit else "",
        )
        for rule in category.contact_fields
    )


def make_receipt_sections(
    profile: Profile, category: Category, receipt: Receipt | ChangeReceipt
) -> tuple[Section, ...]:
    """Returns what is registered after an act: company, 代表窓口情報 where there is one, card and its contact."""
    representative, _ = find_heading(category, REPRESENTATIVE)
    card, _ = find_heading(category, CARD)
    sections = [
        Section(
            heading=profile.screens.form.company or words.COMPANY, rows=make_company_rows(category, receipt.company)
        )
    ]
    if receipt.HasField("representative_contact"):
        rows = make_contact_rows(category, REPRESENTATIVE, receipt.representative_contact)
        sections.append(Section(heading=representative, rows=rows))
    card_rows = (*make_card_rows(category, receipt.card), *make_contact_rows(category, CARD, receipt.card_contact))
    return (*sections, Section(heading=card, rows=card_rows))


def find_heading(category: Category, section: str) -> tuple[Sayable, Sayable]:
    """Returns the heading and the note of a section."""
    for rule in category.contact_sections:
        if SECTIONS.get(rule.section) == section:
            return rule.heading, rule.note
    return section, ""


def find_problem(problem: Problem | None, name: str, profile: Profile, journey: Journey) -> Sayable:
    """Returns what is wrong with a field; nothing where it is right."""
    if problem is None or name not in problem.fields:
        return ""
    return explain_field(problem, name, list_names(profile, journey.agency, journey.category))


def fill(text: Words, **values: str) -> Words:
    """Returns words with values in their placeholders."""
    return Words(text.ja.format(**values), text.en.format(**values))


def fill_when(text: Words, when: Timestamp) -> Words:
    """Returns words with an instant in the placeholder `when`, in Japan's time."""
    instant = when.ToDatetime(UTC)
    return Words(text.ja.format(when=format_instant_ja(instant)), text.en.format(when=format_instant_en(instant)))


def write_instant(when: Timestamp) -> Words:
    """Returns an instant in words, in Japan's time."""
    instant = when.ToDatetime(UTC)
    return Words(format_instant_ja(instant), format_instant_en(instant))


def write_day(when: Timestamp) -> str:
    """Returns a day of Japan, as 2013/05/14."""
    day: datetime = when.ToDatetime(UTC).astimezone(JAPAN)
    return f"{day:%Y/%m/%d}"


def _write_serial(card: Card, forms: tuple[SerialNumberForm, ...]) -> Words:
    numbers = {
        SerialNumberForm.DECIMAL: (card.serial_decimal, words.DECIMAL),
        SerialNumberForm.HEXADECIMAL: (card.serial_hexadecimal, words.HEXADECIMAL),
    }
    chosen: Mapping[str, Words] = dict(numbers[form] for form in forms)
    return Words(
        " / ".join(f"{number} {form.ja}" for number, form in chosen.items()),
        " / ".join(f"{number} {form.en}" for number, form in chosen.items()),
    )


def _read_company(company: CompanyProfile, field: CompanyField) -> Sayable:
    if field is CompanyField.GRADES:
        grades = [f"{grade.kind}（{grade.grade}）" if grade.grade else grade.kind for grade in company.grades]
        return "、".join(grades) or words.NOT_GIVEN
    return getattr(company, field.value) or words.NOT_GIVEN

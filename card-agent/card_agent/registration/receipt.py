"""The receipt of a registration (利用者登録の控え), for the screen, the printer and a file (REG-06)."""

from card_agent.console import words
from card_agent.console.person import Row
from card_agent.console.words import Words
from card_agent.registration.contacts import list_contact_rows, to_words
from card_agent.signing.card_use import list_certificate_rows
from card_agent.signing.certificate import JAPAN, describe_card
from toroku.frontdoor.v1 import front_door_pb2
from toroku.qualification.v1 import bidder_pb2

Section = tuple[Words, list[Row]]


def list_receipt_sections(receipt: front_door_pb2.Receipt, instance: front_door_pb2.Instance) -> list[Section]:
    """Returns the receipt in sections, in printing order."""
    registration = receipt.registration
    category = next(
        (category for category in instance.categories if category.code == registration.category),
        front_door_pb2.Category(),
    )
    agency_names = {agency.code: str(to_words(agency.name)) for agency in instance.agencies}
    registered_at = registration.registered_at.ToDatetime(tzinfo=JAPAN)
    sections: list[Section] = [
        (
            words.RECEIPT,
            [
                (words.INSTANCE, str(to_words(instance.name))),
                (words.CHOOSE_AGENCY, agency_names.get(registration.agency, registration.agency)),
                (words.CHOOSE_CATEGORY, str(to_words(category.name))),
                (bidder_id_label(category), registration.bidder_id),
                (words.RECEIPT_REGISTERED_AT, f"{registered_at:%Y/%m/%d %H:%M:%S}"),
                (words.RECEIPT_REGISTRATION_ID, registration.registration_id),
                (words.REQUEST_ID, receipt.request_id),
            ],
        ),
        (words.COMPANY, list_company_rows(receipt.company, category)),
        (words.CARD, list_certificate_rows(describe_card(receipt.card))),
    ]
    if receipt.HasField("representative_contact"):
        rows = list_contact_rows(receipt.representative_contact, category)
        sections.append((words.REPRESENTATIVE_CONTACT, rows))
    if receipt.HasField("card_contact"):
        sections.append((words.CARD_CONTACT, list_contact_rows(receipt.card_contact, category)))
    return sections


def compose_receipt(receipt: front_door_pb2.Receipt, instance: front_door_pb2.Instance) -> str:
    """Returns the receipt as plain text."""
    parts = []
    for title, rows in list_receipt_sections(receipt, instance):
        parts.append("\n".join([f"【{title}】", *(f"  {label}: {value}" for label, value in rows)]))
    return "\n\n".join(parts) + "\n"


def list_company_rows(company: bidder_pb2.CompanyProfile, category: front_door_pb2.Category) -> list[Row]:
    """Returns the rows of 企業情報 from the roster; missing values are marked as such (QUA-07)."""
    rows: list[Row] = [(bidder_id_label(category), company.bidder_id)]
    for name, label in words.COMPANY_FIELDS.items():
        rows.append((label, getattr(company, name) or str(words.NOT_GIVEN)))
    rows += [(words.GRADE, f"{grade.kind} {grade.grade}".strip()) for grade in company.grades]
    return rows


def bidder_id_label(category: front_door_pb2.Category) -> Words:
    """Returns this instance's label of the bidder id: ユーザID, 業者番号, 登録番号."""
    labels = [field.label for field in category.search_fields if field.field == "bidder_id"]
    return to_words(labels[0]) if labels else words.BIDDER_ID

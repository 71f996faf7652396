"""The receipt of a registration (利用者登録の控え), for the screen, the printer and a file (REG-06)."""

from card_agent.clock import JAPAN
from card_agent.console import words
from card_agent.console.field_names import CARD_CONTACT, REPRESENTATIVE_CONTACT, name_section
from card_agent.console.person import Row
from card_agent.console.place import Place
from card_agent.console.words import to_words
from card_agent.operation.company import list_company_rows
from card_agent.operation.contacts import list_contact_rows
from card_agent.operation.receipt_text import Section, compose_text, find_place, name_receipt
from card_agent.signing.card_use import choose_display, list_holder_rows
from card_agent.signing.certificate import describe_card, format_japanese_time
from refusals.language import Language
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import front_door_pb2


def list_receipt_sections(receipt: front_door_pb2.Receipt, instance: front_door_pb2.Instance) -> list[Section]:
    """Returns the receipt in sections, in printing order, with the names and labels of the instance."""
    place = find_place(instance, receipt.registration.agency, receipt.registration.category)
    category = place.category or front_door_pb2.Category()
    sections: list[Section] = [
        (
            name_receipt(category, card_pb2.OPERATION_REGISTRATION, words.RECEIPT),
            _list_registration_rows(receipt, place),
        ),
        (words.COMPANY, list_company_rows(receipt.company, place)),
    ]
    if receipt.HasField("representative_contact"):
        rows = list_contact_rows(receipt.representative_contact, category)
        sections.append((name_section(REPRESENTATIVE_CONTACT, category), rows))
    # As on the manuals' paper, the department's section begins with what its card says.
    rows = list_holder_rows(describe_card(receipt.card), choose_display(category))
    if receipt.HasField("card_contact"):
        rows += list_contact_rows(receipt.card_contact, category)
    sections.append((name_section(CARD_CONTACT, category), rows))
    return sections


def compose_receipt(receipt: front_door_pb2.Receipt, instance: front_door_pb2.Instance, language: Language) -> str:
    """Returns the receipt as plain text in a language."""
    return compose_text(list_receipt_sections(receipt, instance), receipt.history_receipt, language)


def _list_registration_rows(receipt: front_door_pb2.Receipt, place: Place) -> list[Row]:
    registration, instance = receipt.registration, place.instance or front_door_pb2.Instance()
    registered_at = registration.registered_at.ToDatetime(tzinfo=JAPAN)
    rows: list[Row] = [
        (words.INSTANCE, to_words(instance.name)),
        (words.CHOOSE_AGENCY, to_words(place.agency.name) if place.agency else registration.agency),
        (words.CHOOSE_CATEGORY, to_words(place.category.name) if place.category else registration.category),
        (place.bidder_id_label, registration.bidder_id),
        (words.RECEIPT_REGISTERED_AT, format_japanese_time(registered_at)),
        (words.RECEIPT_REGISTRATION_ID, registration.registration_id),
        (words.REQUEST_ID, receipt.request_id),
    ]
    if receipt.person_in_charge:
        rows.append((words.PERSON_IN_CHARGE, receipt.person_in_charge))
    return rows

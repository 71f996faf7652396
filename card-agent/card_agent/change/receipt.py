"""The receipt of a change (利用者変更の控え), for the screen, the printer and a file (CHG-01)."""

from card_agent.change.in_progress import ChangeResult
from card_agent.clock import JAPAN
from card_agent.console import change_words, words
from card_agent.console.field_names import CARD_CONTACT, REPRESENTATIVE_CONTACT, name_field, name_section
from card_agent.console.person import Person, Row
from card_agent.console.place import Place
from card_agent.console.words import Words, to_words
from card_agent.operation.company import list_company_rows
from card_agent.operation.contacts import list_contact_rows
from card_agent.operation.propagations import name_choice, show_planned
from card_agent.operation.receipt_text import Section, compose_text, find_place, must_print, name_receipt
from card_agent.signing.card_use import choose_display, list_holder_rows
from card_agent.signing.certificate import describe_card, format_japanese_time
from refusals.language import Language
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import change_pb2, front_door_pb2


def show_receipt(person: Person, result: ChangeResult) -> None:
    """Shows the receipt, and says where the mail goes."""
    receipt = result.receipt
    for title, rows in list_receipt_sections(receipt, result.instance):
        person.show(title, rows)
    if result.details:
        person.show(words.HISTORY, [(words.HISTORY_DIGEST, receipt.history_digest.hex())])
    person.show_message(change_words.CHANGED)
    show_planned(person, result.instance, result.planned, follows=receipt.propagate)
    person.show_message(change_words.NOT_IN_APPLICATIONS)
    category = find_place(result.instance, receipt.agency, receipt.category).category
    if category is not None:
        person.show_message(change_words.announce_mail(name_section(CARD_CONTACT, category)))
        if must_print(category, card_pb2.OPERATION_CHANGE):
            person.show_message(words.MUST_PRINT)


def compose_receipt(receipt: change_pb2.ChangeReceipt, instance: front_door_pb2.Instance, language: Language) -> str:
    """Returns the receipt as plain text in a language."""
    return compose_text(list_receipt_sections(receipt, instance), receipt.history_receipt, language)


def list_receipt_sections(receipt: change_pb2.ChangeReceipt, instance: front_door_pb2.Instance) -> list[Section]:
    """Returns the receipt in sections, in printing order, with the names and labels of the instance."""
    place = find_place(instance, receipt.agency, receipt.category)
    category = place.category or front_door_pb2.Category()
    sections: list[Section] = [
        (name_receipt(category, card_pb2.OPERATION_CHANGE, change_words.RECEIPT), _list_change_rows(receipt, place)),
        (words.COMPANY, list_company_rows(receipt.company, place)),
    ]
    if receipt.HasField("representative_contact"):
        rows = list_contact_rows(receipt.representative_contact, category)
        sections.append((name_section(REPRESENTATIVE_CONTACT, category), rows))
    # As on the manuals' paper, the department's section begins with what its card says.
    rows = list_holder_rows(describe_card(receipt.card), choose_display(category))
    rows += list_contact_rows(receipt.card_contact, category)
    sections.append((name_section(CARD_CONTACT, category), rows))
    return sections


def _list_change_rows(receipt: change_pb2.ChangeReceipt, place: Place) -> list[Row]:
    instance = place.instance or front_door_pb2.Instance()
    names = [name_field(path, place) for path in receipt.changed_fields]
    return [
        (words.INSTANCE, to_words(instance.name)),
        (words.CHOOSE_AGENCY, to_words(place.agency.name) if place.agency else receipt.agency),
        (words.CHOOSE_CATEGORY, to_words(place.category.name) if place.category else receipt.category),
        (place.bidder_id_label, receipt.company.bidder_id),
        (change_words.COUNTS_FROM, format_japanese_time(receipt.counts_from.ToDatetime(tzinfo=JAPAN))),
        (
            change_words.CHANGED_FIELDS,
            Words("、".join(name.ja for name in names), "; ".join(name.en for name in names)),
        ),
        (
            change_words.CHOOSE_PROPAGATION,
            name_choice(instance, change_words.PROPAGATED, change_words.NOT_PROPAGATED, propagate=receipt.propagate),
        ),
        (words.REQUEST_ID, receipt.request_id),
    ]

"""Both cards side by side, before the new one signs (REN-01, S-REN-07)."""

from card_agent.console import renewal_words, words
from card_agent.console.person import Option, Row
from card_agent.console.place import name_agencies
from card_agent.console.words import to_words
from card_agent.operation.company import name_company
from card_agent.renewal.in_progress import Renewal
from card_agent.signing.card_use import choose_display, list_certificate_rows
from card_agent.signing.certificate import describe_card
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import front_door_pb2, renewal_pb2
from toroku.qualification.v1 import bidder_pb2

PROPAGATE = "propagate"
EVERYWHERE, HERE_ONLY = "everywhere", "here"


def show_both_cards(renewal: Renewal, prepared: renewal_pb2.PrepareRenewalResponse) -> None:
    """Shows the company with each card, the agency, and what the manuals say about them."""
    person, at_agency = renewal.person, renewal.at_agency
    for title, card in (
        (renewal_words.OLD_CARD, prepared.old_card),
        (renewal_words.NEW_CARD, prepared.new_card),
    ):
        person.show(title, list_card_rows(card, prepared.company, at_agency.category))
    others = name_agencies(prepared.other_agencies, at_agency.instance)
    rows: list[Row] = [
        (renewal_words.CHOSEN_AGENCY, to_words(at_agency.agency.name)),
        (words.CHOOSE_CATEGORY, to_words(at_agency.category.name)),
        (at_agency.place().bidder_id_label, prepared.company.bidder_id),
        (renewal_words.OTHER_AGENCIES, others if others.ja else renewal_words.NONE),
    ]
    person.show(renewal_words.COMPARISON, rows)
    for sentence in (
        renewal_words.SERIAL_IS_NOT_THE_CARDS,
        renewal_words.NOTHING_TO_MIND,
        renewal_words.CHECK_COMPANIES,
        renewal_words.CONTACTS_CARRY_OVER,
        renewal_words.OLD_CARD_STOPS,
    ):
        person.show_message(sentence)


def list_card_rows(
    card: card_pb2.Card, company: bidder_pb2.CompanyProfile, category: front_door_pb2.Category
) -> list[Row]:
    """Returns the rows of one card, with the serial number in the forms of a renewal."""
    display = front_door_pb2.CardDisplay()
    display.CopyFrom(choose_display(category))
    if category.HasField("card_display"):
        display.serial_decimal = category.card_display.serial_decimal_in_renewal
        display.serial_hexadecimal = category.card_display.serial_hexadecimal_in_renewal
    return [
        (renewal_words.COMPANY_NAME, name_company(company)),
        (renewal_words.COMPANY_ADDRESS, company.address or words.NOT_GIVEN),
        *list_certificate_rows(describe_card(card), display),
    ]


def choose_propagation(renewal: Renewal) -> bool:
    """Returns whether the other agencies follow: what the person ticks, nothing at first, or what the instance does."""
    instance = renewal.at_agency.instance
    if card_pb2.OPERATION_RENEWAL not in instance.propagation_chosen_at:
        return find_usual_propagation(instance)
    options = [
        Option(HERE_ONLY, renewal_words.PROPAGATE_NONE),
        Option(EVERYWHERE, renewal_words.PROPAGATE_ALL),
    ]
    chosen = renewal.person.choose(PROPAGATE, renewal_words.CHOOSE_PROPAGATION, options, usual=HERE_ONLY)
    return chosen == EVERYWHERE


def find_usual_propagation(instance: front_door_pb2.Instance) -> bool:
    """Returns whether the other agencies follow where nobody chooses, or before anybody has chosen."""
    if card_pb2.OPERATION_RENEWAL in instance.propagation_chosen_at:
        return False
    return instance.propagation not in (
        front_door_pb2.PROPAGATION_TIME_UNSPECIFIED,
        front_door_pb2.PROPAGATION_TIME_NONE,
    )

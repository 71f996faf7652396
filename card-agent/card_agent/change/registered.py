"""What is registered: asked for, compared, and shown (CHG-05)."""

from collections.abc import Iterable

from card_agent.change.in_progress import Change, find_version
from card_agent.clock import JAPAN
from card_agent.console import change_words, words
from card_agent.console.field_names import CARD_CONTACT, name_section
from card_agent.console.person import Row
from card_agent.console.place import name_agencies
from card_agent.console.words import Words, to_words
from card_agent.operation.calls import call_for
from card_agent.operation.company import list_company_rows
from card_agent.operation.contacts import list_contact_rows, order_sections
from card_agent.signing.card_use import choose_display, list_holder_rows
from card_agent.signing.certificate import describe_card, format_japanese_time
from toroku.contact.v1 import contact_pb2
from toroku.frontdoor.v1 import change_pb2
from toroku.qualification.v1 import bidder_pb2


def get_registered(change: Change) -> change_pb2.GetRegisteredResponse:
    """Returns what is registered now."""
    request = change_pb2.GetRegisteredRequest(
        session_token=change.session.token,
        agency=change.at_agency.agency.code,
        category=change.category.code,
    )
    return call_for(change.person, change.at_agency.front_door.change.GetRegistered, request)


def show_registered(change: Change, registered: change_pb2.GetRegisteredResponse) -> None:
    """Shows what is registered, and where."""
    registered_at = registered.registration.registered_at
    rows: list[Row] = [
        *list_destination_rows(change, registered.company.bidder_id),
        (change_words.REGISTERED_SINCE, format_japanese_time(registered_at.ToDatetime(tzinfo=JAPAN))),
        (change_words.OTHER_AGENCIES, name_other_agencies(registered.other_agencies, change)),
    ]
    if registered.agencies_with_earlier_contacts:
        earlier = name_other_agencies(registered.agencies_with_earlier_contacts, change)
        rows.append((change_words.AGENCIES_WITH_EARLIER, earlier))
    change.person.show(change_words.REGISTERED_HERE, rows)
    show_company(change, registered.company)
    for section in order_sections(change.category):
        show_section(change, section, find_version(registered, section).contact)
        is_own = section == CARD_CONTACT
        change.person.show_message(
            change_words.OF_THIS_CARD if is_own else change.place.fill(change_words.OF_ALL_CARDS)
        )


def list_destination_rows(change: Change, bidder_id: str) -> list[Row]:
    """Returns the rows with agency, category and bidder."""
    return [
        (words.CHOOSE_AGENCY, to_words(change.at_agency.agency.name)),
        (words.CHOOSE_CATEGORY, to_words(change.category.name)),
        (change.place.bidder_id_label, bidder_id),
    ]


def show_company(change: Change, company: bidder_pb2.CompanyProfile) -> None:
    """Shows 企業情報, which is the roster's."""
    change.person.show(words.COMPANY, list_company_rows(company, change.place))


def show_section(change: Change, section: str, contact: contact_pb2.Contact) -> None:
    """Shows the contact of a section; as on the manuals' screens, that of the card begins with what its card says."""
    category, rows = change.category, list_contact_rows(contact, change.category)
    if section == CARD_CONTACT:
        rows = [*list_holder_rows(describe_card(change.session.server_card), choose_display(category)), *rows]
    change.person.show(name_section(section, category), rows)


def name_other_agencies(codes: Iterable[str], change: Change) -> Words:
    """Returns the names of agencies, or that there are none."""
    names = name_agencies(codes, change.at_agency.instance)
    return names if names.ja else change_words.NONE

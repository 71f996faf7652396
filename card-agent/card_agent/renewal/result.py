"""The result of a renewal, for the screen and a file. The manuals print none (S-REN-08)."""

from card_agent.clock import JAPAN
from card_agent.console import renewal_words, words
from card_agent.console.field_names import CARD_CONTACT, name_section
from card_agent.console.person import Person, Row
from card_agent.console.words import Words, to_words
from card_agent.operation.propagations import name_choice, show_planned
from card_agent.operation.receipt_text import Section, compose_text, find_place
from card_agent.renewal.in_progress import RenewalDone
from card_agent.signing.card_use import choose_display, list_certificate_rows
from card_agent.signing.certificate import describe_card, format_japanese_time
from refusals.language import Language
from toroku.frontdoor.v1 import front_door_pb2


def show_result(person: Person, done: RenewalDone) -> None:
    """Shows the result, what it means for the old card, and where the mail goes."""
    for title, rows in list_result_sections(done):
        person.show(title, rows)
    if done.details:
        person.show(words.HISTORY, [(words.HISTORY_DIGEST, done.result.history_digest.hex())])
    person.show_message(renewal_words.RENEWED)
    show_planned(person, done.instance, (), follows=done.result.propagate)
    person.show_message(renewal_words.OLD_CARD_STOPS)
    for category in done.instance.categories:
        if category.code == done.result.registration.category:
            person.show_message(_announce_mail(category))


def list_result_sections(done: RenewalDone) -> list[Section]:
    """Returns the result in sections, with the names of the instance."""
    registration = done.result.registration
    place = find_place(done.instance, registration.agency, registration.category)
    category = place.category or front_door_pb2.Category()
    renewed_at = registration.registered_at.ToDatetime(tzinfo=JAPAN)
    propagation = name_choice(
        done.instance, renewal_words.PROPAGATED, renewal_words.NOT_PROPAGATED, propagate=done.result.propagate
    )
    rows: list[Row] = [
        (words.INSTANCE, to_words(done.instance.name)),
        (words.CHOOSE_AGENCY, to_words(place.agency.name) if place.agency else registration.agency),
        (words.CHOOSE_CATEGORY, to_words(place.category.name) if place.category else registration.category),
        (place.bidder_id_label, registration.bidder_id),
        (renewal_words.RENEWED_AT, format_japanese_time(renewed_at)),
        (renewal_words.PROPAGATION, propagation),
        (words.RECEIPT_REGISTRATION_ID, registration.registration_id),
        (words.REQUEST_ID, done.result.request_id),
    ]
    display = choose_display(category)
    return [
        (renewal_words.RESULT, rows),
        (renewal_words.OLD_CARD, list_certificate_rows(describe_card(done.result.old_card), display)),
        (renewal_words.NEW_CARD, list_certificate_rows(describe_card(done.result.new_card), display)),
    ]


def compose_result(done: RenewalDone, language: Language) -> str:
    """Returns the result as plain text in a language."""
    return compose_text(list_result_sections(done), done.result.history_receipt, language)


def _announce_mail(category: front_door_pb2.Category) -> Words:
    heading = name_section(CARD_CONTACT, category)
    return Words(
        renewal_words.MAIL_FOLLOWS.ja.format(section=heading.ja),
        renewal_words.MAIL_FOLLOWS.en.format(section=heading.en),
    )

"""Another change came first: what it changed and by whom, field by field, and how what was typed goes on top of it."""

from card_agent.change.form import fill_values
from card_agent.change.in_progress import Change, find_version
from card_agent.change.registered import get_registered
from card_agent.clock import JAPAN
from card_agent.console import change_words
from card_agent.console.field_names import name_field, name_section
from card_agent.console.person import Answer, Row
from card_agent.operation.contacts import order_sections
from card_agent.signing.certificate import format_japanese_time
from refusals import Code, Refusal
from toroku.frontdoor.v1 import change_pb2

# The server's refusal of a form that was typed over versions that are not the newest ones any more.
REASON = "CONTACT_CHANGED_MEANWHILE"


def meet_newest(change: Change, refusal: Refusal) -> None:
    """Shows what changed, and puts what was typed on top of it: fields that were left as they were take the new value.

    Raises `refusal` where nobody is there to see it, and CHANGE_GIVEN_UP.
    """
    draft, person = change.draft, change.person
    before, newest = change.registered, get_registered(change)
    person.show_message(change_words.CHANGED_FIRST)
    for section in order_sections(change.category):
        _show_differences(change, before, newest, section)
    if person.confirm_unexpected(change_words.CONFIRM_AFTER_OTHERS, refusal) is not Answer.YES:
        raise Refusal("CHANGE_GIVEN_UP", Code.ABORTED)
    draft.go_on(newest)


def _show_differences(
    change: Change,
    before: change_pb2.GetRegisteredResponse,
    newest: change_pb2.GetRegisteredResponse,
    section: str,
) -> None:
    old, new = find_version(before, section), find_version(newest, section)
    if old.version == new.version:
        return
    is_own = new.brought_by == change.card.certificate.sha256
    rows: list[Row] = [
        (change_words.CHANGED_AT, format_japanese_time(new.counts_from.ToDatetime(tzinfo=JAPAN))),
        (change_words.CHANGED_BY, change_words.THIS_CARD if is_own else change_words.ANOTHER_CARD),
    ]
    typed = change.draft.contacts.contact(section) if section in change.draft.contacts.sections else old.contact
    for field in change.category.contact_fields:
        values = [getattr(contact, field.field) for contact in (old.contact, new.contact, typed)]
        if values[0] == values[1]:
            continue
        text = change_words.OLD_AND_NEW if values[2] == values[0] else change_words.MEANWHILE_AND_TYPED
        shown = fill_values(text, old=values[0], new=values[1], typed=values[2])
        rows.append((name_field(f"{section}.{field.field}", change.place), shown))
    heading = name_section(section, change.category)
    change.person.show(change_words.head_meanwhile(heading), rows)

"""The question for a PIN or a password: the words of the instance and of the card's CA where there are any."""

from dataclasses import dataclass

from card_agent.console import words
from card_agent.console.place import Place, list_authority_notes
from card_agent.console.words import Words, to_words
from card_agent.local_page import hop_words, page_words
from card_agent.local_page.explained import explain_in_words
from card_agent.local_page.views import PinQuestion
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import TokenMedium
from card_agent.signing.card_use import is_my_number_card
from refusals import Refusal
from signed_acts.purpose import Role
from toroku.frontdoor.v1 import front_door_pb2

_PASSWORD_LABELS = {
    Role.SOLE: words.ASK_FILE_PASSWORD,
    Role.OLD: words.ASK_OLD_FILE_PASSWORD,
    Role.NEW: words.ASK_NEW_FILE_PASSWORD,
}
_MY_NUMBER_LABELS = {
    Role.SOLE: words.ASK_MY_NUMBER_PIN,
    Role.OLD: words.ASK_OLD_MY_NUMBER_PIN,
    Role.NEW: words.ASK_NEW_MY_NUMBER_PIN,
}


@dataclass(frozen=True, slots=True)
class AskedCard:
    """The card or file whose PIN is asked, in its role."""

    medium: TokenMedium
    role: Role
    tries_left: int | None = None
    tries_are_shared: bool = False


def ask_pin(
    asked: AskedCard,
    place: Place,
    *,
    asks_person_in_charge: bool = False,
    person_in_charge: str = "",
    refusal: Refusal | None = None,
) -> PinQuestion:
    """Returns the question; `refusal` is that of what was typed just now, `person_in_charge` stays in its field."""
    is_file = isinstance(asked.medium, Pkcs12File)
    page = (place.instance or front_door_pb2.Instance()).pin_page
    title, message = _choose(page.title, hop_words.PIN_TITLE), _choose(page.message, hop_words.PIN_MESSAGE)
    labels = page_words.PIN_LABELS
    # An instance speaks of the PIN that a card's CA gave out; a person has a password of its own making.
    has_password = is_file or is_my_number_card(asked.medium)
    if is_file:
        title, message, labels = hop_words.PASSWORD_TITLE, hop_words.PASSWORD_MESSAGE, _PASSWORD_LABELS
    elif has_password:
        title, message, labels = hop_words.MY_NUMBER_TITLE, hop_words.MY_NUMBER_MESSAGE, _MY_NUMBER_LABELS
    problem, next_step = explain_in_words(refusal, place) if refusal is not None else (None, None)
    return PinQuestion(
        title=title,
        message=message,
        label=labels[asked.role],
        is_file=is_file,
        asks_person_in_charge=asks_person_in_charge and page.asks_person_in_charge,
        person_in_charge_note=_find(page.person_in_charge_note),
        person_in_charge=person_in_charge,
        help_title=None if has_password else _find(page.help_title),
        help=None if has_password else _find(page.help),
        tries_left=asked.tries_left,
        authority_notes=() if is_file else _list_notes(asked, place),
        problem=problem,
        next_step=next_step,
        problem_field="person_in_charge" if refusal and refusal.reason == "PERSON_IN_CHARGE_FORM" else "pin",
    )


def _list_notes(asked: AskedCard, place: Place) -> tuple[Words, ...]:
    notes = (hop_words.TRIES_ARE_SHARED,) if asked.tries_are_shared else ()
    return (*notes, *list_authority_notes(place.instance or front_door_pb2.Instance(), place.authority))


def _choose(text: front_door_pb2.Text, own: Words) -> Words:
    return _find(text) or own


def _find(text: front_door_pb2.Text) -> Words | None:
    return to_words(text) if text.ja else None

"""The hop `/sign`: a purpose is shown, and signed by a card that was chosen in this hand-off."""

import unicodedata
from dataclasses import dataclass

from card_agent.console.place import Place
from card_agent.local_page import hop_words
from card_agent.local_page.agent import Agent
from card_agent.local_page.answers import answer_signature
from card_agent.local_page.hand_offs import HandOff
from card_agent.local_page.hop import Fields, Hop, Work, find_place
from card_agent.local_page.links import SignLink
from card_agent.local_page.pin_question import AskedCard, ask_pin
from card_agent.local_page.pins import KeptPin, keep_pin
from card_agent.local_page.request_rows import list_request_rows
from card_agent.local_page.sign_request import SignRequest, read_sign_request
from card_agent.local_page.views import PinQuestion, SignPage, View
from card_agent.media.token import Pin
from card_agent.signing.act_lines import pair_lines
from card_agent.signing.card_use import (
    choose_display,
    list_certificate_rows,
    list_purpose_rows,
    list_purpose_values,
)
from card_agent.signing.certificate import describe_certificate
from card_agent.signing.signature import PIN_WRONG, sign_purpose
from refusals import Code, Refusal
from refusals.language import Language
from signed_acts.purpose import Role, SignedPurpose
from toroku.frontdoor.v1 import front_door_pb2

ACTION = "/sign"
# As the front door.
_MOST_PERSON_CHARACTERS = 20
_UNSHOWABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class SignForm:
    """What a form of this hop is about."""

    link: SignLink
    language: Language


async def open_sign_hop(agent: Agent, hand_off: HandOff, link: SignLink) -> Hop:
    """Returns the hop of a link."""
    instance = await agent.instances.get(hand_off.instance)
    place = Place(instance)
    return Hop(agent, hand_off, place, agent.make_frame(place, link.address, link.language))


def show_purpose(hop: Hop, link: SignLink, language: Language) -> View:
    """Returns the page with what will be signed. The card is not touched."""
    try:
        return _make_page(hop, read_sign_request(link, hop.hand_off), language)
    except Refusal as refusal:
        return hop.refuse(link, refusal)


def post_sign(hop: Hop, content: SignForm, fields: Fields) -> View | Work:
    """Returns what a post of this hop leads to."""
    link, language = content.link, content.language
    if fields.get("answer") == "cancel":
        return hop.give_up(link)
    try:
        request = read_sign_request(link, hop.hand_off)
    except Refusal as refusal:
        return hop.refuse(link, refusal)
    person_in_charge = fields.get("person_in_charge", "").strip()
    if len(person_in_charge) > _MOST_PERSON_CHARACTERS or _has_unshowable(person_in_charge):
        metadata = {"most": str(_MOST_PERSON_CHARACTERS)}
        wrong = Refusal("PERSON_IN_CHARGE_FORM", Code.INVALID_ARGUMENT, metadata)
        return _make_page(hop, request, language, wrong, person_in_charge)
    typed = fields.get("pin", "")
    if not typed and _find_pin(request) is None:
        missing = Refusal("PIN_NOT_TYPED", Code.INVALID_ARGUMENT)
        return _make_page(hop, request, language, missing, person_in_charge)
    pin = Pin(typed) if typed else None
    return lambda: _sign(hop, request, language, pin, person_in_charge)


async def _sign(hop: Hop, request: SignRequest, language: Language, typed: Pin | None, person_in_charge: str) -> View:
    card = request.card
    # Forgotten before it is sent: a card that is pulled in the middle may have counted a try.
    is_trial = typed is None and card.pin is None
    kept = _take_pin(request)

    def sign() -> tuple[KeptPin, SignedPurpose]:
        insertions = hop.agent.count_insertions(card.place)
        pin = keep_pin(typed, insertions) if typed is not None else kept
        if pin is not None and is_trial:
            pin = keep_pin(pin.pin, insertions, pin.seconds_left)
        if pin is None or not pin.is_in_time or pin.insertions != insertions:
            raise Refusal("PIN_FORGOTTEN", Code.FAILED_PRECONDITION)
        pin_first = card.medium.pin_before_reading
        with card.medium.open() as token:
            return pin, sign_purpose(token, card.certificate, pin.pin, request.purpose, pin_first=pin_first)

    try:
        used, signed = await hop.agent.cards.work(sign)
    except Refusal as refusal:
        left = refusal.metadata.get("tries_left", "")
        card.tries_left = int(left) if left.isdecimal() else card.tries_left
        if refusal.reason in PIN_WRONG | {"PIN_FORGOTTEN"}:
            return _make_page(hop, request, language, refusal, person_in_charge)
        return hop.refuse(request.link, refusal, card.authority)
    return _answer(hop, request, signed, used, person_in_charge)


def _answer(hop: Hop, request: SignRequest, signed: SignedPurpose, pin: KeptPin, person_in_charge: str) -> View:
    """Keeps the PIN as long as it is needed, and returns the page that takes the signature to the portal."""
    card, content, link = request.card, request.purpose.content, request.link
    if content.act is None:
        card.pin = pin
        return hop.finish(link, hop_words.SIGNED, answer_signature(signed, person_in_charge=person_in_charge))
    successor_signature, renewal = None, request.renewal
    if renewal is not None and request.role is Role.OLD:
        renewal.request_id = content.act.request_id
        renewal.trial_pin = pin if renewal.pins_are_equal else None
    elif renewal is not None and request.role is Role.NEW:
        successor_signature = renewal.successor.vouch_for(card.certificate.sha256, content.act.request_id)
    return hop.finish(link, hop_words.SIGNED, answer_signature(signed, successor_signature))


def _find_pin(request: SignRequest) -> KeptPin | None:
    """Returns the PIN that is known for the card, or tried once with it; None where it has to be typed."""
    pin, renewal = request.card.pin, request.renewal
    if pin is None and renewal is not None and request.role is Role.NEW:
        pin = renewal.trial_pin
    return pin if pin is not None and pin.is_in_time else None


def _take_pin(request: SignRequest) -> KeptPin | None:
    """Returns the PIN as `_find_pin`, and forgets it."""
    pin = _find_pin(request)
    request.card.pin = None
    if request.renewal is not None and request.role is Role.NEW:
        request.renewal.trial_pin = None
    return pin


def _make_page(
    hop: Hop, request: SignRequest, language: Language, refusal: Refusal | None = None, person_in_charge: str = ""
) -> SignPage:
    link, content, card = request.link, request.purpose.content, request.card
    instance = hop.place.instance or front_door_pb2.Instance()
    place = find_place(instance, content.agency, content.category, card.authority)
    certificate = describe_certificate(card.certificate.certificate)
    display = choose_display(place.category or front_door_pb2.Category())
    lines = pair_lines(request.purpose.lines)
    return SignPage(
        frame=hop.frame,
        form=hop.hand_off.forms.issue(ACTION, SignForm(link, language)),
        role=request.role,
        rows=tuple(list_purpose_rows(request.purpose, place)),
        lines=tuple(lines),
        request_rows=list_request_rows(request.values, place) if request.values is not None else (),
        purpose_rows=tuple(list_purpose_values(request.purpose, place)),
        card_rows=tuple(list_certificate_rows(certificate, display)),
        pin=_ask_pin(request, place, refusal, person_in_charge),
    )


def _ask_pin(request: SignRequest, place: Place, refusal: Refusal | None, person_in_charge: str) -> PinQuestion | None:
    if refusal is None and _find_pin(request) is not None:
        return None
    card = request.card
    asked = AskedCard(card.medium, request.role, card.tries_left, card.tries_are_shared)
    return ask_pin(
        asked,
        place,
        asks_person_in_charge=not request.is_act,
        person_in_charge=person_in_charge,
        refusal=refusal,
    )


def _has_unshowable(text: str) -> bool:
    return any(unicodedata.category(each) in _UNSHOWABLE for each in text)

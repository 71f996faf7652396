"""The hop `/card`: a card is chosen, and its certificate goes back to the portal. Nothing is signed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from card_agent.console import renewal_words, words
from card_agent.console.person import Row
from card_agent.console.words import Words
from card_agent.local_page import hop_words
from card_agent.local_page.agent import Agent
from card_agent.local_page.answers import answer_card
from card_agent.local_page.explained import explain_in_words
from card_agent.local_page.hand_offs import ChosenCard, HandOff, ReadMedium, RenewalState
from card_agent.local_page.hop import Fields, Hop, Work, find_place
from card_agent.local_page.links import CardLink
from card_agent.local_page.pin_question import AskedCard, ask_pin
from card_agent.local_page.pins import KeptPin, keep_pin
from card_agent.local_page.views import CardPage, CertificateChoice, Form, PinPage, UnusablePlace, View
from card_agent.media.found import FoundCertificate, FoundMedium
from card_agent.media.inventory import judge_certificate
from card_agent.media.token import Pin, TokenCertificate, TokenMedium
from card_agent.signing.card_choice import list_issuers
from card_agent.signing.card_use import choose_display, list_certificate_rows, list_certificates
from card_agent.signing.certificate import describe_certificate
from card_agent.signing.signature import PIN_WRONG
from refusals import Code, Refusal
from refusals.language import Language
from signed_acts.purpose import Operation, Role
from toroku.frontdoor.v1 import front_door_pb2

ACTION = "/card"
# The key of the medium whose PIN is asked.
_ONLY = "1"


@dataclass(frozen=True, slots=True)
class ReadChoice:
    """A certificate that can be chosen."""

    found: FoundMedium
    medium: TokenMedium
    certificate: FoundCertificate


@dataclass(frozen=True, slots=True)
class UnreadChoice:
    """A medium that can be chosen, and whose certificates can be read only after its PIN."""

    found: FoundMedium
    medium: TokenMedium


@dataclass(frozen=True, slots=True)
class CardForm:
    """What a form of this hop is about."""

    link: CardLink
    language: Language
    choices: dict[str, ReadChoice | UnreadChoice] = field(default_factory=dict)
    pins_are_equal: bool = False
    # The page that was shown: one that asks for a PIN, or one to choose from.
    asks_pin: bool = False


async def open_card_hop(agent: Agent, hand_off: HandOff, link: CardLink) -> Hop:
    """Returns the hop of a link."""
    instance = await agent.instances.get(hand_off.instance)
    place = find_place(instance, None, link.category)
    return Hop(agent, hand_off, place, agent.make_frame(place, link.address, link.language))


def show_card(hop: Hop, link: CardLink, language: Language) -> View:
    """Returns the page that has the card inserted; no card is looked for yet."""
    try:
        _check_old_card(hop, link)
    except Refusal as refusal:
        return hop.refuse(link, refusal)
    form = _issue(hop, CardForm(link, language))
    return _make_page(hop, link, form, may_share_pin=_may_share_pin(hop, link))


def post_card(hop: Hop, content: CardForm, fields: Fields) -> View | Work:
    """Returns what a post of this hop leads to."""
    link = content.link
    if fields.get("answer") == "cancel":
        return hop.give_up(link)
    content = replace(content, pins_are_equal=content.pins_are_equal or fields.get("share_pin") == "1")
    key = fields.get("certificate", "")
    chosen = content.choices.get(key)
    if chosen is None:
        return lambda: _look(hop, content)
    if isinstance(chosen, ReadChoice):
        return _choose(hop, content, chosen)
    if not content.asks_pin:
        return _ask_pin(hop, content, chosen)
    typed = fields.get("pin", "")
    if not typed:
        return _ask_pin(hop, content, chosen, Refusal("PIN_NOT_TYPED", Code.INVALID_ARGUMENT))
    pin = Pin(typed)
    return lambda: _read_with_pin(hop, content, chosen, pin)


async def _look(hop: Hop, content: CardForm) -> View:
    issuers = list_issuers([hop.place.instance or front_door_pb2.Instance()])
    try:
        found = await hop.agent.cards.work(lambda: hop.agent.find_media(issuers))
    except Refusal as refusal:
        return hop.refuse(content.link, refusal)
    return _offer(hop, content, found)


def _offer(hop: Hop, content: CardForm, found: Sequence[FoundMedium]) -> View:
    """Returns the page with what was found; where exactly one can be used, that one is taken."""
    link, choices = content.link, dict[str, ReadChoice | UnreadChoice]()
    shown: list[CertificateChoice] = []
    unusable: list[UnusablePlace] = []
    seen: set[bytes] = set()
    for each in found:
        if each.refusal is not None or each.medium is None:
            refusal = each.refusal or Refusal("CARD_NOT_INSERTED", metadata={"reader": each.place})
            unusable.append(UnusablePlace(_name_place(each), *explain_in_words(refusal, hop.place)))
            continue
        if not each.certificates:
            key = str(len(shown) + 1)
            choices[key] = UnreadChoice(each, each.medium)
            shown.append(CertificateChoice(key, _name_place(each), ()))
        for certificate in each.certificates:
            # A card may be found by its reader and by a module.
            if certificate.certificate.der in seen:
                continue
            seen.add(certificate.certificate.der)
            choice = _show_choice(hop, link, each, certificate, str(len(shown) + 1))
            shown.append(choice)
            if choice.problem is None:
                choices[choice.key] = ReadChoice(each, each.medium, certificate)
    if len(choices) == 1:
        (only,) = choices.values()
        return _choose(hop, content, only) if isinstance(only, ReadChoice) else _ask_pin(hop, content, only)
    form = _issue(hop, replace(content, choices=choices, asks_pin=False))
    return _make_page(hop, link, form, tuple(shown), tuple(unusable))


def _show_choice(
    hop: Hop, link: CardLink, medium: FoundMedium, certificate: FoundCertificate, key: str
) -> CertificateChoice:
    category = hop.place.category or front_door_pb2.Category()
    display = choose_display(category)
    rows: list[Row] = list_certificate_rows(describe_certificate(certificate.certificate.certificate), display)
    if medium.tries_left is not None:
        rows.append((words.TRIES_LEFT, str(medium.tries_left)))
    problem: Words | None = None
    next_step: Words | None = None
    old = hop.hand_off.cards.get(Role.OLD)
    if certificate.refusal is not None:
        problem, next_step = explain_in_words(certificate.refusal, hop.place)
    elif link.role is Role.NEW and old is not None and old.certificate.der == certificate.certificate.der:
        problem = renewal_words.STILL_THE_OLD_CARD
    return CertificateChoice(key, _name_place(medium), tuple(rows), problem, next_step)


def _choose(hop: Hop, content: CardForm, chosen: ReadChoice) -> View:
    """Takes a card for its role, and returns the page that takes its certificate to the portal."""
    link, hand_off, found = content.link, hop.hand_off, chosen.found
    certificate = chosen.certificate.certificate
    card = ChosenCard(
        chosen.medium,
        certificate,
        found.place,
        chosen.certificate.authority,
        found.tries_left,
        found.tries_are_shared,
        hand_off.take_reading_pin(chosen.medium),
    )
    successor_key = None
    if link.role is Role.NEW:
        try:
            _check_old_card(hop, link)
        except Refusal as refusal:
            return hop.refuse(link, refusal)
        hand_off.cards[Role.OLD].pin = None
        hand_off.cards[Role.NEW] = card
    else:
        renewal = None
        if link.operation is Operation.RENEWAL:
            are_equal = content.pins_are_equal and _may_share_pin(hop, link) and not chosen.medium.pin_before_reading
            renewal = RenewalState.begin(pins_are_equal=are_equal)
            successor_key = renewal.successor.public
        hand_off.begin(link.operation, card, link.role, renewal)
    return hop.finish(link, hop_words.CHOSEN, answer_card(certificate, successor_key))


def _ask_pin(hop: Hop, content: CardForm, chosen: UnreadChoice, refusal: Refusal | None = None) -> View:
    found, role = chosen.found, content.link.role
    form = _issue(hop, replace(content, choices={_ONLY: chosen}, asks_pin=True))
    asked = AskedCard(chosen.medium, role, found.tries_left, found.tries_are_shared)
    return PinPage(hop.frame, form, role, _name_place(found), _ONLY, ask_pin(asked, hop.place, refusal=refusal))


async def _read_with_pin(hop: Hop, content: CardForm, chosen: UnreadChoice, pin: Pin) -> View:
    found, medium = chosen.found, chosen.medium

    def read() -> tuple[KeptPin, Sequence[TokenCertificate]]:
        kept = keep_pin(pin, hop.agent.count_insertions(found.place))
        with medium.open() as token:
            return kept, list_certificates(token, pin)

    try:
        kept, certificates = await hop.agent.cards.work(read)
    except Refusal as refusal:
        if refusal.reason in PIN_WRONG:
            return _ask_pin(hop, content, replace(chosen, found=_count_down(found, refusal)), refusal)
        return hop.refuse(content.link, refusal)
    issuers = list_issuers([hop.place.instance or front_door_pb2.Instance()])
    judged = tuple(judge_certificate(each, issuers, hop.agent.now()) for each in certificates)
    hop.hand_off.reading = ReadMedium(medium, kept)
    return _offer(hop, content, [replace(found, certificates=judged)])


def _count_down(found: FoundMedium, refusal: Refusal) -> FoundMedium:
    left = refusal.metadata.get("tries_left", "")
    return replace(found, tries_left=int(left)) if left.isdecimal() else found


def _check_old_card(hop: Hop, link: CardLink) -> None:
    if link.role is Role.NEW and (hop.hand_off.renewal is None or Role.OLD not in hop.hand_off.cards):
        raise Refusal("CARD_NOT_CHOSEN", Code.FAILED_PRECONDITION)


def _may_share_pin(hop: Hop, link: CardLink) -> bool:
    category = hop.place.category
    one = front_door_pb2.RENEWAL_PINS_ONE_WHERE_EQUAL
    return link.role is Role.OLD and category is not None and category.renewal_pins == one


def _make_page(
    hop: Hop,
    link: CardLink,
    form: Form,
    choices: tuple[CertificateChoice, ...] = (),
    unusable: tuple[UnusablePlace, ...] = (),
    *,
    may_share_pin: bool = False,
) -> CardPage:
    again = link.address if choices or unusable else ""
    operation = words.OPERATION_NAMES[link.operation]
    return CardPage(hop.frame, form, link.role, operation, choices, unusable, may_share_pin, again)


def _issue(hop: Hop, content: CardForm) -> Form:
    return hop.hand_off.forms.issue(ACTION, content)


def _name_place(medium: FoundMedium) -> Words:
    return Words(medium.place, medium.place) if medium.place else hop_words.READERS

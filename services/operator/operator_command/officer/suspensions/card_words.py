"""A card as an officer sees it: whose it is, where it is registered, and where it is suspended."""

from collections.abc import Iterator, Mapping

from operator_command.officer.acts.outcome import BIDDER, CATEGORY, Line, describe_day, describe_time
from operator_command.speech import Phrase, Speech
from toroku.certificate.v1.card_state_pb2 import (
    BINDING_STATE_CLOSED,
    BINDING_STATE_LIVE,
    BINDING_STATE_RELEASED,
    REGISTRATION_STATE_ENDED,
    REGISTRATION_STATE_GOOD,
    REGISTRATION_STATE_REPLACED,
    REGISTRATION_STATE_SUSPENDED,
)
from toroku.certificate.v1.cards_pb2 import CardSuspension, ListedCard

_BINDINGS: Mapping[int, Phrase] = {
    BINDING_STATE_LIVE: Phrase("登録中", "live"),
    BINDING_STATE_RELEASED: Phrase("取消し済み（再登録できます）", "released: the card may register anew"),
    BINDING_STATE_CLOSED: Phrase("終了", "closed"),
}
_REGISTRATIONS: Mapping[int, Phrase] = {
    REGISTRATION_STATE_GOOD: Phrase("有効", "good"),
    REGISTRATION_STATE_SUSPENDED: Phrase("利用停止中", "suspended"),
    REGISTRATION_STATE_REPLACED: Phrase("別のICカードに置換え済み", "replaced by another card"),
    REGISTRATION_STATE_ENDED: Phrase("終了", "ended"),
}
_BINDING = Phrase("業者との結び付き", "binding to the bidder")
_BOUND = Phrase("結び付きの開始", "bound")
_SERIAL = Phrase("証明書のシリアル番号", "serial number of the certificate")
_ISSUER = Phrase("証明書の発行者", "issuer of the certificate")
_VALID_UNTIL = Phrase("証明書の有効期限", "certificate valid until")
_REVOKED = Phrase("証明書の失効", "certificate revoked")
_REGISTRATION = Phrase("利用者登録", "registration")
_REPLACED_BY = Phrase("更新後のICカード", "card that took its place")
_PREDECESSOR = Phrase("前のICカード", "card before")
_SUSPENSION = Phrase("利用停止", "suspension")


def describe_card(card: ListedCard, speech: Speech) -> Iterator[Line]:
    """Yields all that officers see of a card."""
    state = card.state
    yield BIDDER, state.bidder_id
    yield CATEGORY, speech.name_category(state.category)
    yield _BINDING, _say(_BINDINGS, state.binding, speech)
    if card.HasField("bound_at"):
        began, where = describe_time(card.bound_at, speech), speech.name_agency(card.bound_by_agency)
        yield _BOUND, speech.say(Phrase(f"{began}（{where}）", f"{began} ({where})"))
    yield _SERIAL, card.serial_hexadecimal
    yield _ISSUER, card.issuer
    yield _VALID_UNTIL, describe_day(card.not_after, speech)
    if card.HasField("revoked_at"):
        yield _REVOKED, describe_time(card.revoked_at, speech)
    for registration in state.registrations:
        agency, how = speech.name_agency(registration.agency), _say(_REGISTRATIONS, registration.state, speech)
        yield _REGISTRATION, speech.say(Phrase(f"{agency}（{how}）", f"{agency} ({how})"))
        for label, other in ((_REPLACED_BY, registration.replaced_by), (_PREDECESSOR, registration.predecessor)):
            if other:
                digest = other.hex()
                yield label, speech.say(Phrase(f"{digest}（{agency}）", f"{digest} ({agency})"))
    for suspension in card.suspensions:
        yield _SUSPENSION, _describe_suspension(suspension, speech)


def _describe_suspension(suspension: CardSuspension, speech: Speech) -> str:
    """Returns where, by whom, when and why a card is suspended, and whether that lapses."""
    where, who = speech.name_place(suspension.agency), speech.name_officer(suspension.suspended_by)
    when = describe_time(suspension.suspended_at, speech)
    if suspension.confirmed_by:
        confirmed = speech.name_officer(suspension.confirmed_by)
        end = Phrase(f"{confirmed}が確認済み", f"confirmed by {confirmed}")
    else:
        lapses = describe_time(suspension.lapses_at, speech)
        end = Phrase(f"未確認のため{lapses}に自動的に解除", f"not confirmed, lapses on {lapses}")
    return speech.say(
        Phrase(
            f"{where}、{when}、{who}、理由「{suspension.reason}」、{end.ja}",
            f"{where}, {when}, {who}, reason: {suspension.reason}, {end.en}",
        )
    )


def _say(words: Mapping[int, Phrase], value: int, speech: Speech) -> str:
    """Returns the words of a state; its number where only a newer registry knows it."""
    return speech.say(words[value]) if value in words else str(value)

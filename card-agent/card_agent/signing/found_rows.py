"""How what was found on this PC is shown: each card, token or file with its certificates, and why one can't be used."""

from collections.abc import Mapping, Sequence

from card_agent.console import media_words, words
from card_agent.console.person import Row
from card_agent.console.words import Words
from card_agent.media.found import FoundCertificate, FoundMedium
from card_agent.media.inventory import needs_pin_first
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.signing.card_use import list_certificate_rows
from card_agent.signing.certificate import describe_certificate
from refusals import Refusal
from refusals.catalogue import NEUTRAL_NAMES, explain_refusal

_NEEDS_NO_ADVICE = {"CARD_NOT_INSERTED", "CARD_USED_BY_MODULE"}


def list_medium_rows(medium: FoundMedium) -> list[Row]:
    """Returns the row that says what is in a place: a card, what is wrong with it, or when it can be read."""
    if medium.refusal is not None:
        state = words.WITHOUT_CARD if medium.refusal.reason == "CARD_NOT_INSERTED" else say_what(medium.refusal)
    elif isinstance(medium.medium, Pkcs12File):
        state = media_words.READ_AFTER_PASSWORD
    elif needs_pin_first(medium):
        state = _join(words.WITH_CARD, media_words.READ_AFTER_PIN)
    else:
        state = words.WITH_CARD
    place = Words(medium.place, medium.place) if medium.place else words.READERS
    return [(place, state)]


def list_found_rows(medium: FoundMedium, certificate: FoundCertificate, authorities: Mapping[str, Words]) -> list[Row]:
    """Returns the rows of a certificate: where it is, what it says, who issued it, and whether it can be used.

    `authorities` has the names of CAs by their ids.
    """
    rows: list[Row] = [(media_words.PLACE, medium.place)]
    rows += list_certificate_rows(describe_certificate(certificate.certificate.certificate))
    if certificate.authority in authorities:
        rows.append((media_words.AUTHORITY, authorities[certificate.authority]))
    rows.append((media_words.USE, _say_use(certificate.refusal)))
    if medium.tries_left is not None:
        rows.append((words.TRIES_LEFT, str(medium.tries_left)))
    return rows


def list_notes(medium: FoundMedium, certificate: FoundCertificate | None = None) -> Sequence[Words]:
    """Returns the sentences below a certificate, or below a medium without any: what to do where it can't be used."""
    refusal = certificate.refusal if certificate is not None else medium.refusal
    notes = [] if refusal is None or refusal.reason in _NEEDS_NO_ADVICE else [_say_next(refusal)]
    return [*notes, media_words.TRIES_SHARED] if medium.tries_are_shared else notes


def say_what(refusal: Refusal) -> Words:
    """Returns the catalogue's sentence that says what is wrong."""
    explanation = explain_refusal(refusal, NEUTRAL_NAMES)
    return Words(explanation.ja.what, explanation.en.what)


def _say_next(refusal: Refusal) -> Words:
    explanation = explain_refusal(refusal, NEUTRAL_NAMES)
    return Words(explanation.ja.next, explanation.en.next)


def _say_use(refusal: Refusal | None) -> Words:
    if refusal is None:
        return media_words.USABLE
    what = say_what(refusal)
    return Words(f"{media_words.UNUSABLE.ja}：{what.ja}", f"{media_words.UNUSABLE.en}: {what.en}")


def _join(first: Words, second: Words) -> Words:
    return Words(f"{first.ja}（{second.ja}）", f"{first.en} ({second.en})")

"""The readers, modules and files, and the certificates in them: by CA, serial number and expiry, never by name."""

from collections.abc import Mapping, Sequence

from card_agent.console import diagnosis_words, media_words, words
from card_agent.console.words import Words
from card_agent.diagnosis.findings import Finding, Section, find_refused
from card_agent.media.found import FoundCertificate, FoundMedium
from card_agent.media.inventory import needs_pin_first
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.signing.certificate import describe_certificate
from card_agent.signing.found_rows import say_what


def look_at_media(found: Sequence[FoundMedium]) -> Section:
    """Returns the places of cards: an empty reader is none to worry about, everything else that is refused is."""
    return Section(diagnosis_words.CARDS, tuple(dict.fromkeys(_look_at(medium) for medium in found)))


def look_at_certificates(found: Sequence[FoundMedium], authorities: Mapping[str, Words]) -> Section:
    """Returns the certificates; a problem only where there are some and none can be used.

    `authorities` has the names of CAs by their ids.
    """
    certificates = [(medium, each) for medium in found for each in medium.certificates]
    findings = [_describe(medium, each, authorities) for medium, each in certificates]
    if not findings:
        findings = [Finding(diagnosis_words.CERTIFICATES, diagnosis_words.NO_CERTIFICATE)]
    elif all(each.refusal is not None for _, each in certificates) and not any(map(needs_pin_first, found)):
        findings.append(Finding(media_words.USE, diagnosis_words.NONE_USABLE, is_problem=True))
    return Section(diagnosis_words.CERTIFICATES, tuple(findings))


def _look_at(medium: FoundMedium) -> Finding:
    label = Words(medium.place, medium.place) if medium.place else words.READERS
    if medium.refusal is not None:
        if medium.refusal.reason == "CARD_NOT_INSERTED":
            return Finding(label, words.WITHOUT_CARD)
        if medium.refusal.reason == "CARD_USED_BY_MODULE":
            return Finding(label, say_what(medium.refusal))
        return find_refused(label, medium.refusal)
    if isinstance(medium.medium, Pkcs12File):
        return Finding(label, media_words.READ_AFTER_PASSWORD)
    if needs_pin_first(medium):
        return Finding(label, media_words.READ_AFTER_PIN)
    return Finding(label, words.WITH_CARD)


def _describe(medium: FoundMedium, found: FoundCertificate, authorities: Mapping[str, Words]) -> Finding:
    shown = describe_certificate(found.certificate.certificate)
    authority = authorities.get(found.authority, diagnosis_words.AUTHORITY_UNKNOWN)
    use = media_words.USABLE if found.refusal is None else say_what(found.refusal)
    expiry = diagnosis_words.fill(diagnosis_words.VALID_UNTIL, date=shown.expiry_date)
    serial = diagnosis_words.fill(diagnosis_words.SERIAL, serial=str(shown.serial))
    tries = [] if medium.tries_left is None else [_count_tries(medium.tries_left)]
    parts = [Words(shown.issuer, shown.issuer), authority, serial, expiry, use, *tries]
    place = Words(f"{medium.place} {found.certificate.slot}", f"{medium.place} {found.certificate.slot}")
    return Finding(place, Words("、".join(part.ja for part in parts), "; ".join(part.en for part in parts)))


def _count_tries(left: int) -> Words:
    return Words(f"{words.TRIES_LEFT.ja}{left}", f"{words.TRIES_LEFT.en}: {left}")

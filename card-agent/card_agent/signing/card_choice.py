"""The choice of a card where a command did not name one: of all certificates on this PC that can be used.

The CA of each is told by the keys that the instance names, and its validity by the instance's clock, so that nobody
types a PIN for a card that can't serve. The server judges anew.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from card_agent.console import media_words, words
from card_agent.console.person import Option, Person
from card_agent.console.retries import Retry, wants_retry
from card_agent.console.words import Words
from card_agent.media.found import FoundMedium
from card_agent.media.inventory import Issuer, MediaSources, find_media, list_usable, needs_pin_first
from card_agent.media.one_certificate import OneCertificate
from card_agent.media.token import Token, TokenCertificate, TokenMedium
from card_agent.signing.card_use import do_busily
from card_agent.signing.certificate import describe_certificate
from refusals import Code, Refusal
from toroku.frontdoor.v1 import front_door_pb2

# Of these there is nothing to be said while there is something else.
_NOTHING_THERE = {"CARD_NOT_INSERTED", "CARD_READER_NOT_FOUND", "CARD_USED_BY_MODULE"}


@dataclass(frozen=True, slots=True)
class AnyCard:
    """A token medium: whatever `sources` have. `choose_medium` finds out which, and asks where there are several."""

    sources: MediaSources

    @property
    def pin_before_reading(self) -> bool:
        """Whether the PIN of the only medium comes first. Raises as `open`."""
        return self._find_only().pin_before_reading

    def open(self) -> AbstractContextManager[Token]:
        """Opens the only medium. Raises CARDS_SEVERAL, and the reason why there is none."""
        return self._find_only().open()

    def _find_only(self) -> TokenMedium:
        candidates = list_candidates(find_media(self.sources, (), datetime.now(UTC)))
        if len(candidates) > 1:
            places = dict.fromkeys(candidate.place for candidate in candidates)
            raise Refusal("CARDS_SEVERAL", metadata={"readers": " / ".join(places)})
        return candidates[0].medium


@dataclass(frozen=True, slots=True)
class Candidate:
    """A certificate that can be chosen; None stands for those that can be read after the PIN only."""

    place: str
    medium: TokenMedium
    certificate: TokenCertificate | None = None


def choose_medium(medium: TokenMedium, person: Person, instance: front_door_pb2.Instance | None = None) -> TokenMedium:
    """Returns the medium itself where the command named it; otherwise the one that the person chooses of all.

    Without an instance, every CA may be the right one. Raises the reason why there is no card, unless the person
    retries.
    """
    if not isinstance(medium, AnyCard):
        return medium
    now = datetime.now(UTC)
    if instance is not None and instance.opening.HasField("now"):
        # The clock of this PC may be wrong.
        now = instance.opening.now.ToDatetime(tzinfo=UTC)
    look = partial(find_media, medium.sources, list_issuers([instance] if instance is not None else []), now)
    while True:
        try:
            return choose_candidate(list_candidates(do_busily(person, look)), person)
        except Refusal as refusal:
            if not wants_retry(person, refusal, Retry.CARD):
                raise


def list_candidates(found: Sequence[FoundMedium]) -> tuple[Candidate, ...]:
    """Returns what can be chosen, at least one; otherwise raises the reason of the first medium that has one.

    Where nothing can be used, what can't is a candidate nevertheless: the server says what to do with such a card.
    """
    candidates = [_candidate(medium, each.certificate) for medium, each in list_usable(found)]
    candidates += [
        Candidate(medium.place, medium.medium)
        for medium in found
        if medium.medium is not None and needs_pin_first(medium)
    ]
    candidates = candidates or [
        _candidate(medium, each.certificate)
        for medium in found
        if medium.medium is not None
        for each in medium.certificates
        if each.refusal is None or each.refusal.reason != "CARD_KEY_NOT_FOR_SIGNATURES"
    ]
    # One that another program uses is waited for at its next use.
    return tuple(candidates or [_wait_for_only(found)])


def choose_candidate(candidates: Sequence[Candidate], person: Person) -> TokenMedium:
    """Returns the medium of the only candidate, or of the one that the person chooses."""
    if len(candidates) == 1:
        return candidates[0].medium
    codes = [_find_code(candidate, candidates) for candidate in candidates]
    options = [
        Option(code, _name(candidate), candidate.place) for code, candidate in zip(codes, candidates, strict=True)
    ]
    code = person.choose("certificate", words.CHOOSE_CERTIFICATE, options)
    return candidates[codes.index(code)].medium


def list_issuers(instances: Sequence[front_door_pb2.Instance]) -> tuple[Issuer, ...]:
    """Returns the keys by which the CAs of these instances issue cards."""
    return tuple(
        Issuer(authority.id, issuer.name, issuer.key_identifier)
        for instance in instances
        for authority in instance.card_authorities
        for issuer in authority.issuers
    )


def _wait_for_only(found: Sequence[FoundMedium]) -> Candidate:
    refused = [medium for medium in found if medium.refusal is not None]
    serious = [medium for medium in refused if medium.refusal and medium.refusal.reason not in _NOTHING_THERE]
    if len(serious) == 1 and serious[0].medium is not None and _reason(serious[0]) == "CARD_IN_USE":
        return Candidate(serious[0].place, serious[0].medium)
    empty = [medium.place for medium in refused if _reason(medium) == "CARD_NOT_INSERTED"]
    if not serious and empty:
        raise Refusal("CARD_NOT_INSERTED", metadata={"reader": " / ".join(empty)})
    for medium in [*serious, *refused]:
        if medium.refusal is not None:
            raise medium.refusal
    raise Refusal("CARD_READER_NOT_FOUND", Code.NOT_FOUND)


def _reason(medium: FoundMedium) -> str:
    return medium.refusal.reason if medium.refusal is not None else ""


def _candidate(medium: FoundMedium, certificate: TokenCertificate) -> Candidate:
    if medium.medium is None:
        raise ValueError(f"what can't be opened has no certificates: {medium.place}")
    one = len(medium.certificates) == 1
    return Candidate(
        medium.place, medium.medium if one else OneCertificate(medium.medium, certificate.der), certificate
    )


def _find_code(candidate: Candidate, candidates: Sequence[Candidate]) -> str:
    """Returns what a form file calls a candidate: its serial number, or its place where it has none of its own."""
    serial = _read_serial(candidate)
    is_own = [_read_serial(each) for each in candidates].count(serial) == 1
    return str(serial) if serial is not None and is_own else candidate.place


def _read_serial(candidate: Candidate) -> int | None:
    return None if candidate.certificate is None else candidate.certificate.certificate.serial_number


def _name(candidate: Candidate) -> Words:
    if candidate.certificate is None:
        return media_words.READ_AFTER_PIN
    shown = describe_certificate(candidate.certificate.certificate)
    names = [name for name in (shown.company_name, shown.holder_name, shown.expiry_date) if name]
    return Words("、".join(names), ", ".join(names))

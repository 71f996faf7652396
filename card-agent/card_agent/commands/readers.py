"""`card-agent readers` and `card-agent show`: what is on this PC, and what the certificates say."""

from collections.abc import Sequence
from datetime import UTC, datetime

from card_agent.commands.options import (
    LanguageOption,
    PinDescriptorOption,
    PinFileOption,
    Pkcs11Option,
    Pkcs12Option,
    ReaderOption,
    SlotOption,
)
from card_agent.commands.surroundings import (
    find_configuration,
    find_sources,
    make_medium,
    make_pin_source,
    person_at_terminal,
)
from card_agent.console import media_words, words
from card_agent.console.person import Person
from card_agent.console.words import to_words
from card_agent.known_instances import FOLDER, read_known_instances
from card_agent.media.found import FoundMedium
from card_agent.media.inventory import MediaSources, find_media
from card_agent.media.pkcs11 import TokenInModule
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import TokenMedium
from card_agent.signing.card_choice import AnyCard, list_candidates, list_issuers
from card_agent.signing.card_use import (
    ask_pin,
    do_busily,
    list_certificates,
    show_certificate,
    use_card,
)
from card_agent.signing.found_rows import list_found_rows, list_medium_rows, list_notes
from signed_acts.purpose import Role

# An empty reader, and one whose card is shown by its module.
_NOT_TOLD = {"CARD_NOT_INSERTED", "CARD_USED_BY_MODULE"}


def show_readers(language: LanguageOption = None) -> None:
    """カードリーダー、ICカード、電子証明書 / Lists readers, cards and certificates, and why one can't be used."""
    with person_at_terminal(language) as person:
        found = _look(person, find_sources())
        modules = [medium for medium in found if isinstance(medium.medium, TokenInModule)]
        files = [medium for medium in found if isinstance(medium.medium, Pkcs12File)]
        readers = [medium for medium in found if medium not in modules and medium not in files]
        _refuse_without_readers(readers, is_all=not modules and not files)
        for title, media in ((words.READERS, readers), (media_words.MODULES, modules), (media_words.FILES, files)):
            rows = dict.fromkeys(row for medium in media for row in list_medium_rows(medium))
            notes = dict.fromkeys(note for medium in media for note in list_notes(medium))
            if rows:
                person.show(title, list(rows), list(notes))
        _show_certificates(person, found)


def show_card(
    reader: ReaderOption = None,
    slot: SlotOption = None,
    pkcs12: Pkcs12Option = None,
    pkcs11: Pkcs11Option = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    language: LanguageOption = None,
) -> None:
    """電子証明書の内容 / Shows every certificate, or those of one card or file. A usual card needs no PIN for it."""
    with person_at_terminal(language) as person:
        person.pin_source = make_pin_source(pin_file, pin_fd)
        medium = make_medium(reader, slot, pkcs12, pkcs11)
        if isinstance(medium, AnyCard):
            found = _look(person, medium.sources)
            # Where there is nothing, its reason.
            candidates = list_candidates(found)
            if len(candidates) == 1 and candidates[0].certificate is None:
                _show_medium(person, candidates[0].medium)
            _show_certificates(person, found)
            _show_unusable(person, found)
        else:
            _show_medium(person, medium)


def _look(person: Person, sources: MediaSources) -> Sequence[FoundMedium]:
    issuers = list_issuers(read_known_instances(find_configuration() / FOLDER))
    return do_busily(person, lambda: find_media(sources, issuers, datetime.now(UTC)))


def _refuse_without_readers(found: Sequence[FoundMedium], *, is_all: bool) -> None:
    for medium in found:
        if is_all and not medium.place and medium.refusal is not None:
            raise medium.refusal


def _show_certificates(person: Person, found: Sequence[FoundMedium]) -> None:
    instances = read_known_instances(find_configuration() / FOLDER)
    authorities = {
        authority.id: to_words(authority.name) for instance in instances for authority in instance.card_authorities
    }
    for medium in found:
        for certificate in medium.certificates:
            rows = list_found_rows(medium, certificate, authorities)
            person.show(words.CARD, rows, list_notes(medium, certificate))


def _show_unusable(person: Person, found: Sequence[FoundMedium]) -> None:
    for medium in found:
        if medium.place and medium.refusal is not None and medium.refusal.reason not in _NOT_TOLD:
            person.show(media_words.UNUSABLE, list_medium_rows(medium), list_notes(medium))


def _show_medium(person: Person, medium: TokenMedium) -> None:
    pin = ask_pin(person, medium, Role.SOLE) if medium.pin_before_reading else None
    certificates, tries_left = use_card(
        medium, person, lambda token: (list_certificates(token, pin), token.pin_tries_left())
    )
    for certificate in certificates:
        show_certificate(person, certificate, tries_left)

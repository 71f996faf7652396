"""`card-agent readers` and `card-agent show`: what is on this PC, and what the certificates say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from card_agent.commands.options import (
    LanguageOption,
    PinDescriptorOption,
    PinFileOption,
    Pkcs12Option,
    ReaderOption,
    SlotOption,
)
from card_agent.commands.surroundings import (
    find_sources,
    list_known_instances,
    make_medium,
    make_pin_source,
    person_at_terminal,
)
from card_agent.console import media_words, words
from card_agent.console.person import Person
from card_agent.media.found import FoundMedium
from card_agent.media.inventory import MediaSources, find_media
from card_agent.media.token import TokenMedium
from card_agent.signing.card_choice import AnyCard, list_candidates, list_issuers
from card_agent.signing.card_use import list_certificates, show_certificate, use_card, work_busily
from card_agent.signing.found_rows import list_found_rows, list_medium_rows, list_notes
from refusals import Refusal


def show_readers(language: LanguageOption = None) -> None:
    """カードリーダー、ICカード、電子証明書と、使用できない理由 / Lists readers, cards and certificates."""
    with person_at_terminal(language) as person:
        sources = find_sources()
        found = _look(person, replace(sources, modules=(), files=()))
        person.show(words.READERS, [row for medium in found for row in list_medium_rows(medium)])
        if sources.modules:
            in_modules = _look(person, MediaSources(modules=sources.modules, readers=False))
            person.show(media_words.MODULES, [row for medium in in_modules for row in list_medium_rows(medium)])
            found = (*found, *in_modules)
        if sources.files:
            in_files = _look(person, MediaSources(files=sources.files, readers=False))
            person.show(media_words.FILES, [row for medium in in_files for row in list_medium_rows(medium)])
            found = (*found, *in_files)
        _show_certificates(person, found)
        _refuse_where_nothing_is(found)


def show_card(
    reader: ReaderOption = None,
    slot: SlotOption = None,
    pkcs12: Pkcs12Option = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    language: LanguageOption = None,
) -> None:
    """電子証明書の内容 / Shows every certificate, or that of one card or file. A card needs no PIN for it."""
    with person_at_terminal(language) as person:
        person.pin_source = make_pin_source(pin_file, pin_fd)
        medium = make_medium(reader, slot, pkcs12)
        if isinstance(medium, AnyCard):
            found = _look(person, medium.sources)
            # The reason why there is nothing at all.
            list_candidates(found)
            _show_certificates(person, found)
        else:
            _show_medium(person, medium)

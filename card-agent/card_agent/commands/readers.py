"""`card-agent readers` and `card-agent show`: the readers, and what is on the card."""

from card_agent.commands.options import (
    LanguageOption,
    PinDescriptorOption,
    PinFileOption,
    Pkcs12Option,
    ReaderOption,
    SlotOption,
)
from card_agent.commands.surroundings import make_medium, make_pin_source, person_at_terminal
from card_agent.console import words
from card_agent.console.person import Row
from card_agent.console.words import Words
from card_agent.media.pcsc import list_readers
from card_agent.signing.card_use import list_certificates, show_certificate, use_card


def show_readers(language: LanguageOption = None) -> None:
    """カードリーダーとICカードの有無 / Lists the card readers, and shows which contain a card."""
    with person_at_terminal(language) as person:
        rows: list[Row] = [
            (Words(reader.name, reader.name), words.WITH_CARD if reader.card_inserted else words.WITHOUT_CARD)
            for reader in list_readers()
        ]
        person.show(words.READERS, rows)


def show_card(
    reader: ReaderOption = None,
    slot: SlotOption = None,
    pkcs12: Pkcs12Option = None,
    pin_file: PinFileOption = None,
    pin_fd: PinDescriptorOption = None,
    language: LanguageOption = None,
) -> None:
    """ICカードの電子証明書の内容 / Shows the certificate. Reading it from a card needs no PIN."""
    with person_at_terminal(language) as person:
        person.pin_source = make_pin_source(pin_file, pin_fd)
        medium = make_medium(reader, slot, pkcs12)
        pin = person.ask_pin(words.ASK_FILE_PASSWORD) if medium.pin_before_reading else None
        certificates, tries_left = use_card(
            medium, person, lambda token: (list_certificates(token, pin), token.pin_tries_left())
        )
        for certificate in certificates:
            show_certificate(person, certificate, tries_left)

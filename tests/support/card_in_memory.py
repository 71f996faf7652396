"""A card without a reader: the virtual card's application as a connection, and PIV's as a token medium."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from card_agent.media.piv import PivCard
from refusals import Code, Refusal
from simulators.certificate_authorities import IssuedCard
from simulators.virtual_card import Application
from simulators.virtual_piv import PivApplication


@dataclass(slots=True)
class CardInMemory:
    """Passes commands straight to the application, and keeps them in `commands`."""

    application: Application
    length_with_data: bool = True
    pin_was_sent: bool = False
    removed: bool = False
    commands: list[bytes] = field(default_factory=list, repr=False)

    @property
    def piv(self) -> PivApplication:
        """The PIV application of a card that has it."""
        assert isinstance(self.application, PivApplication)
        return self.application

    def transmit(self, command: bytes) -> bytes:
        """Returns the application's answer."""
        if self.removed:
            raise Refusal("CARD_REMOVED", Code.ABORTED)
        self.commands.append(command)
        return self.application.answer(command)

    @property
    def instructions(self) -> list[int]:
        """Returns the instruction bytes in order."""
        return [command[1] for command in self.commands]


@dataclass(slots=True)
class PivInMemory:
    """A token medium that selects the PIV application for every use and resets the card afterwards."""

    connection: CardInMemory

    @classmethod
    def of(cls, card: IssuedCard, *, pin: str = "123456", slot: str = "9A", tries: int = 3) -> "PivInMemory":
        """Returns the medium of an issued card."""
        return cls(CardInMemory(piv_of(card, pin=pin, slot=slot, tries=tries)))

    @property
    def pin_before_reading(self) -> bool:
        """Returns False: a PIV card's certificate is readable without its PIN."""
        return False

    @contextlib.contextmanager
    def open(self) -> Iterator[PivCard]:
        """Yields the card, and resets it at the end of the block."""
        card = PivCard(self.connection)
        card.select()
        try:
            yield card
        finally:
            self.connection.piv.reset()


def piv_of(card: IssuedCard, *, pin: str = "123456", slot: str = "9A", tries: int = 3) -> PivApplication:
    """Returns the PIV application of an issued card."""
    number = int(slot, 16)
    return PivApplication({number: card.key}, {number: card.certificate}, pin, tries)

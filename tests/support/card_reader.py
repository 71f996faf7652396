"""One real card reader for the tests of a session, and clean for each: a fixture's two halves."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography import x509

from simulators.certificate_authorities import IssuedCard
from simulators.smart_card_service import SmartCardService, in_environment, smart_card_service
from simulators.virtual_card import VirtualCard
from simulators.virtual_piv import Key, PivApplication


@dataclass(slots=True)
class CardReader:
    """pcscd with its readers, and the cards that a test puts in."""

    service: SmartCardService
    _used: list[VirtualCard] = field(default_factory=list)

    def insert(
        self, issued: IssuedCard, *, pin: str = "123456", tries: int = 3, slot: int = 0x9A, second: bool = False
    ) -> VirtualCard:
        """A card in the first reader, or in the second one."""
        return self.insert_piv({slot: issued.key}, {slot: issued.certificate}, pin, tries, second=second)

    def insert_piv(
        self,
        keys: dict[int, Key],
        certificates: dict[int, x509.Certificate],
        pin: str = "123456",
        tries: int = 3,
        *,
        applet_present: bool = True,
        second: bool = False,
    ) -> VirtualCard:
        """A card with these keys and certificates, or one that is no PIV card."""
        piv = PivApplication(keys, certificates, pin, tries, applet_present=applet_present)
        card = VirtualCard(piv, self.service.port + (1 if second else 0))
        self.service.insert(card)
        self._used.append(card)
        return card

    def pull(self, card: VirtualCard) -> None:
        """Takes the card out, and waits until that was noticed."""
        self.service.pull(card)

    def put_back(self, card: VirtualCard) -> None:
        """Puts the same card in again, after it is noticed that it was out."""
        self.service.pull(card)
        self.service.insert(card)

    def clean(self) -> None:
        """Ends with what a test leaves behind: no cards, and a service that runs with its readers."""
        for card in self._used:
            card.pull()
        self._used.clear()
        self.service.stop()
        self.service.start()


@contextlib.contextmanager
def card_reader() -> Iterator[CardReader]:
    """The reader of a session; this process and those that it starts see it and no other."""
    with smart_card_service() as service, in_environment(service):
        yield CardReader(service)

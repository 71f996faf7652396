"""The real card reader service for all tests of a session, emptied between them."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography import x509

from simulators.certificate_authorities import IssuedCard
from simulators.smart_card_service import SmartCardService, in_environment, smart_card_service
from simulators.virtual_card import Application, VirtualCard
from simulators.virtual_piv import Key, PivApplication


@dataclass(slots=True)
class CardReader:
    """pcscd with its two readers, and the cards that a test inserts."""

    service: SmartCardService
    _used: list[VirtualCard] = field(default_factory=list)

    def insert(
        self, issued: IssuedCard, *, pin: str = "123456", tries: int = 3, slot: int = 0x9A, second: bool = False
    ) -> VirtualCard:
        """Inserts an issued card into the first reader, or into the second one."""
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
        """Inserts a card with these keys and certificates, or with `applet_present=False` one without PIV."""
        return self.insert_application(
            PivApplication(keys, certificates, pin, tries, applet_present=applet_present), second=second
        )

    def insert_application(self, application: Application, *, second: bool = False) -> VirtualCard:
        """Inserts a card with this application."""
        card = VirtualCard(application, self.service.port + (1 if second else 0))
        self.service.insert(card)
        self._used.append(card)
        return card

    def pull(self, card: VirtualCard) -> None:
        """Pulls the card, and waits until pcscd has noticed."""
        self.service.pull(card)

    def put_back(self, card: VirtualCard) -> None:
        """Pulls the card and inserts it again, after pcscd has noticed the removal."""
        self.service.pull(card)
        self.service.insert(card)

    def clean(self) -> None:
        """Removes the cards that a test left behind, and restarts the service with its readers."""
        for card in self._used:
            card.pull()
        self._used.clear()
        self.service.stop()
        self.service.start()


@contextlib.contextmanager
def card_reader() -> Iterator[CardReader]:
    """Yields the reader service; this process and its children see this one and no other."""
    with smart_card_service() as service, in_environment(service):
        yield CardReader(service)

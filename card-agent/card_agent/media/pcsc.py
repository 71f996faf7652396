"""PC/SC: readers and the cards in them, through pyscard's low-level functions.

Each use has its own context and handle, because both become invalid for good when the service stops or the card is
removed: the next use then works without a restart. (pyscard's classes share one context.)
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from smartcard import scard  # type: ignore[import-untyped]  # pyscard has no type hints

from card_agent.media.jpki import JpkiCard
from card_agent.media.piv import SLOTS, PivCard
from refusals import Code, Refusal

# Seconds to wait for a card that another program uses.
PATIENCE = 30.0

_T0: int = scard.SCARD_PROTOCOL_T0
_SERVICE_UNAVAILABLE = {
    scard.SCARD_E_NO_SERVICE,
    scard.SCARD_E_SERVICE_STOPPED,
    scard.SCARD_E_INVALID_HANDLE,
    scard.SCARD_F_COMM_ERROR,
    scard.SCARD_E_SYSTEM_CANCELLED,
}
_READER_MISSING = {
    scard.SCARD_E_NO_READERS_AVAILABLE,
    scard.SCARD_E_READER_UNAVAILABLE,
    scard.SCARD_E_UNKNOWN_READER,
}
_UNREADABLE = {
    scard.SCARD_W_UNRESPONSIVE_CARD,
    scard.SCARD_W_UNPOWERED_CARD,
    scard.SCARD_W_UNSUPPORTED_CARD,
    scard.SCARD_E_PROTO_MISMATCH,
}
# A card that does not answer has usually been removed; the reader knows.
_NO_ANSWER = {scard.SCARD_S_SUCCESS, scard.SCARD_E_NOT_TRANSACTED, scard.SCARD_E_NO_SMARTCARD}


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader: its name, whether it contains a card, and whether a program is connected to that card."""

    name: str
    card_inserted: bool
    card_in_use: bool = False


def list_readers() -> tuple[Reader, ...]:
    """Returns the readers, at least one. Raises SMART_CARD_SERVICE_NOT_RUNNING, CARD_READER_NOT_FOUND."""
    context = open_context()
    try:
        return _list_readers(context)
    finally:
        scard.SCardReleaseContext(context)


class CardApplication(StrEnum):
    """What signs on a card, in the order in which it is looked for."""

    PIV = "piv"
    JPKI = "jpki"


@dataclass(frozen=True, slots=True)
class CardInReader:
    """A token medium: the card in a reader, a PIV card or a My Number card, as its applications tell.

    `reader` is a part of the reader's name; None stands for the only reader with a card. `slot` is one of SLOTS, of a
    PIV card; None stands for the first of them that has a certificate. With an `application` the card has to be one
    with it.
    """

    reader: str | None = None
    slot: str | None = None
    patience: float = PATIENCE
    application: CardApplication | None = None

    @property
    def pin_before_reading(self) -> bool:
        """Whether it is a My Number card; looks into the reader where the application is not known.

        Raises as `open`. It must not be asked while the card is open, unless the application is known.
        """
        return self.identify().application is CardApplication.JPKI

    def identify(self) -> "CardInReader":
        """Returns this medium with the application of the card that is in the reader now. Raises as `open`."""
        if self.application is not None:
            return self
        with self.open() as card:
            is_piv = isinstance(card, PivCard)
        return replace(self, application=CardApplication.PIV if is_piv else CardApplication.JPKI)

    @contextlib.contextmanager
    def open(self) -> Iterator[PivCard | JpkiCard]:
        """Connects to the card, selects its application, and yields it.

        Raises CARD_CHANGED for a card with another application than `application`.
        """
        with hold_card(self.reader, self.patience) as connection:
            card = self._select(connection)
            if self.application is not None and isinstance(card, JpkiCard) != (
                self.application is CardApplication.JPKI
            ):
                raise Refusal("CARD_CHANGED", Code.ABORTED)
            yield card

    def _select(self, connection: "PcscConnection") -> PivCard | JpkiCard:
        card: PivCard | JpkiCard = PivCard(connection, [self.slot] if self.slot else tuple(SLOTS))
        try:
            card.select()
        except Refusal as refusal:
            if refusal.reason != "CARD_NOT_SUPPORTED":
                raise
            card = JpkiCard(connection)
            card.select()
        return card


@contextlib.contextmanager
def hold_card(reader: str | None = None, patience: float = PATIENCE) -> Iterator["PcscConnection"]:
    """Connects to the card in a reader, and yields the connection in a transaction until the end of the block."""
    context = open_context()
    try:
        chosen_reader = _choose_reader(_list_readers(context), reader)
    except Refusal:
        scard.SCardReleaseContext(context)
        raise
    # A card without connections is available at once; for any other, a thread has to wait.
    if chosen_reader.card_in_use:
        connection = _acquire_in_thread(context, chosen_reader.name, patience)
    else:
        connection = _acquire(context, chosen_reader.name)
    if isinstance(connection, Refusal):
        raise connection
    try:
        yield connection
    finally:
        connection.release()


@dataclass(slots=True)
class PcscConnection:
    """A connection to a card in a PC/SC transaction, with its own context."""

    context: int
    reader: str
    handle: int
    protocol: int
    pin_was_sent: bool = field(default=False)

    @property
    def length_with_data(self) -> bool:
        """False over T=0, where a command has either data or the length of a response (ISO 7816-3, 12.2.1)."""
        return self.protocol != _T0

    def transmit(self, command: bytes) -> bytes:
        """Sends one command and returns the response with its status word."""
        header = scard.SCARD_PCI_T0 if self.protocol == _T0 else scard.SCARD_PCI_T1
        result, answer = scard.SCardTransmit(self.handle, header, list(command))
        # For a card removed during a command the result is success without an answer; after an error the list is stale.
        if result != scard.SCARD_S_SUCCESS or len(answer) < 2:
            raise self._explain_failure(result)
        return bytes(answer)

    def release(self) -> None:
        """Releases the card in a safe state. Never fails, because the card may have been removed.

        After SCARD_LEAVE_CARD a card keeps its PIN verified for the next program. Therefore a card that received a PIN
        is reset, at the end of the transaction and not after it, when another program might already use the card.
        Any other card is not reset, because that would undo the PIN verifications of other programs.
        """
        disposition = scard.SCARD_RESET_CARD if self.pin_was_sent else scard.SCARD_LEAVE_CARD
        scard.SCardEndTransaction(self.handle, disposition)
        scard.SCardDisconnect(self.handle, scard.SCARD_LEAVE_CARD)
        scard.SCardReleaseContext(self.context)

    def _explain_failure(self, result: int) -> Refusal:
        if result in _NO_ANSWER:
            state = _state(self.context, self.reader)
            if state is None:
                return explain_result(scard.SCARD_E_READER_UNAVAILABLE, self.reader)
            # The reader may not have noticed yet; without an answer the card counts as removed in any case.
            is_present = result == scard.SCARD_E_NOT_TRANSACTED and state & scard.SCARD_STATE_PRESENT
            return explain_result(result, self.reader) if is_present else Refusal("CARD_REMOVED", Code.ABORTED)
        return explain_result(result, self.reader)


def open_context() -> int:
    """Returns a new PC/SC context, to be released; raises SMART_CARD_SERVICE_NOT_RUNNING."""
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if result != scard.SCARD_S_SUCCESS:
        raise explain_result(result)
    return int(context)


def _list_readers(context: int) -> tuple[Reader, ...]:
    result, names = scard.SCardListReaders(context, [])
    if result != scard.SCARD_S_SUCCESS:
        raise explain_result(result)
    unaware = [(name, scard.SCARD_STATE_UNAWARE) for name in names]
    result, states = scard.SCardGetStatusChange(context, 0, unaware)
    # If a reader is unplugged between the two calls, the second one fails for all readers.
    if result != scard.SCARD_S_SUCCESS or not names:
        raise explain_result(result if names else scard.SCARD_E_NO_READERS_AVAILABLE)
    in_use = scard.SCARD_STATE_INUSE | scard.SCARD_STATE_EXCLUSIVE
    return tuple(
        Reader(name, bool(state & scard.SCARD_STATE_PRESENT), bool(state & in_use)) for name, state, _ in states
    )


def _state(context: int, reader: str) -> int | None:
    result, states = scard.SCardGetStatusChange(context, 0, [(reader, scard.SCARD_STATE_UNAWARE)])
    return states[0][1] if result == scard.SCARD_S_SUCCESS else None


def _choose_reader(readers: tuple[Reader, ...], name_part: str | None) -> Reader:
    if name_part is not None:
        exact = tuple(reader for reader in readers if reader.name == name_part)
        readers = exact or tuple(reader for reader in readers if name_part.casefold() in reader.name.casefold())
        if not readers:
            raise Refusal("CARD_READER_UNKNOWN", Code.NOT_FOUND, {"reader": name_part})
    with_card = [reader for reader in readers if reader.card_inserted]
    if not with_card:
        raise Refusal("CARD_NOT_INSERTED", metadata={"reader": " / ".join(reader.name for reader in readers)})
    if len(with_card) > 1:
        raise Refusal("CARDS_SEVERAL", metadata={"readers": " / ".join(reader.name for reader in with_card)})
    return with_card[0]


def _acquire_in_thread(context: int, reader: str, patience: float) -> PcscConnection | Refusal:
    """Acquires a card in use, in a thread: PC/SC would wait for the other program without a bound.

    The context belongs to that thread until it has the card; releasing it here would block just as long.
    """
    lock = threading.Lock()
    outcome: list[PcscConnection | Refusal] = []
    abandoned = False

    def acquire() -> None:
        connection = _acquire(context, reader)
        with lock:
            outcome.append(connection)
            # Too late: CARD_IN_USE has been reported, so the card must not be used any more.
            if abandoned and isinstance(connection, PcscConnection):
                connection.release()

    thread = threading.Thread(target=acquire, name="waiting for the card", daemon=True)
    thread.start()
    thread.join(patience)
    with lock:
        abandoned = not outcome
    if abandoned:
        return Refusal("CARD_IN_USE", Code.UNAVAILABLE, {"reader": reader})
    return outcome[0]


def _acquire(context: int, reader: str) -> PcscConnection | Refusal:
    """Connects and begins the transaction; releases the context if that fails."""
    protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
    result, handle, protocol = scard.SCardConnect(context, reader, scard.SCARD_SHARE_SHARED, protocols)
    if result == scard.SCARD_S_SUCCESS:
        result = scard.SCardBeginTransaction(handle)
        if result == scard.SCARD_S_SUCCESS:
            return PcscConnection(context, reader, handle, protocol)
        scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
    scard.SCardReleaseContext(context)
    return explain_result(result, reader)


def explain_result(result: int, reader: str = "") -> Refusal:
    """Returns the refusal for a result of PC/SC that is no success."""
    if result in _SERVICE_UNAVAILABLE:
        return Refusal("SMART_CARD_SERVICE_NOT_RUNNING", Code.UNAVAILABLE)
    if result in _READER_MISSING:
        return Refusal("CARD_READER_NOT_FOUND", Code.NOT_FOUND)
    if result == scard.SCARD_E_NO_SMARTCARD:
        return Refusal("CARD_NOT_INSERTED", metadata={"reader": reader})
    if result == scard.SCARD_W_REMOVED_CARD:
        return Refusal("CARD_REMOVED", Code.ABORTED)
    if result in (scard.SCARD_E_SHARING_VIOLATION, scard.SCARD_W_RESET_CARD):
        return Refusal("CARD_IN_USE", Code.UNAVAILABLE, {"reader": reader})
    if result in _UNREADABLE:
        return Refusal("CARD_UNREADABLE", metadata={"reader": reader})
    return Refusal("CARD_FAILED", Code.INTERNAL, {"code": f"{result & 0xFFFFFFFF:08X}"})

"""PC/SC: readers and the cards in them, through pyscard's plain functions.

Each use makes a context and a handle of its own and gives them back: both are dead for good once the service was
stopped or the card was pulled, and a new one works, so nothing needs a restart. (pyscard's classes keep one context.)
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from smartcard import scard  # type: ignore[import-untyped]

from card_agent.media.piv import PivCard
from refusals import Code, Refusal

# How long another program may hold the card before the person is told that it does.
PATIENCE = 30.0

_T0: int = scard.SCARD_PROTOCOL_T0
_SERVICE_GONE = {
    scard.SCARD_E_NO_SERVICE,
    scard.SCARD_E_SERVICE_STOPPED,
    scard.SCARD_E_INVALID_HANDLE,
    scard.SCARD_F_COMM_ERROR,
    scard.SCARD_E_SYSTEM_CANCELLED,
}
_READER_GONE = {
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
# A card that stops answering is first taken to be gone; whether it is, the reader knows.
_NO_ANSWER = {scard.SCARD_S_SUCCESS, scard.SCARD_E_NOT_TRANSACTED, scard.SCARD_E_NO_SMARTCARD}


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader by its name, whether there is a card in it, and whether some program is connected to that card."""

    name: str
    card_inserted: bool
    card_in_use: bool = False


def readers() -> tuple[Reader, ...]:
    """The readers, at least one. Raises SMART_CARD_SERVICE_NOT_RUNNING, CARD_READER_NOT_FOUND."""
    context = _context()
    try:
        return _readers(context)
    finally:
        scard.SCardReleaseContext(context)


@dataclass(frozen=True, slots=True)
class PivInReader:
    """A token medium: the PIV card in a reader.

    `reader` is a part of the reader's name; without one it is the reader that has a card, where just one has.
    """

    reader: str | None = None
    slot: str = "9A"
    patience: float = PATIENCE

    @property
    def pin_before_reading(self) -> bool:
        """A PIV card's certificates can be read without the PIN."""
        return False

    @contextlib.contextmanager
    def open(self) -> Iterator[PivCard]:
        """Holds the card and selects PIV on it."""
        with held_card(self.reader, self.patience) as connection:
            card = PivCard(connection, self.slot)
            card.select()
            yield card


@contextlib.contextmanager
def held_card(reader: str | None = None, patience: float = PATIENCE) -> Iterator["PcscConnection"]:
    """The connection to the card, in a transaction until the end of the block."""
    context = _context()
    try:
        chosen = _choose(_readers(context), reader)
    except Refusal:
        scard.SCardReleaseContext(context)
        raise
    # A card that nobody is connected to is there at once; for any other one a thread has to do the waiting.
    acquired = _wait_for(context, chosen.name, patience) if chosen.card_in_use else _acquire(context, chosen.name)
    if isinstance(acquired, Refusal):
        raise acquired
    try:
        yield acquired
    finally:
        acquired.release()


@dataclass(slots=True)
class PcscConnection:
    """A card that is held in a PC/SC transaction, with a context of its own."""

    context: int
    reader: str
    handle: int
    protocol: int
    pin_was_sent: bool = field(default=False)

    @property
    def length_with_data(self) -> bool:
        """Over T=0 a command has either data or the length of an answer (ISO 7816-3, 12.2.1)."""
        return self.protocol != _T0

    def transmit(self, command: bytes) -> bytes:
        """Sends one command and gives the answer with its status word."""
        header = scard.SCARD_PCI_T0 if self.protocol == _T0 else scard.SCARD_PCI_T1
        result, answer = scard.SCardTransmit(self.handle, header, list(command))
        # A card that is pulled while it works gives success and no answer; after an error the list holds old bytes.
        if result != scard.SCARD_S_SUCCESS or len(answer) < 2:
            raise self._why(result)
        return bytes(answer)

    def release(self) -> None:
        """Gives the card back, safe for others. Never fails: the card may be gone already.

        A card keeps its PIN verified after SCARD_LEAVE_CARD, for whichever program comes next, so where a PIN was
        sent the card is reset, at the end of the transaction and not after it, when another one could already be in.
        Where none was sent it is left alone: a reset would end what other programs have verified on it.
        """
        disposition = scard.SCARD_RESET_CARD if self.pin_was_sent else scard.SCARD_LEAVE_CARD
        scard.SCardEndTransaction(self.handle, disposition)
        scard.SCardDisconnect(self.handle, scard.SCARD_LEAVE_CARD)
        scard.SCardReleaseContext(self.context)

    def _why(self, result: int) -> Refusal:
        if result in _NO_ANSWER:
            state = _state(self.context, self.reader)
            if state is None:
                return _refusal(scard.SCARD_E_READER_UNAVAILABLE, self.reader)
            # The reader may not have noticed yet; without an answer the card counts as gone in any case.
            still_there = result == scard.SCARD_E_NOT_TRANSACTED and state & scard.SCARD_STATE_PRESENT
            return _refusal(result, self.reader) if still_there else Refusal("CARD_REMOVED", Code.ABORTED)
        return _refusal(result, self.reader)


def _context() -> int:
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if result != scard.SCARD_S_SUCCESS:
        raise _refusal(result)
    return int(context)


def _readers(context: int) -> tuple[Reader, ...]:
    result, names = scard.SCardListReaders(context, [])
    if result != scard.SCARD_S_SUCCESS:
        raise _refusal(result)
    unaware = [(name, scard.SCARD_STATE_UNAWARE) for name in names]
    result, states = scard.SCardGetStatusChange(context, 0, unaware)
    # A reader that was unplugged between the two calls is reported as an error for all of them.
    if result != scard.SCARD_S_SUCCESS or not names:
        raise _refusal(result if names else scard.SCARD_E_NO_READERS_AVAILABLE)
    in_use = scard.SCARD_STATE_INUSE | scard.SCARD_STATE_EXCLUSIVE
    return tuple(
        Reader(name, bool(state & scard.SCARD_STATE_PRESENT), bool(state & in_use)) for name, state, _ in states
    )


def _state(context: int, reader: str) -> int | None:
    result, states = scard.SCardGetStatusChange(context, 0, [(reader, scard.SCARD_STATE_UNAWARE)])
    return states[0][1] if result == scard.SCARD_S_SUCCESS else None


def _choose(found: tuple[Reader, ...], wanted: str | None) -> Reader:
    if wanted is not None:
        found = tuple(reader for reader in found if wanted.casefold() in reader.name.casefold())
        if not found:
            raise Refusal("CARD_READER_UNKNOWN", Code.NOT_FOUND, {"reader": wanted})
    with_card = [reader for reader in found if reader.card_inserted]
    if not with_card:
        raise Refusal("CARD_NOT_INSERTED", metadata={"reader": "、".join(reader.name for reader in found)})
    if len(with_card) > 1:
        raise Refusal("CARDS_SEVERAL", metadata={"readers": "、".join(reader.name for reader in with_card)})
    return with_card[0]


def _wait_for(context: int, reader: str, patience: float) -> PcscConnection | Refusal:
    """Acquires the card while others use it. PC/SC would wait for them without end, so a thread does the waiting.

    The context belongs to that thread until it has the card: releasing it from here would wait just as long.
    """
    decided = threading.Lock()
    outcome: list[PcscConnection | Refusal] = []
    abandoned = False

    def acquire() -> None:
        acquired = _acquire(context, reader)
        with decided:
            outcome.append(acquired)
            # Too late: the person was told that the card is busy, so it is not touched any more.
            if abandoned and isinstance(acquired, PcscConnection):
                acquired.release()

    waiting = threading.Thread(target=acquire, name="waiting for the card", daemon=True)
    waiting.start()
    waiting.join(patience)
    with decided:
        abandoned = not outcome
    if abandoned:
        return Refusal("CARD_IN_USE", Code.UNAVAILABLE, {"reader": reader})
    return outcome[0]


def _acquire(context: int, reader: str) -> PcscConnection | Refusal:
    """Connects and begins the transaction; where that fails the context is released."""
    protocols = scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1
    result, handle, protocol = scard.SCardConnect(context, reader, scard.SCARD_SHARE_SHARED, protocols)
    if result == scard.SCARD_S_SUCCESS:
        result = scard.SCardBeginTransaction(handle)
        if result == scard.SCARD_S_SUCCESS:
            return PcscConnection(context, reader, handle, protocol)
        scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
    scard.SCardReleaseContext(context)
    return _refusal(result, reader)


def _refusal(result: int, reader: str = "") -> Refusal:
    if result in _SERVICE_GONE:
        return Refusal("SMART_CARD_SERVICE_NOT_RUNNING", Code.UNAVAILABLE)
    if result in _READER_GONE:
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

"""The abstract smart-card connection, and commands over it after ISO 7816-4: chaining, GET RESPONSE, status words."""

from dataclasses import dataclass, field
from typing import Protocol

OK = 0x9000
_MOST_SHORT = 255
_CHAINING = 0x10


class SmartCardConnection(Protocol):
    """A card that is held: nobody else's commands come between those that are sent here."""

    @property
    def length_with_data(self) -> bool:
        """Whether a command with data may also name the length of its answer (case 4); over T=0 it may not."""

    @property
    def pin_was_sent(self) -> bool:
        """Set by whoever sends a PIN: the card has to forget it when the connection ends."""

    @pin_was_sent.setter
    def pin_was_sent(self, value: bool) -> None: ...

    def transmit(self, command: bytes) -> bytes:
        """Sends one command and gives its answer with the status word, at least two bytes.

        Raises CARD_REMOVED, CARD_READER_NOT_FOUND, CARD_IN_USE, SMART_CARD_SERVICE_NOT_RUNNING, CARD_FAILED.
        """


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer to a command; `data` of several parts is put together."""

    data: bytes = field(repr=False)
    status: int


def send(
    connection: SmartCardConnection, ins: int, p1: int, p2: int, data: bytes = b"", *, answered: bool = False
) -> Answer:
    """Sends a command in as many short ones as it takes and gathers its answer. `answered`: data is expected back.

    Command chaining (ISO 7816-4, 5.3.3) and GET RESPONSE rather than extended lengths: every PIV card has the former.
    """
    while len(data) > _MOST_SHORT:
        part, data = data[:_MOST_SHORT], data[_MOST_SHORT:]
        chained = connection.transmit(bytes([_CHAINING, ins, p1, p2, len(part)]) + part)
        if _status(chained) != OK:
            return Answer(b"", _status(chained))
    command = bytes([0, ins, p1, p2])
    if data:
        command += bytes([len(data)]) + data
    if answered and (connection.length_with_data or not data):
        command += b"\0"
    answer = connection.transmit(command)
    gathered = bytearray(answer[:-2])
    while answer[-2] == 0x61:
        answer = connection.transmit(bytes([0, 0xC0, 0, 0, answer[-1]]))
        gathered += answer[:-2]
    return Answer(bytes(gathered), _status(answer))


def _status(answer: bytes) -> int:
    return int.from_bytes(answer[-2:], "big")

"""The abstract smart-card connection, and commands over it (ISO 7816-4): chaining, GET RESPONSE, status words.

Each command leaves a line in the log: its header, lengths, the status word and the time; never data, and of a command
with a PIN no length either.
"""

import logging
import time
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

from refusals import Code, Refusal

_MOST_SHORT_DATA = 255
_CLASS_LAST, _CLASS_CHAINED = 0x00, 0x10
# First bytes of status words: the second one is the number of bytes that GET RESPONSE will return, or the length with
# which the same command has to be sent again (ISO 7816-4, 5.6).
_MORE_DATA, _WRONG_EXPECTED_LENGTH = 0x61, 0x6C
# No object that is read here comes near it; a card that always announces more must not keep the agent busy for ever.
_MOST_RESPONSE_BYTES = 64 * 1024
# VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER (ISO 7816-4, 11.5): their data are PINs.
_WITH_PIN = {0x20, 0x24, 0x2C}

_LOG = logging.getLogger(__name__)


class Instruction(IntEnum):
    """The instruction bytes in use (ISO 7816-4)."""

    VERIFY = 0x20
    PERFORM_SECURITY_OPERATION = 0x2A
    GENERAL_AUTHENTICATE = 0x87
    SELECT = 0xA4
    READ_BINARY = 0xB0
    GET_RESPONSE = 0xC0
    GET_DATA = 0xCB


class StatusWord(IntEnum):
    """The status words in use (ISO 7816-4; NIST SP 800-73-4, part 2)."""

    SUCCESS = 0x9000
    END_OF_FILE = 0x6282
    # Of 63Cx the last four bits are the number of tries left; other values, such as 6300, do not tell it.
    VERIFICATION_FAILED = 0x6300
    VERIFICATION_FAILED_COUNTED = 0x63C0
    WRONG_LENGTH = 0x6700
    SECURITY_STATUS_NOT_SATISFIED = 0x6982
    AUTHENTICATION_METHOD_BLOCKED = 0x6983
    REFERENCE_DATA_NOT_USABLE = 0x6984
    WRONG_DATA = 0x6A80
    NOT_FOUND = 0x6A82
    WRONG_PARAMETERS = 0x6A86
    WRONG_OFFSET = 0x6B00


class SmartCardConnection(Protocol):
    """Exclusive access to a card: no other program's commands come between those sent here."""

    @property
    def length_with_data(self) -> bool:
        """Whether a command with data may also name the length of its response (case 4); over T=0 it may not."""

    @property
    def pin_was_sent(self) -> bool:
        """Set by the sender of a PIN: the card has to forget it when the connection ends."""

    @pin_was_sent.setter
    def pin_was_sent(self, value: bool) -> None: ...

    def transmit(self, command: bytes) -> bytes:
        """Sends one command and returns its response with the status word, at least two bytes.

        Raises CARD_REMOVED, CARD_READER_NOT_FOUND, CARD_IN_USE, SMART_CARD_SERVICE_NOT_RUNNING, CARD_FAILED.
        """


@dataclass(frozen=True, slots=True)
class Response:
    """The complete response to a command; `status` is a StatusWord or any other value of the card."""

    data: bytes = field(repr=False)
    status: int

    @property
    def tries_left(self) -> int | None:
        """The tries that a failed verification leaves (63Cx), None for any other status."""
        if self.status & 0xFFF0 != StatusWord.VERIFICATION_FAILED_COUNTED:
            return None
        return self.status & 0x000F


def send(
    connection: SmartCardConnection,
    instruction: Instruction,
    p1: int,
    p2: int,
    data: bytes = b"",
    *,
    expects_data: bool = False,
    class_byte: int = _CLASS_LAST,
) -> Response:
    """Sends a command in one or more short commands, and collects its response.

    Command chaining (ISO 7816-4, 5.3.3) and GET RESPONSE rather than extended lengths: every PIV card has the former.
    `class_byte` is that of a command that is not of ISO 7816-4. Raises CARD_FAILED for a response without end.
    """
    while len(data) > _MOST_SHORT_DATA:
        part, data = data[:_MOST_SHORT_DATA], data[_MOST_SHORT_DATA:]
        answer = _transmit(connection, bytes([_CLASS_CHAINED, instruction, p1, p2, len(part)]) + part)
        if _status(answer) != StatusWord.SUCCESS:
            return Response(b"", _status(answer))
    command = bytes([class_byte, instruction, p1, p2])
    if data:
        command += bytes([len(data)]) + data
    if expects_data and (connection.length_with_data or not data):
        answer = _request_data(connection, command, 0)
    else:
        answer = _transmit(connection, command)
    response_data = bytearray(answer[:-2])
    while answer[-2] == _MORE_DATA:
        get_response = bytes([_CLASS_LAST, Instruction.GET_RESPONSE, 0, 0])
        answer = _request_data(connection, get_response, answer[-1])
        response_data += answer[:-2]
        if (len(answer) == 2 and answer[-2] == _MORE_DATA) or len(response_data) > _MOST_RESPONSE_BYTES:
            raise Refusal("CARD_FAILED", Code.INTERNAL, {"code": f"{_status(answer):04X}"})
    return Response(bytes(response_data), _status(answer))


def _request_data(connection: SmartCardConnection, command: bytes, length: int) -> bytes:
    """Sends a command that ends with the length of its response; once more if the card names another length."""
    answer = _transmit(connection, command + bytes([length]))
    if answer[-2] == _WRONG_EXPECTED_LENGTH:
        answer = _transmit(connection, command + answer[-1:])
    return answer


def _transmit(connection: SmartCardConnection, command: bytes) -> bytes:
    started = time.monotonic()
    result = "no answer"
    try:
        answer = connection.transmit(command)
        result = f"{len(answer) - 2} bytes, {_status(answer):04X}"
        return answer
    except Refusal as refusal:
        result = refusal.reason
        raise
    finally:
        length = "" if command[1] in _WITH_PIN else f", {len(command)} bytes"
        milliseconds = (time.monotonic() - started) * 1000
        _LOG.info("command %s%s: %s, %.0f ms", command[:4].hex(" ").upper(), length, result, milliseconds)


def _status(answer: bytes) -> int:
    return int.from_bytes(answer[-2:], "big")

"""A virtual card in vpcd's reader (Debian's vsmartcard-vpcd): connecting inserts it, closing pulls it.

As a process, for use by hand; it prints `inserted`, and the card stays in the reader until the process ends:

    python -m simulators.virtual_card --certificate card.pem --key card.key --pin-file pin --port 35963

vpcd's protocol: two bytes of length, then one byte of control (0 off, 1 on, 2 reset, 4 "give me the ATR") or a command.
"""

import argparse
import contextlib
import signal
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from simulators.virtual_jpki import COMPUTE_DIGITAL_SIGNATURE
from simulators.virtual_piv import GENERAL_AUTHENTICATE, VERIFY, Key, PivApplication

# T=1, with historical bytes that announce command chaining and extended lengths (ISO 7816-4, 12.1.1).
ATR = bytes.fromhex("3B85800180730000C037")
POWER_OFF, POWER_ON, RESET, GIVE_ATR = 0, 1, 2, 4
_DEFAULT_SLOT = 0x9A
_HEADER_BYTES = 4


class Application(Protocol):
    """What is on a card: PIV (`virtual_piv`), or the application of a My Number card (`virtual_jpki`)."""

    def answer(self, apdu: bytes) -> bytes:
        """Returns the answer to a command, with its status word."""

    def reset(self) -> None:
        """Clears the volatile state, as power loss and reset do."""


@dataclass(slots=True)
class VirtualCard:
    """A card and the thread that answers for it while it is in the reader; vpcd listens at `port`.

    `pull_at` counts commands down and pulls the card instead of answering the command at which it reaches zero;
    `pull_during_sign` does so at the next signature. Both then reset, so that the card can be inserted again.
    """

    application: Application
    port: int
    pull_at: int | None = None
    pull_during_sign: bool = False
    # While it is cleared, signatures wait: for tests of what happens meanwhile.
    may_sign: threading.Event = field(default_factory=threading.Event)
    signing: threading.Event = field(default_factory=threading.Event)
    # The instruction bytes of all commands so far, in order.
    instructions: list[int] = field(default_factory=list)
    # How many PINs it was sent, right or wrong; a VERIFY without data asks for the tries only.
    pins: int = 0
    powered: threading.Event = field(default_factory=threading.Event, repr=False)
    ended: threading.Event = field(default_factory=threading.Event, repr=False)
    _connection: socket.socket | None = field(default=None, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.may_sign.set()

    @classmethod
    def with_key(
        cls, key: Key, certificate: x509.Certificate, pin: str = "123456", *, port: int, slot: int = _DEFAULT_SLOT
    ) -> Self:
        """Returns a card with one key and its certificate in a slot."""
        return cls(PivApplication({slot: key}, {slot: certificate}, pin), port)

    @property
    def piv(self) -> PivApplication:
        """The PIV application of a card that has it."""
        if not isinstance(self.application, PivApplication):
            raise TypeError("the card has no PIV")
        return self.application

    def insert(self, timeout: float = 10) -> None:
        """Inserts the card; returns when the reader has powered it. Raises TimeoutError."""
        if self._thread is not None and self._thread.is_alive():
            raise ValueError("the card is in the reader already")
        self.powered.clear()
        self.ended.clear()
        self._connection = connection = socket.create_connection(("127.0.0.1", self.port), timeout)
        connection.settimeout(None)
        self._thread = threading.Thread(target=self._serve, args=(connection,), name="virtual card", daemon=True)
        self._thread.start()
        if not self.powered.wait(timeout):
            self.pull()
            raise TimeoutError(f"vpcd on port {self.port} did not power the card within {timeout} s")

    def pull(self) -> None:
        """Pulls the card out of the reader; does nothing if it is not in there."""
        if self._connection is not None:
            # The shutdown wakes the thread that reads; closing alone would leave it waiting.
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            self._connection.close()
            self._connection = None
        self.may_sign.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None

    def _serve(self, connection: socket.socket) -> None:
        try:
            while (message := _receive(connection)) is not None:
                answer = self._control(message[0]) if len(message) == 1 else self._command(message)
                if answer is not None:
                    connection.sendall(len(answer).to_bytes(2, "big") + answer)
        except (OSError, _Pulled):
            pass
        finally:
            connection.close()
            self.application.reset()
            self.ended.set()

    def _control(self, control: int) -> bytes | None:
        if control in (POWER_OFF, POWER_ON, RESET):
            self.application.reset()
            if control == POWER_ON:
                self.powered.set()
        return ATR if control == GIVE_ATR else None

    def _command(self, command: bytes) -> bytes:
        instruction = command[1]
        self.instructions.append(instruction)
        self.pins += instruction == VERIFY and len(command) > _HEADER_BYTES + 1
        if self.pull_at is not None:
            self.pull_at -= 1
            if self.pull_at <= 0:
                self.pull_at = None
                raise _Pulled
        # The block whose class has no chaining bit ends a chained command; there the card signs.
        if instruction in (GENERAL_AUTHENTICATE, COMPUTE_DIGITAL_SIGNATURE) and not command[0] & 0x10:
            if self.pull_during_sign:
                self.pull_during_sign = False
                raise _Pulled
            self.signing.set()
            self.may_sign.wait()
        return self.application.answer(command)


class _Pulled(Exception):
    """The card is pulled out at this command."""


def _receive(connection: socket.socket) -> bytes | None:
    head = _read(connection, 2)
    return None if head is None else _read(connection, int.from_bytes(head, "big"))


def _read(connection: socket.socket, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            return None
        data += part
        # vpcd writes length and content separately; a delayed acknowledgement between them costs 40 ms.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
    return data


def main() -> None:
    """Runs the card as a process, in the reader until SIGTERM or SIGINT. The PIN is read from a file only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--certificate", type=Path, required=True, help="PEM")
    parser.add_argument("--key", type=Path, required=True, help="PEM, not encrypted")
    parser.add_argument("--pin-file", type=Path, required=True, help="6 to 8 digits")
    parser.add_argument("--port", type=int, required=True, help="where vpcd listens, usually 35963")
    parser.add_argument("--tries", type=int, default=3, help="PIN tries")
    parser.add_argument("--slot", type=lambda text: int(text, 16), default=_DEFAULT_SLOT, help="9A (default) or 9C")
    given = parser.parse_args()
    key = serialization.load_pem_private_key(given.key.read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        parser.error("the key is neither RSA nor ECDSA")
    certificate = x509.load_pem_x509_certificate(given.certificate.read_bytes())
    pin = given.pin_file.read_text("ascii").strip()
    piv = PivApplication({given.slot: key}, {given.slot: certificate}, pin, given.tries)
    card = VirtualCard(piv, given.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: card.ended.set())
    card.insert()
    print("inserted", flush=True)
    card.ended.wait()
    card.pull()


if __name__ == "__main__":
    main()

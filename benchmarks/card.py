"""The overhead of the card agent over the bare commands of one use: select, read certificate, verify PIN, sign.

Both use the same virtual card through the same pcscd, alternately. Bare is the shortest program with PC/SC's own
functions: find the reader, connect, begin a transaction, send the commands that the agent sends (recorded beforehand),
reset the card, disconnect. The share of the commands alone is printed beside it.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

from smartcard import scard  # type: ignore[import-untyped]  # comes without types

from benchmarks.results import Measured
from card_agent.media.pcsc import CardInReader, PcscConnection, hold_card
from card_agent.media.piv import PivCard
from card_agent.media.token import Pin, Token, choose_algorithm
from simulators.certificate_authorities import CertificateAuthority, new_ec_key, new_rsa_key
from tests.support.card_reader import card_reader

USES = 300
PIN = Pin("123456")
# About as long as a log-in.
DATA = b"toroku card signature v1\x00" + b"x" * 400
# First bytes of status words; a card without issuers' certificates has no object that tells their number (6A82).
_AS_EXPECTED = {0x90, 0x61, 0x6A}


@dataclass(slots=True)
class Recorder:
    """A connection that records the commands that pass through it."""

    connection: PcscConnection
    commands: list[bytes] = field(default_factory=list)
    pin_was_sent: bool = False

    @property
    def length_with_data(self) -> bool:
        """As the connection behind it."""
        return self.connection.length_with_data

    def transmit(self, command: bytes) -> bytes:
        """As the connection behind it."""
        self.commands.append(command)
        return self.connection.transmit(command)


async def measure() -> Measured:
    """Prints the medians and the agent's ratio to the bare use, for RSA-2048 and P-256."""
    figures: dict[str, float] = {}
    authority = CertificateAuthority.create(key=new_ec_key())
    with card_reader() as reader:
        for name, key in (("RSA-2048", new_rsa_key()), ("P-256", new_ec_key())):
            card = reader.insert(authority.issue(key=key))
            commands = record_commands()
            bare: list[tuple[float, float]] = []
            agent: list[float] = []
            # Alternately, so that other load on the machine affects both alike.
            for _ in range(USES):
                bare.append(use_bare(commands))
                began = perf_counter()
                _whole_use()
                agent.append(perf_counter() - began)
            sending, using = (statistics.median(times) for times in zip(*bare, strict=True))
            whole = statistics.median(agent)
            print(
                f"{name:<9} bare {using * 1000:5.2f} ms (commands alone {sending * 1000:5.2f} ms), "
                f"agent {whole * 1000:5.2f} ms, ratio {whole / using:.2f}",
                flush=True,
            )
            figures |= {
                f"{name}: bare ms": using * 1000,
                f"{name}: agent ms": whole * 1000,
                f"{name}: ratio": whole / using,
            }
            reader.pull(card)
    return Measured(figures)


def record_commands() -> Sequence[bytes]:
    """Returns the commands of one use by the agent, of the card that is in the reader."""
    with hold_card() as connection:
        recorder = Recorder(connection)
        card = PivCard(recorder)
        card.select()
        _sign(card)
    return recorder.commands


def _whole_use() -> None:
    with CardInReader().open() as token:
        _sign(token)


def _sign(token: Token) -> None:
    certificate = token.certificates()[0]
    token.verify_pin(PIN)
    token.sign(certificate, DATA, choose_algorithm(certificate.certificate))


def use_bare(commands: Sequence[bytes]) -> tuple[float, float]:
    """Uses the card by PC/SC's own functions; returns the seconds of the commands alone, and of everything."""
    began = perf_counter()
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    _, names = scard.SCardListReaders(context, [])
    _, handle, _ = scard.SCardConnect(context, names[0], scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T1)
    scard.SCardBeginTransaction(handle)
    sending = perf_counter()
    for command in commands:
        result, answer = scard.SCardTransmit(handle, scard.SCARD_PCI_T1, list(command))
        if result != scard.SCARD_S_SUCCESS or answer[-2] not in _AS_EXPECTED:
            raise RuntimeError(f"the card failed with {result & 0xFFFFFFFF:08X}")
    sent = perf_counter()
    scard.SCardEndTransaction(handle, scard.SCARD_RESET_CARD)
    scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
    scard.SCardReleaseContext(context)
    return sent - sending, perf_counter() - began

"""The application of the 公的個人認証サービス (JPKI) of a My Number card, for the virtual card.

Only the commands for reading certificates and signing: SELECT, VERIFY, READ BINARY, COMPUTE DIGITAL SIGNATURE. The
facts are those of OpenSC's driver (card-jpki.c, pkcs15-jpki.c), which is a client in the tests. Neither the card agent
nor this module imports the other, so that they cannot share a mistake.
"""

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from simulators.certificate_authorities import IssuedCard
from simulators.virtual_piv import (
    NOT_FOUND,
    OK,
    SECURITY_NOT_SATISFIED,
    SELECT,
    TRIES_LEFT,
    UNKNOWN_CLASS,
    UNKNOWN_INSTRUCTION,
    VERIFY,
    WRONG_DATA,
    WRONG_LENGTH,
    WRONG_PARAMETERS,
    Command,
)

AID = bytes.fromhex("D392F000260100000001")
READ_BINARY, COMPUTE_DIGITAL_SIGNATURE = 0xB0, 0x2A
END_OF_FILE, COMMAND_NOT_ALLOWED, WRONG_OFFSET = 0x6282, 0x6986, 0x6B00
PIN_NOT_USABLE = 0x6984

# Identifiers of files. The key for authentication comes with its PIN and certificates, the one for signatures too.
SIGNATURE_CERTIFICATE, SIGNATURE_ISSUER, SIGNATURE_KEY, SIGNATURE_PIN = 0x0001, 0x0002, 0x001A, 0x001B
AUTHENTICATION_CERTIFICATE, AUTHENTICATION_ISSUER = 0x000A, 0x000B
AUTHENTICATION_KEY, AUTHENTICATION_PIN = 0x0017, 0x0018
_CERTIFICATES = {SIGNATURE_CERTIFICATE, SIGNATURE_ISSUER, AUTHENTICATION_CERTIFICATE, AUTHENTICATION_ISSUER}
_PIN_OF_KEY = {SIGNATURE_KEY: SIGNATURE_PIN, AUTHENTICATION_KEY: AUTHENTICATION_PIN}
# A certificate's file has a size of its own; what is behind the certificate is empty.
_FILE_BYTES = 2560


@dataclass(slots=True)
class JpkiPin:
    """A PIN, its tries, and whether it is verified."""

    value: str = field(repr=False)
    tries: int
    tries_left: int = -1
    verified: bool = False

    def __post_init__(self) -> None:
        if self.tries_left < 0:
            self.tries_left = self.tries

    def verify(self, data: bytes) -> int:
        """Returns the status word of a VERIFY; the card compares bytes, and does not look at their form."""
        if self.tries_left == 0:
            return PIN_NOT_USABLE
        self.verified = data == self.value.encode()
        self.tries_left = self.tries if self.verified else self.tries_left - 1
        return OK if self.verified else TRIES_LEFT | self.tries_left


@dataclass(slots=True)
class JpkiApplication:
    """Both keys of a My Number card with their certificates by file; a key or certificate may be missing."""

    keys: dict[int, rsa.RSAPrivateKey] = field(repr=False)
    certificates: dict[int, x509.Certificate]
    pins: dict[int, JpkiPin]
    # What is in a file instead of a certificate, and the files that are not there at all.
    contents: dict[int, bytes] = field(default_factory=dict)
    missing_files: set[int] = field(default_factory=set)
    application_selected: bool = False
    file: int = 0

    @classmethod
    def of(
        cls,
        signature: IssuedCard | None,
        authentication: IssuedCard,
        *,
        signature_pin: str = "ABC123",
        authentication_pin: str = "1234",
    ) -> "JpkiApplication":
        """Returns a card with keys of RSA, their certificates and issuers; a child's has none for signatures."""
        keys: dict[int, rsa.RSAPrivateKey] = {}
        certificates: dict[int, x509.Certificate] = {}
        for issued, key_file, certificate_file, issuer_file in (
            (signature, SIGNATURE_KEY, SIGNATURE_CERTIFICATE, SIGNATURE_ISSUER),
            (authentication, AUTHENTICATION_KEY, AUTHENTICATION_CERTIFICATE, AUTHENTICATION_ISSUER),
        ):
            if issued is not None and isinstance(issued.key, rsa.RSAPrivateKey):
                keys[key_file] = issued.key
                certificates[certificate_file], certificates[issuer_file] = issued.certificate, issued.chain[0]
        pins = {SIGNATURE_PIN: JpkiPin(signature_pin, 5), AUTHENTICATION_PIN: JpkiPin(authentication_pin, 3)}
        return cls(keys, certificates, pins)

    @property
    def signature_pin(self) -> JpkiPin:
        """The PIN of the key for signatures (署名用パスワード)."""
        return self.pins[SIGNATURE_PIN]

    @property
    def authentication_pin(self) -> JpkiPin:
        """The PIN of the key for authentication (利用者証明用)."""
        return self.pins[AUTHENTICATION_PIN]

    def reset(self) -> None:
        """Clears the card's volatile state, as power loss and reset do; the remaining tries are kept."""
        self.application_selected, self.file = False, 0
        for pin in self.pins.values():
            pin.verified = False

    def answer(self, apdu: bytes) -> bytes:
        """Returns the answer to a command, with its status word."""
        try:
            command = Command.parse(apdu)
        except ValueError:
            return _status(WRONG_LENGTH)
        status, data = self._run(command)
        return data + _status(status)

    def _run(self, command: Command) -> tuple[int, bytes]:
        if (command.cla, command.ins) == (0x00, SELECT):
            return self._select(command), b""
        if not self.application_selected:
            return UNKNOWN_INSTRUCTION, b""
        if (command.cla, command.ins) == (0x00, VERIFY):
            return self._verify(command), b""
        if (command.cla, command.ins) == (0x00, READ_BINARY):
            return self._read(command)
        if (command.cla, command.ins) == (0x80, COMPUTE_DIGITAL_SIGNATURE):
            return self._sign(command)
        return (UNKNOWN_INSTRUCTION if command.cla in (0x00, 0x80) else UNKNOWN_CLASS), b""

    def _select(self, command: Command) -> int:
        if command.p2 != 0x0C:
            return WRONG_PARAMETERS
        if command.p1 == 0x04:
            # The application goes on when another one is asked for that the card does not have.
            if command.data != AID:
                return NOT_FOUND
            self.reset()
            self.application_selected = True
            return OK
        if command.p1 != 0x02 or not self.application_selected:
            return WRONG_PARAMETERS
        file = int.from_bytes(command.data, "big")
        files = _CERTIFICATES | _PIN_OF_KEY.keys() | self.pins.keys()
        if len(command.data) != 2 or file not in files - self.missing_files:
            return NOT_FOUND
        self.file = file
        return OK

    def _verify(self, command: Command) -> int:
        pin = self.pins.get(self.file)
        if (command.p1, command.p2) != (0x00, 0x80) or pin is None:
            return WRONG_PARAMETERS
        # Without data it tells the tries, whether or not the PIN is verified.
        return pin.verify(command.data) if command.data else TRIES_LEFT | pin.tries_left

    def _read(self, command: Command) -> tuple[int, bytes]:
        if self.file not in _CERTIFICATES:
            return COMMAND_NOT_ALLOWED, b""
        if self.file == SIGNATURE_CERTIFICATE and not self.signature_pin.verified:
            return SECURITY_NOT_SATISFIED, b""
        certificate = self.certificates.get(self.file)
        content = b"" if certificate is None else certificate.public_bytes(serialization.Encoding.DER)
        content = self.contents.get(self.file, content).ljust(_FILE_BYTES, b"\0")
        offset = command.p1 << 8 | command.p2
        if offset >= len(content):
            return WRONG_OFFSET, b""
        data = content[offset : offset + command.most]
        return (OK if len(data) == command.most else END_OF_FILE), data

    def _sign(self, command: Command) -> tuple[int, bytes]:
        key = self.keys.get(self.file)
        if (command.p1, command.p2) != (0x00, 0x80):
            return WRONG_PARAMETERS, b""
        if key is None:
            return COMMAND_NOT_ALLOWED, b""
        if not self.pins[_PIN_OF_KEY[self.file]].verified:
            return SECURITY_NOT_SATISFIED, b""
        if not command.data or len(command.data) > key.key_size // 8 - 11:
            return WRONG_DATA, b""
        return OK, _sign_padded(key, command.data)


def _sign_padded(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    # EMSA-PKCS1-v1_5 (RFC 8017, 9.2) around the DigestInfo that the client sent, and the private key operation.
    length = key.key_size // 8
    block = b"\0\1" + b"\xff" * (length - len(data) - 3) + b"\0" + data
    numbers = key.private_numbers()
    return pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n).to_bytes(length, "big")


def _status(status: int) -> bytes:
    return status.to_bytes(2, "big")

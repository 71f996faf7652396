"""A PIV application (NIST SP 800-73-4 part 2) for the virtual card.

Only the commands for reading certificates and signing: SELECT, VERIFY, GET DATA, GENERAL AUTHENTICATE, GET RESPONSE,
command chaining, short and extended length. Nothing can be written, and there is no card management key. Neither the
card agent nor this module imports the other, so that they cannot share a mistake.
"""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

# SP 800-73-4 part 1, 2.2: the application's identifier with its version. A prefix of it selects it too (ISO 7816-4,
# 11.2.2).
AID = bytes.fromhex("A000000308000010000100")
ISSUER_AID = AID[:5]

OK = 0x9000
TRIES_LEFT = 0x63C0
WRONG_LENGTH = 0x6700
CHAIN_EXPECTED = 0x6883
SECURITY_NOT_SATISFIED = 0x6982
PIN_BLOCKED = 0x6983
WRONG_DATA = 0x6A80
NOT_FOUND = 0x6A82
WRONG_PARAMETERS = 0x6A86
REFERENCE_NOT_FOUND = 0x6A88
UNKNOWN_INSTRUCTION = 0x6D00
UNKNOWN_CLASS = 0x6E00

SELECT, VERIFY, GENERAL_AUTHENTICATE, GET_RESPONSE, GET_DATA = 0xA4, 0x20, 0x87, 0xC0, 0xCB

# SP 800-73-4 part 1, table 3 and SP 800-78-4, table 6-2.
CARD_CAPABILITIES, CHUID, DISCOVERY = bytes.fromhex("5FC107"), bytes.fromhex("5FC102"), b"\x7e"
CERTIFICATE_OBJECTS = {
    0x9A: bytes.fromhex("5FC105"),
    0x9C: bytes.fromhex("5FC10A"),
    0x9D: bytes.fromhex("5FC10B"),
    # Retired keys: certificates only, which are those of issuers.
    **{0x82 + number: (0x5FC10D + number).to_bytes(3, "big") for number in range(20)},
}
KEY_HISTORY, RETIRED_SLOTS, KEY_MANAGEMENT_SLOT = bytes.fromhex("5FC10C"), range(0x82, 0x96), 0x9D
PIN_ALWAYS_SLOT = 0x9C


@dataclass(frozen=True, slots=True)
class Command:
    """A command of ISO 7816-4 in short or extended length; `most` is the maximal length of the answer."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(repr=False)
    most: int

    @classmethod
    def parse(cls, apdu: bytes) -> "Command":
        """Parses a command; raises ValueError where its lengths are inconsistent."""
        if len(apdu) < 4:
            raise ValueError("a command has at least four bytes")
        cla, ins, p1, p2 = apdu[:4]
        body = apdu[4:]
        if not body:
            return cls(cla, ins, p1, p2, b"", 0)
        if len(body) == 1:
            return cls(cla, ins, p1, p2, b"", body[0] or 256)
        wide = body[0] == 0
        if wide and len(body) == 3:
            return cls(cla, ins, p1, p2, b"", int.from_bytes(body[1:], "big") or 65536)
        width = 2 if wide else 1
        start = 1 + width if wide else 1
        length = int.from_bytes(body[start - width : start], "big")
        data, rest = body[start : start + length], body[start + length :]
        if len(data) != length or len(rest) not in (0, width):
            raise ValueError("the lengths do not fit")
        return cls(cla, ins, p1, p2, data, (int.from_bytes(rest, "big") or (65536 if wide else 256)) if rest else 0)


@dataclass(slots=True)
class PivApplication:
    """Keys and certificates by slot (0x9A, 0x9C, 0x9D), a PIN of 6 to 8 digits, tries.

    Certificates of issuers are in the slots of retired keys, from 0x82 on and without gaps.
    With `applet_present=False` it is a card without PIV.
    """

    keys: Mapping[int, Key] = field(repr=False)
    certificates: Mapping[int, x509.Certificate]
    pin: str = field(repr=False)
    tries: int = 3
    tries_left: int = -1
    applet_present: bool = True
    # Slots whose certificates are compressed.
    compressed: frozenset[int] = frozenset()
    selected: bool = False
    verified: bool = False
    # SP 800-73-4 part 1, table 3 "PIN always": VERIFY has to be the preceding command.
    just_verified: bool = False
    pending: bytes = field(default=b"", repr=False)
    chained: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        if self.tries_left < 0:
            self.tries_left = self.tries

    def reset(self) -> None:
        """Clears the card's volatile state, as power loss and reset do; the remaining tries are kept."""
        self.selected = self.verified = self.just_verified = False
        self.pending = self.chained = b""

    def answer(self, apdu: bytes) -> bytes:
        """Returns the answer to a command, with its status word."""
        try:
            command = Command.parse(apdu)
        except ValueError:
            return _status(WRONG_LENGTH)
        if command.cla & 0xEF:
            return _status(UNKNOWN_CLASS)
        if command.ins == GET_RESPONSE:
            return self._send(command.most)
        self.pending = b""
        if command.cla & 0x10:
            self.chained += command.data
            return _status(OK)
        data, self.chained = self.chained + command.data, b""
        status, self.pending = self._run(command, data)
        self.just_verified = command.ins == VERIFY and status == OK and bool(data)
        return self._send(command.most) if status == OK and self.pending else _status(status)

    def _send(self, most: int) -> bytes:
        # Clients in the field omit Le and expect an answer all the same, which cards send over T=1.
        most = most or 256
        part, self.pending = self.pending[:most], self.pending[most:]
        return part + _status(0x6100 | min(len(self.pending), 255) if self.pending else OK)

    def _run(self, command: Command, data: bytes) -> tuple[int, bytes]:
        if command.ins == SELECT:
            return self._select(command, data)
        if not self.selected:
            return UNKNOWN_INSTRUCTION, b""
        if command.ins == VERIFY:
            return self._verify(command, data), b""
        if command.ins == GET_DATA:
            return self._get_data(command, data)
        if command.ins == GENERAL_AUTHENTICATE:
            return self._sign(command, data)
        return UNKNOWN_INSTRUCTION, b""

    def _select(self, command: Command, data: bytes) -> tuple[int, bytes]:
        if (command.p1, command.p2) != (4, 0):
            return WRONG_PARAMETERS, b""
        if not self.applet_present or len(data) < len(ISSUER_AID) or not AID.startswith(data):
            return NOT_FOUND, b""
        self.selected = True
        allocation = tlv(0x4F, AID[:5])
        return OK, tlv(0x61, tlv(0x4F, AID[5:]) + tlv(0x79, allocation) + tlv(0x50, b"Toroku virtual PIV"))

    def _verify(self, command: Command, data: bytes) -> int:
        if command.p2 != 0x80:
            return REFERENCE_NOT_FOUND
        if command.p1 == 0xFF and not data:
            self.verified = False
            return OK
        if command.p1 != 0:
            return WRONG_PARAMETERS
        if not data:
            return OK if self.verified else self._tries_status()
        if len(data) != 8 or not data.rstrip(b"\xff").isdigit():
            return WRONG_DATA
        if self.tries_left == 0:
            return PIN_BLOCKED
        self.verified = data == self.pin.encode().ljust(8, b"\xff")
        self.tries_left = self.tries if self.verified else self.tries_left - 1
        return OK if self.verified else self._tries_status()

    def _tries_status(self) -> int:
        return TRIES_LEFT | self.tries_left if self.tries_left else PIN_BLOCKED

    def _get_data(self, command: Command, data: bytes) -> tuple[int, bytes]:
        if (command.p1, command.p2) != (0x3F, 0xFF):
            return WRONG_PARAMETERS, b""
        tags = dict(read_tlv(data))
        tag = tags.get(0x5C)
        if tag is None:
            return WRONG_DATA, b""
        content = self._object(tag)
        return (NOT_FOUND, b"") if content is None else (OK, content)

    def _object(self, tag: bytes) -> bytes | None:
        if tag == DISCOVERY:
            return tlv(0x7E, tlv(0x4F, AID) + tlv(0x5F2F, b"\x40\x00"))
        if tag == CHUID:
            # FASC-N of a non-federal issuer, GUID, expiry, an empty signature, error detection code.
            fasc_n = bytes.fromhex("D4E739DA739CED39CE739D836858210842108421384210C3F5")
            guid = UUID("6f4ac1f6-7bb0-4a0e-8a1c-3b0d3b6d9e51").bytes
            return tlv(0x53, tlv(0x30, fasc_n) + tlv(0x34, guid) + tlv(0x35, b"20491231") + tlv(0x3E, b"") + b"\xfe\0")
        retired = [slot for slot in self.certificates if slot in RETIRED_SLOTS]
        if tag == KEY_HISTORY and retired:
            return tlv(0x53, tlv(0xC1, bytes([len(retired)])) + tlv(0xC2, b"\0") + tlv(0xF3, b"") + tlv(0xFE, b""))
        if tag == CARD_CAPABILITIES:
            identifier = tlv(0xF0, bytes.fromhex("A000000116FF02") + bytes(14))
            versions = b"".join(tlv(number, value) for number, value in ((0xF1, b"\x21"), (0xF2, b"\x21"), (0xF3, b"")))
            rest = b"".join(tlv(number, b"") for number in (0xF4, 0xF6, 0xF7, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE))
            return tlv(0x53, identifier + versions + tlv(0xF5, b"\x10") + rest)
        for slot, certificate in self.certificates.items():
            if CERTIFICATE_OBJECTS[slot] == tag:
                der = certificate.public_bytes(serialization.Encoding.DER)
                is_compressed = slot in self.compressed
                content = gzip.compress(der) if is_compressed else der
                return tlv(0x53, tlv(0x70, content) + tlv(0x71, bytes([is_compressed])) + tlv(0xFE, b""))
        return None

    def _sign(self, command: Command, data: bytes) -> tuple[int, bytes]:
        slot, key = command.p2, self.keys.get(command.p2)
        if key is None:
            return REFERENCE_NOT_FOUND, b""
        if not (self.just_verified if slot == PIN_ALWAYS_SLOT else self.verified):
            return SECURITY_NOT_SATISFIED, b""
        try:
            template = dict(read_tlv(dict(read_tlv(data))[0x7C]))
            challenge = template[0x81]
        except (KeyError, ValueError):
            return WRONG_DATA, b""
        if template.get(0x82) != b"":
            return WRONG_DATA, b""
        if slot == KEY_MANAGEMENT_SLOT and isinstance(key, ec.EllipticCurvePrivateKey):
            # It agrees keys (SP 800-73-4 part 2, table 8), with another tag.
            return WRONG_DATA, b""
        if command.p1 != algorithm(key):
            return WRONG_PARAMETERS, b""
        if isinstance(key, rsa.RSAPrivateKey):
            if len(challenge) != key.key_size // 8:
                return WRONG_DATA, b""
            signature = _raw_rsa(key, challenge)
        else:
            digest = {32: hashes.SHA256(), 48: hashes.SHA384()}.get(len(challenge))
            if digest is None or len(challenge) != key.curve.key_size // 8:
                return WRONG_DATA, b""
            signature = key.sign(challenge, ec.ECDSA(utils.Prehashed(digest)))
        return OK, tlv(0x7C, tlv(0x82, signature))


def algorithm(key: Key) -> int:
    """Returns the identifier of SP 800-78-4, table 6-2: RSA-1024 (long withdrawn), RSA-2048, P-256, P-384.

    RSA-3072 is of SP 800-78-5, RSA-4096 of YubiKey's firmware 5.7.
    """
    if isinstance(key, rsa.RSAPrivateKey):
        return {1024: 0x06, 2048: 0x07, 3072: 0x05, 4096: 0x16}[key.key_size]
    return {256: 0x11, 384: 0x14}[key.curve.key_size]


def tlv(tag: int, value: bytes) -> bytes:
    """Encodes BER-TLV with a definite length (SP 800-73-4 part 2, 2.4)."""
    length = len(value)
    if length < 0x80:
        size = bytes([length])
    else:
        size = length.to_bytes((length.bit_length() + 7) // 8, "big")
        size = bytes([0x80 | len(size)]) + size
    return tag.to_bytes((tag.bit_length() + 7) // 8, "big") + size + value


def read_tlv(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields tags (one or two bytes) and values of the outermost level; raises ValueError for a wrong length."""
    position = 0
    while position < len(data):
        width = 2 if data[position] & 0x1F == 0x1F else 1
        tag = int.from_bytes(data[position : position + width], "big")
        position += width
        first, position = data[position : position + 1], position + 1
        if not first:
            raise ValueError("a length is missing")
        length = first[0]
        if length & 0x80:
            size, position = data[position : position + (length & 0x7F)], position + (length & 0x7F)
            length = int.from_bytes(size, "big")
        value, position = data[position : position + length], position + length
        if len(value) != length:
            raise ValueError("a value is cut off")
        yield tag, value


def _raw_rsa(key: rsa.RSAPrivateKey, block: bytes) -> bytes:
    # The private key operation alone, by the Chinese remainder theorem; the client pads (part 1, 3.2.4).
    numbers = key.private_numbers()
    value = int.from_bytes(block, "big")
    one, two = pow(value, numbers.dmp1, numbers.p), pow(value, numbers.dmq1, numbers.q)
    result = two + numbers.q * ((one - two) * numbers.iqmp % numbers.p)
    return result.to_bytes(len(block), "big")


def _status(status: int) -> bytes:
    return status.to_bytes(2, "big")

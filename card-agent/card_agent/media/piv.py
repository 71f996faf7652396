"""The PIV application (NIST SP 800-73-4, part 2) over any connection to a card. Knows nothing of readers.

Slot 9A, authentication: the PIN once, until the connection ends. Slot 9C, digital signature: the PIN right before
each signature. `verify_pin` before each `sign` serves both.
"""

import zlib
from collections.abc import Mapping, Sequence
from hashlib import new as new_hash

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from card_agent.media.rsa_padding import padded
from card_agent.media.smart_card import OK, SmartCardConnection, send
from card_agent.media.token import Pin, SignatureAlgorithm, TokenCertificate, key_not_supported, public_key
from refusals import Code, Refusal

SLOTS: Mapping[str, tuple[int, bytes]] = {
    "9A": (0x9A, bytes.fromhex("5FC105")),
    "9C": (0x9C, bytes.fromhex("5FC10A")),
}

_APPLICATION = bytes.fromhex("A00000030800001000")
_SELECT, _VERIFY, _GENERAL_AUTHENTICATE, _GET_DATA = 0xA4, 0x20, 0x87, 0xCB
_PIN_REFERENCE = 0x80
_NOT_FOUND, _SECURITY_NOT_SATISFIED, _PIN_BLOCKED = 0x6A82, 0x6982, 0x6983
_WRONG_LENGTH, _WRONG_DATA, _WRONG_PARAMETERS = 0x6700, 0x6A80, 0x6A86
_MOST_CERTIFICATE = 64 * 1024


class PivCard:
    """A token: a PIV card that was selected, with the one slot that is used. `select` makes it."""

    def __init__(self, connection: SmartCardConnection, slot: str = "9A") -> None:
        self._connection = connection
        self._slot = slot

    def select(self) -> None:
        """Selects the application. Raises CARD_NOT_SUPPORTED where it is another kind of card."""
        answer = send(self._connection, _SELECT, 0x04, 0x00, _APPLICATION, answered=True)
        if answer.status != OK:
            raise Refusal("CARD_NOT_SUPPORTED", metadata={"status": f"{answer.status:04X}"})

    def certificates(self) -> Sequence[TokenCertificate]:
        """The slot's certificate; PIV keeps no chain. Raises CARD_WITHOUT_CERTIFICATE, CERTIFICATE_MALFORMED."""
        _, container = SLOTS[self._slot]
        answer = send(self._connection, _GET_DATA, 0x3F, 0xFF, b"\x5c\x03" + container, answered=True)
        if answer.status == _NOT_FOUND:
            raise Refusal("CARD_WITHOUT_CERTIFICATE", Code.NOT_FOUND, {"slot": self._slot})
        if answer.status != OK:
            raise _failed(answer.status)
        return [TokenCertificate(_certificate(answer.data, self._slot), self._slot)]

    def pin_tries_left(self) -> int | None:
        """The tries left, which a VERIFY without data asks for; None on a card that does not say."""
        answer = send(self._connection, _VERIFY, 0x00, _PIN_REFERENCE)
        if answer.status & 0xFFF0 == 0x63C0:
            return answer.status & 0x0F
        return 0 if answer.status == _PIN_BLOCKED else None

    def verify_pin(self, pin: Pin) -> None:
        """Sends the PIN once, never again by itself: every wrong one costs a try.

        Raises CARD_PIN_FORM (the card has not seen it, or has not counted it), CARD_PIN_WRONG, CARD_PIN_BLOCKED.
        """
        encoded = pin.encode()
        # Some cards count a PIN of another length as a wrong one, so it is not sent at all.
        if not 6 <= len(encoded) <= 8 or not encoded.isascii():
            raise Refusal("CARD_PIN_FORM", Code.INVALID_ARGUMENT)
        self._connection.pin_was_sent = True
        answer = send(self._connection, _VERIFY, 0x00, _PIN_REFERENCE, encoded.ljust(8, b"\xff"))
        if answer.status == OK:
            return
        if answer.status == _PIN_BLOCKED or answer.status == 0x63C0:
            raise Refusal("CARD_PIN_BLOCKED")
        if answer.status & 0xFFF0 == 0x63C0:
            raise Refusal("CARD_PIN_WRONG", Code.PERMISSION_DENIED, {"tries_left": str(answer.status & 0x0F)})
        if answer.status in (_WRONG_DATA, _WRONG_LENGTH):
            raise Refusal("CARD_PIN_FORM", Code.INVALID_ARGUMENT)
        raise _failed(answer.status)

    def sign(self, certificate: TokenCertificate, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """The signature over `data`. Raises CARD_PIN_NOT_VERIFIED, CARD_KEY_NOT_SUPPORTED, CARD_FAILED."""
        reference, _ = SLOTS[certificate.slot]
        identifier, challenge = _challenge(certificate.certificate, data, algorithm)
        template = _tlv(0x7C, b"\x82\x00" + _tlv(0x81, challenge))
        answer = send(self._connection, _GENERAL_AUTHENTICATE, identifier, reference, template, answered=True)
        if answer.status == _SECURITY_NOT_SATISFIED:
            raise Refusal("CARD_PIN_NOT_VERIFIED")
        if answer.status in (_WRONG_PARAMETERS, _WRONG_DATA):
            raise key_not_supported(certificate.certificate.public_key())
        if answer.status != OK:
            raise _failed(answer.status)
        try:
            return _read(_read(answer.data)[0x7C])[0x82]
        except (KeyError, ValueError) as error:
            raise _failed(OK) from error


def _challenge(certificate: x509.Certificate, data: bytes, algorithm: SignatureAlgorithm) -> tuple[int, bytes]:
    # SP 800-78-4, table 6-2, and 05 for RSA-3072 from SP 800-78-5; weaker keys are not asked to sign at all.
    key = public_key(certificate)
    kind = algorithm.value.partition("_")[0]
    if isinstance(key, rsa.RSAPublicKey) and kind == "RSA" and key.key_size in (2048, 3072):
        return {2048: 0x07, 3072: 0x05}[key.key_size], padded(data, algorithm, key.key_size)
    curves = {"secp256r1": (0x11, "sha256"), "secp384r1": (0x14, "sha384")}
    if isinstance(key, ec.EllipticCurvePublicKey) and kind == "ECDSA" and key.curve.name in curves:
        identifier, name = curves[key.curve.name]
        # SP 800-78-4, table 3-2: each curve has its own hash, and the card takes a digest of the curve's length only.
        if algorithm.hash_name == name:
            return identifier, new_hash(name, data).digest()
    raise key_not_supported(key)


def _certificate(container: bytes, slot: str) -> x509.Certificate:
    try:
        parts = _read(_read(container)[0x53])
        der = parts.get(0x70, b"")
        if not der:
            raise Refusal("CARD_WITHOUT_CERTIFICATE", Code.NOT_FOUND, {"slot": slot})
        # SP 800-73-4, part 1, appendix A: the lowest bit of CertInfo says that the certificate is compressed.
        if parts.get(0x71, b"\0")[:1] not in (b"\0", b""):
            der = zlib.decompressobj(wbits=31).decompress(der, _MOST_CERTIFICATE)
        return x509.load_der_x509_certificate(der)
    except (KeyError, ValueError, zlib.error) as error:
        raise Refusal("CERTIFICATE_MALFORMED", Code.INVALID_ARGUMENT, {"part": slot}) from error


def _tlv(tag: int, value: bytes) -> bytes:
    length = len(value)
    if length < 0x80:
        return bytes([tag, length]) + value
    size = length.to_bytes(2 if length > 0xFF else 1, "big")
    return bytes([tag, 0x80 | len(size)]) + size + value


def _read(data: bytes) -> dict[int, bytes]:
    parts: dict[int, bytes] = {}
    position = 0
    while position < len(data):
        tag, position = data[position], position + 1
        if position >= len(data):
            raise ValueError("a length is missing")
        length, position = data[position], position + 1
        if length & 0x80:
            width = length & 0x7F
            length, position = int.from_bytes(data[position : position + width], "big"), position + width
        if position + length > len(data):
            raise ValueError("a value is cut off")
        parts[tag] = data[position : position + length]
        position += length
    return parts


def _failed(status: int) -> Refusal:
    return Refusal("CARD_FAILED", Code.INTERNAL, {"code": f"{status:04X}"})

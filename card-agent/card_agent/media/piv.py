"""The PIV application (NIST SP 800-73-4, part 2) over any connection to a card; independent of readers.

Slots 9A (authentication) and 9D (key management) need the PIN once per connection, slot 9C (digital signature)
immediately before each signature. `verify_pin` before each `sign` satisfies all. By the standard an elliptic key in 9D
agrees keys and signs nothing; a card says so itself, because some sign with it all the same.
"""

import contextlib
import zlib
from collections.abc import Mapping, Sequence
from enum import IntEnum
from hashlib import new as new_hash
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from card_agent.media.certificate_der import load_certificate
from card_agent.media.issuers import list_issuers
from card_agent.media.rsa_padding import encode_message
from card_agent.media.smart_card import Instruction, SmartCardConnection, StatusWord, send
from card_agent.media.token import Pin, TokenCertificate, public_key, refuse_key
from refusals import Code, Refusal
from signed_acts.signature import SignatureAlgorithm


class Slot(NamedTuple):
    """A key of a PIV card: its reference, and the data object with its certificate (SP 800-73-4, part 1)."""

    key_reference: int
    certificate_object: bytes


SLOTS: Mapping[str, Slot] = {
    "9A": Slot(0x9A, bytes.fromhex("5FC105")),
    "9C": Slot(0x9C, bytes.fromhex("5FC10A")),
    "9D": Slot(0x9D, bytes.fromhex("5FC10B")),
}
# Retired keys, where cards keep the certificates of their issuers, and the object that tells how many of them it has:
# the first certificate has the number after that object's (SP 800-73-4, part 1, 3.3.3 and table 3).
_KEY_HISTORY = bytes.fromhex("5FC10C")
_MOST_RETIRED = 20
# SP 800-73-4, part 1, 2.2: NIST's RID, and the PIX of PIV without its version.
PIV_APPLICATION_ID = bytes.fromhex("A00000030800001000")

_PIN_REFERENCE = 0x80
_PIN_LENGTHS = range(6, 9)
_MOST_CERTIFICATE_BYTES = 64 * 1024
# RFC 1952, 2.3.1. A certificate in DER begins with 30.
_GZIP = b"\x1f\x8b"


class _Tag(IntEnum):
    # SP 800-73-4, part 1, appendix A (certificates), and part 2, 3.2.4 (GENERAL AUTHENTICATE).
    DATA_OBJECT = 0x53
    TAG_LIST = 0x5C
    CERTIFICATE = 0x70
    AUTHENTICATION_TEMPLATE = 0x7C
    CHALLENGE = 0x81
    RESPONSE = 0x82
    CERTIFICATES_OF_RETIRED_KEYS = 0xC1


class _Algorithm(IntEnum):
    # SP 800-78-4, table 6-2; RSA-3072 comes from SP 800-78-5. RSA-4096 is in no standard; cards that have such keys
    # (YubiKey from 5.7) use this number.
    RSA_3072 = 0x05
    RSA_2048 = 0x07
    RSA_4096 = 0x16
    ECC_P256 = 0x11
    ECC_P384 = 0x14


class PivCard:
    """A token: a PIV card and the slots to use, in order of preference. `select` has to come first."""

    # Only who uses this application counts down its tries.
    tries_are_shared = False

    def __init__(self, connection: SmartCardConnection, slots: Sequence[str] = tuple(SLOTS)) -> None:
        self._connection = connection
        self._slots = slots

    def select(self) -> None:
        """Selects the application. Raises CARD_NOT_SUPPORTED for a card without it."""
        response = send(self._connection, Instruction.SELECT, 0x04, 0x00, PIV_APPLICATION_ID, expects_data=True)
        if response.status != StatusWord.SUCCESS:
            raise Refusal("CARD_NOT_SUPPORTED", metadata={"status": f"{response.status:04X}"})

    def certificates(self) -> Sequence[TokenCertificate]:
        """Returns the certificate of the first slot that has one, with its issuers' from the slots of retired keys.

        Where there is none, raises CERTIFICATE_MALFORMED for a malformed one, or else CARD_WITHOUT_CERTIFICATE.
        """
        malformed: Refusal | None = None
        for slot in self._slots:
            try:
                der = self._read_certificate(slot)
            except Refusal as refusal:
                if refusal.reason != "CERTIFICATE_MALFORMED":
                    raise
                malformed = malformed or refusal
            else:
                if der:
                    return [TokenCertificate(der, slot, list_issuers(der, self._read_retired()))]
        raise malformed or Refusal("CARD_WITHOUT_CERTIFICATE", Code.NOT_FOUND, {"slot": ", ".join(self._slots)})

    def list_unusable(self) -> Sequence[tuple[TokenCertificate, Refusal]]:
        """Returns nothing: whatever PIV has a certificate for may sign here."""
        return ()

    def _read_certificate(self, slot: str) -> bytes:
        """Returns the certificate in a slot in DER; empty where there is none. Raises CERTIFICATE_MALFORMED."""
        container = self._read_object(SLOTS[slot].certificate_object)
        return b"" if container is None else _read_container(container, slot)

    def _read_retired(self) -> Sequence[bytes]:
        """Returns the certificates of retired keys in DER, as many as the card says and are readable."""
        try:
            history = _parse_tlv(_parse_tlv(self._read_object(_KEY_HISTORY) or b"")[_Tag.DATA_OBJECT])
            count = int.from_bytes(history[_Tag.CERTIFICATES_OF_RETIRED_KEYS], "big")
        except (KeyError, ValueError):
            return ()
        first = int.from_bytes(_KEY_HISTORY, "big") + 1
        found: list[bytes] = []
        for number in range(first, first + min(count, _MOST_RETIRED)):
            # One that is missing or malformed is no reason to refuse the card.
            with contextlib.suppress(KeyError, ValueError, zlib.error):
                found.append(_open_container(self._read_object(number.to_bytes(3, "big")) or b""))
        return [der for der in found if der]

    def _read_object(self, tag: bytes) -> bytes | None:
        """Returns a data object; None where the card has none."""
        tag_list = _encode_tlv(_Tag.TAG_LIST, tag)
        response = send(self._connection, Instruction.GET_DATA, 0x3F, 0xFF, tag_list, expects_data=True)
        if response.status == StatusWord.NOT_FOUND:
            return None
        if response.status != StatusWord.SUCCESS:
            raise _failed(response.status)
        return response.data

    def pin_tries_left(self) -> int | None:
        """Returns the tries left, from a VERIFY without data; None for a card that does not report them."""
        response = send(self._connection, Instruction.VERIFY, 0x00, _PIN_REFERENCE)
        return 0 if response.status == StatusWord.AUTHENTICATION_METHOD_BLOCKED else response.tries_left

    def verify_pin(self, pin: Pin) -> None:
        """Sends the PIN exactly once: every wrong one costs a try.

        Raises CARD_PIN_FORM (not sent to the card, or not counted by it), CARD_PIN_WRONG, CARD_PIN_WRONG_UNCOUNTED (by
        a card that does not report the tries left), CARD_PIN_BLOCKED.
        """
        encoded = pin.encode()
        # Some cards count a PIN of another length as a wrong one, so it is not sent.
        if len(encoded) not in _PIN_LENGTHS or not encoded.isascii():
            raise _wrong_form()
        self._connection.pin_was_sent = True
        response = send(self._connection, Instruction.VERIFY, 0x00, _PIN_REFERENCE, encoded.ljust(8, b"\xff"))
        if response.status == StatusWord.SUCCESS:
            return
        if response.status == StatusWord.AUTHENTICATION_METHOD_BLOCKED or response.tries_left == 0:
            raise Refusal("CARD_PIN_BLOCKED")
        if response.tries_left is not None:
            raise Refusal("CARD_PIN_WRONG", Code.PERMISSION_DENIED, {"tries_left": str(response.tries_left)})
        if response.status & 0xFF00 == StatusWord.VERIFICATION_FAILED:
            raise Refusal("CARD_PIN_WRONG_UNCOUNTED", Code.PERMISSION_DENIED)
        if response.status in (StatusWord.WRONG_DATA, StatusWord.WRONG_LENGTH):
            raise _wrong_form()
        raise _failed(response.status)

    def sign(self, certificate: TokenCertificate, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Returns the signature over `data`. Raises CARD_PIN_NOT_VERIFIED, CARD_KEY_NOT_SUPPORTED, CARD_FAILED."""
        reference = SLOTS[certificate.slot].key_reference
        identifier, challenge = _make_challenge(certificate.certificate, data, algorithm)
        # An empty response object asks for the response.
        parts = _encode_tlv(_Tag.RESPONSE, b"") + _encode_tlv(_Tag.CHALLENGE, challenge)
        template = _encode_tlv(_Tag.AUTHENTICATION_TEMPLATE, parts)
        response = send(
            self._connection, Instruction.GENERAL_AUTHENTICATE, identifier, reference, template, expects_data=True
        )
        if response.status == StatusWord.SECURITY_STATUS_NOT_SATISFIED:
            raise Refusal("CARD_PIN_NOT_VERIFIED")
        if response.status in (StatusWord.WRONG_PARAMETERS, StatusWord.WRONG_DATA):
            raise refuse_key(certificate.certificate.public_key())
        if response.status != StatusWord.SUCCESS:
            raise _failed(response.status)
        try:
            return _parse_tlv(_parse_tlv(response.data)[_Tag.AUTHENTICATION_TEMPLATE])[_Tag.RESPONSE]
        except (KeyError, ValueError) as error:
            raise _failed(response.status) from error


def _make_challenge(certificate: x509.Certificate, data: bytes, algorithm: SignatureAlgorithm) -> tuple[int, bytes]:
    """Returns the algorithm identifier and the bytes that the card signs; weaker keys do not sign at all."""
    key = public_key(certificate)
    kind = algorithm.value.partition("_")[0]
    rsa_algorithms = {2048: _Algorithm.RSA_2048, 3072: _Algorithm.RSA_3072, 4096: _Algorithm.RSA_4096}
    if isinstance(key, rsa.RSAPublicKey) and kind == "RSA" and key.key_size in rsa_algorithms:
        return rsa_algorithms[key.key_size], encode_message(data, algorithm, key.key_size)
    curves = {"secp256r1": (_Algorithm.ECC_P256, "sha256"), "secp384r1": (_Algorithm.ECC_P384, "sha384")}
    if isinstance(key, ec.EllipticCurvePublicKey) and kind == "ECDSA" and key.curve.name in curves:
        identifier, name = curves[key.curve.name]
        # SP 800-78-4, table 3-2: each curve has its own hash, and the card accepts only a digest of the curve's length.
        if algorithm.hash_name == name:
            return identifier, new_hash(name, data).digest()
    raise refuse_key(key)


def _read_container(container: bytes, slot: str) -> bytes:
    try:
        return _open_container(container)
    except (KeyError, ValueError, zlib.error) as error:
        raise Refusal("CERTIFICATE_MALFORMED", Code.INVALID_ARGUMENT, {"part": slot}) from error


def _open_container(container: bytes) -> bytes:
    """Returns the certificate in a data object, empty where there is none. Raises KeyError, ValueError, zlib.error."""
    der = _parse_tlv(_parse_tlv(container)[_Tag.DATA_OBJECT]).get(_Tag.CERTIFICATE, b"")
    # CertInfo should tell whether the certificate is compressed (SP 800-73-4, part 1, appendix A), but its other
    # bits had other meanings in earlier versions, and some cards have them the wrong way round.
    if der.startswith(_GZIP):
        der = zlib.decompressobj(wbits=31).decompress(der, _MOST_CERTIFICATE_BYTES)
    if der:
        load_certificate(der)
    return der


def _encode_tlv(tag: int, value: bytes) -> bytes:
    length = len(value)
    if length < 0x80:
        return bytes([tag, length]) + value
    size = length.to_bytes(2 if length > 0xFF else 1, "big")
    return bytes([tag, 0x80 | len(size)]) + size + value


def _parse_tlv(data: bytes) -> dict[int, bytes]:
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


def _wrong_form() -> Refusal:
    lengths = {"least": str(_PIN_LENGTHS.start), "most": str(_PIN_LENGTHS.stop - 1)}
    return Refusal("CARD_PIN_FORM", Code.INVALID_ARGUMENT, lengths)


def _failed(status: int) -> Refusal:
    return Refusal("CARD_FAILED", Code.INTERNAL, {"code": f"{status:04X}"})

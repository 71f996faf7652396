"""The application of the 公的個人認証サービス (JPKI) on a My Number card, over any connection to a card.

It is found by its AID and not by the card's ATR, of which there are several. The key for signatures (署名用) signs
here; its certificate is readable only after its PIN, whose tries all other uses of the card count down, too. The key
for authentication (利用者証明用) identifies a person to web sites and does not sign here.

The facts are those of OpenSC's driver (card-jpki.c, pkcs15-jpki.c), which the virtual card is tested with.
"""

import re
from collections.abc import Sequence
from enum import IntEnum

from cryptography.hazmat.primitives.asymmetric import rsa

from card_agent.media.certificate_der import load_certificate
from card_agent.media.rsa_padding import encode_digest_info
from card_agent.media.smart_card import Instruction, Response, SmartCardConnection, StatusWord, send
from card_agent.media.token import Pin, TokenCertificate, public_key, refuse_key
from refusals import Code, Refusal
from signed_acts.signature import SignatureAlgorithm

JPKI_APPLICATION_ID = bytes.fromhex("D392F000260100000001")

# Slots of certificates; a card has one key for each.
SIGNATURE, AUTHENTICATION = "署名用", "利用者証明用"


class _File(IntEnum):
    SIGNATURE_CERTIFICATE = 0x0001
    SIGNATURE_ISSUER = 0x0002
    AUTHENTICATION_CERTIFICATE = 0x000A
    SIGNATURE_KEY = 0x001A
    SIGNATURE_PIN = 0x001B


# SELECT: by name or by file, without an answer but the status word.
_BY_NAME, _BY_FILE, _NO_ANSWER = 0x04, 0x02, 0x0C
_PIN_REFERENCE = 0x80
_BLOCKED = {StatusWord.AUTHENTICATION_METHOD_BLOCKED, StatusWord.REFERENCE_DATA_NOT_USABLE}
# COMPUTE DIGITAL SIGNATURE is not that of ISO 7816-8: another class, and the key is the file that was selected.
_JPKI_CLASS, _SIGN, _WITH_SELECTED_KEY = 0x80, 0x00, 0x80
# 署名用パスワード: half-width digits and capital letters.
_PIN_FORM = re.compile(rb"[0-9A-Z]{6,16}")
_KEY_BITS = 2048
# A SEQUENCE whose length has two bytes, as that of every certificate.
_LONG_SEQUENCE, _HEADER_BYTES = b"\x30\x82", 4
# READ BINARY with an offset reaches no further (ISO 7816-4, 11.3.3).
_MOST_BYTES = 0x8000
_EMPTY = {bytes(_HEADER_BYTES), b"\xff" * _HEADER_BYTES}


class JpkiCard:
    """A token: a My Number card. `select` has to come first, and `verify_pin` before `certificates`."""

    # The same tries serve every other use of the certificate for signatures: e-Tax, offices, other programs.
    tries_are_shared = True

    def __init__(self, connection: SmartCardConnection) -> None:
        self._connection = connection

    def select(self) -> None:
        """Selects the application. Raises CARD_NOT_SUPPORTED for a card without it."""
        response = send(self._connection, Instruction.SELECT, _BY_NAME, _NO_ANSWER, JPKI_APPLICATION_ID)
        if response.status != StatusWord.SUCCESS:
            raise Refusal("CARD_NOT_SUPPORTED", metadata={"status": f"{response.status:04X}"})

    def certificates(self) -> Sequence[TokenCertificate]:
        """Returns the certificate for signatures, with its issuer's.

        Raises CARD_PIN_NOT_VERIFIED before `verify_pin`, CARD_WITHOUT_CERTIFICATE for a card that was issued without
        it, CERTIFICATE_MALFORMED.
        """
        der = self._read_certificate(_File.SIGNATURE_CERTIFICATE, SIGNATURE)
        if not der:
            raise Refusal("CARD_WITHOUT_CERTIFICATE", Code.NOT_FOUND, {"slot": SIGNATURE})
        issuer = self.read_issuer()
        return [TokenCertificate(der, SIGNATURE, (issuer,) if issuer else ())]

    def read_issuer(self) -> bytes:
        """Returns the certificate of the CA for signatures, which is readable without a PIN; empty where it is missing.

        Raises CERTIFICATE_MALFORMED.
        """
        return self._read_certificate(_File.SIGNATURE_ISSUER, SIGNATURE)

    def list_unusable(self) -> Sequence[tuple[TokenCertificate, Refusal]]:
        """Returns the certificate for authentication, which is readable without a PIN, and that it does not sign."""
        der = self._read_certificate(_File.AUTHENTICATION_CERTIFICATE, AUTHENTICATION)
        refusal = Refusal("CARD_KEY_NOT_FOR_SIGNATURES")
        return [(TokenCertificate(der, AUTHENTICATION), refusal)] if der else []

    def pin_tries_left(self) -> int | None:
        """Returns the tries left of the signatures' PIN, from a VERIFY without data."""
        self._select_file(_File.SIGNATURE_PIN)
        response = send(self._connection, Instruction.VERIFY, 0x00, _PIN_REFERENCE)
        return 0 if response.status in _BLOCKED else response.tries_left

    def verify_pin(self, pin: Pin) -> None:
        """Sends the PIN of the key for signatures exactly once: every wrong one costs a try, for all uses of the card.

        Raises MY_NUMBER_CARD_PIN_FORM (not sent to the card), MY_NUMBER_CARD_PIN_WRONG with `tries_left`,
        MY_NUMBER_CARD_BLOCKED.
        """
        encoded = pin.encode()
        if not _PIN_FORM.fullmatch(encoded):
            raise Refusal("MY_NUMBER_CARD_PIN_FORM", Code.INVALID_ARGUMENT)
        self._select_file(_File.SIGNATURE_PIN)
        self._connection.pin_was_sent = True
        response = send(self._connection, Instruction.VERIFY, 0x00, _PIN_REFERENCE, encoded)
        if response.status == StatusWord.SUCCESS:
            return
        if response.status in _BLOCKED or response.tries_left == 0:
            raise Refusal("MY_NUMBER_CARD_BLOCKED")
        if response.tries_left is not None:
            raise Refusal("MY_NUMBER_CARD_PIN_WRONG", Code.PERMISSION_DENIED, {"tries_left": str(response.tries_left)})
        raise _failed(response.status)

    def sign(self, certificate: TokenCertificate, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """Returns the signature over `data`. Raises CARD_PIN_NOT_VERIFIED, CARD_KEY_NOT_SUPPORTED, CARD_FAILED."""
        key = public_key(certificate.certificate)
        is_pkcs1 = algorithm.value.startswith("RSA_PKCS1V15")
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size != _KEY_BITS or not is_pkcs1:
            raise refuse_key(key)
        self._select_file(_File.SIGNATURE_KEY)
        # The card pads the DigestInfo itself.
        response = send(
            self._connection,
            Instruction.PERFORM_SECURITY_OPERATION,
            _SIGN,
            _WITH_SELECTED_KEY,
            encode_digest_info(data, algorithm),
            expects_data=True,
            class_byte=_JPKI_CLASS,
        )
        if response.status == StatusWord.SECURITY_STATUS_NOT_SATISFIED:
            raise Refusal("CARD_PIN_NOT_VERIFIED")
        if response.status != StatusWord.SUCCESS:
            raise _failed(response.status)
        return response.data

    def _select_file(self, file: _File) -> None:
        response = self._try_to_select(file)
        if response.status != StatusWord.SUCCESS:
            raise _failed(response.status)

    def _try_to_select(self, file: _File) -> Response:
        return send(self._connection, Instruction.SELECT, _BY_FILE, _NO_ANSWER, file.to_bytes(2, "big"))

    def _read_certificate(self, file: _File, slot: str) -> bytes:
        """Returns a certificate in DER; empty where there is none. Raises CARD_PIN_NOT_VERIFIED, CERTIFICATE_MALFORMED.

        The file is longer than the certificate, whose first bytes tell its length.
        """
        response = self._try_to_select(file)
        if response.status == StatusWord.NOT_FOUND:
            return b""
        if response.status != StatusWord.SUCCESS:
            raise _failed(response.status)
        der = self._read_block(0)
        if der[:_HEADER_BYTES] in _EMPTY:
            return b""
        if len(der) < _HEADER_BYTES or der[:2] != _LONG_SEQUENCE:
            raise Refusal("CERTIFICATE_MALFORMED", Code.INVALID_ARGUMENT, {"part": slot})
        length = _HEADER_BYTES + int.from_bytes(der[2:_HEADER_BYTES], "big")
        while len(der) < min(length, _MOST_BYTES) and (block := self._read_block(len(der))):
            der += block
        der = der[:length]
        try:
            load_certificate(der)
        except ValueError as error:
            raise Refusal("CERTIFICATE_MALFORMED", Code.INVALID_ARGUMENT, {"part": slot}) from error
        return der

    def _read_block(self, offset: int) -> bytes:
        """Returns at most 256 bytes of the file that is selected, none after its end."""
        high, low = offset.to_bytes(2, "big")
        response = send(self._connection, Instruction.READ_BINARY, high, low, expects_data=True)
        if response.status == StatusWord.SECURITY_STATUS_NOT_SATISFIED:
            raise Refusal("CARD_PIN_NOT_VERIFIED")
        if response.status == StatusWord.WRONG_OFFSET:
            return b""
        if response.status not in (StatusWord.SUCCESS, StatusWord.END_OF_FILE):
            raise _failed(response.status)
        return response.data


def _failed(status: int) -> Refusal:
    return Refusal("CARD_FAILED", Code.INTERNAL, {"code": f"{status:04X}"})

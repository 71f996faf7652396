"""The key of an officer on a card in a reader, by the card agent's drivers, which come with the extra `card`.

The PIN stays in memory until the command ends. The card gets it for the connection and for each act, and never again
after it refused it.
"""

import getpass
import threading
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from grpc import experimental

from operator_command.officer.asking import has_terminal
from operator_command.speech import Phrase, Speech
from refusals import Code, Refusal
from signed_acts.purpose import SignedPurpose
from signed_acts.signature import SignatureAlgorithm, prefix_purpose

if TYPE_CHECKING:
    from card_agent.media.token import Pin, TokenCertificate, TokenMedium

_QUESTION = Phrase("ICカードのPIN：", "PIN of the card: ")
_HANDSHAKES = {
    experimental.PrivateKeySignatureAlgorithm.ECDSA_SECP256R1_SHA256: SignatureAlgorithm.ECDSA_SHA256,
    experimental.PrivateKeySignatureAlgorithm.ECDSA_SECP384R1_SHA384: SignatureAlgorithm.ECDSA_SHA384,
    experimental.PrivateKeySignatureAlgorithm.RSA_PKCS1_SHA256: SignatureAlgorithm.RSA_PKCS1V15_SHA256,
    experimental.PrivateKeySignatureAlgorithm.RSA_PKCS1_SHA384: SignatureAlgorithm.RSA_PKCS1V15_SHA384,
    experimental.PrivateKeySignatureAlgorithm.RSA_PKCS1_SHA512: SignatureAlgorithm.RSA_PKCS1V15_SHA512,
    experimental.PrivateKeySignatureAlgorithm.RSA_PSS_RSAE_SHA256: SignatureAlgorithm.RSA_PSS_SHA256,
    experimental.PrivateKeySignatureAlgorithm.RSA_PSS_RSAE_SHA384: SignatureAlgorithm.RSA_PSS_SHA384,
    experimental.PrivateKeySignatureAlgorithm.RSA_PSS_RSAE_SHA512: SignatureAlgorithm.RSA_PSS_SHA512,
}


@dataclass(slots=True)
class CardKey:
    """A key on a card whose certificate was read, and whose PIN was verified."""

    medium: "TokenMedium"
    _certificate: "TokenCertificate"
    _pin: "Pin | None" = field(repr=False)
    failure: Refusal | None = None
    # gRPC asks for signatures in threads of its own.
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def certificate(self) -> bytes:
        """The certificate of the key, in DER."""
        return self._certificate.der

    def make_credentials(self, authorities: bytes) -> grpc.ChannelCredentials:
        """Returns the credentials of a channel over mTLS, whose handshakes the card signs."""
        chain = (self._certificate.der, *self._certificate.chain_der)
        pem = b"".join(x509.load_der_x509_certificate(each).public_bytes(Encoding.PEM) for each in chain)
        with warnings.catch_warnings():
            # The pinned version has it, and a test of ours connects by it.
            warnings.simplefilter("ignore", experimental.ExperimentalApiWarning)
            credentials: grpc.ChannelCredentials = experimental.ssl_channel_credentials_with_custom_signer(
                private_key_sign_fn=self._sign_handshake, root_certificates=authorities, certificate_chain=pem
            )
        return credentials

    def sign(self, purpose: bytes) -> SignedPurpose:
        """Returns an encoded purpose with the signature of the card. Raises the refusals of `Token`, CARD_CHANGED."""
        from card_agent.media.token import choose_algorithm

        algorithm = choose_algorithm(self._certificate.certificate)
        return SignedPurpose(purpose, algorithm, self._sign(prefix_purpose(purpose), algorithm))

    def _sign_handshake(self, data: bytes, algorithm: int, _: object) -> bytes:
        return self._sign(data, _HANDSHAKES[algorithm])

    def _sign(self, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        with self._lock:
            if self._pin is None:
                raise self.failure or Refusal("CARD_PIN_NOT_VERIFIED")
            try:
                with self.medium.open() as token:
                    # Another card may be in the reader by now; it must not get this PIN.
                    if all(found.der != self._certificate.der for found in token.certificates()):
                        raise Refusal("CARD_CHANGED", Code.ABORTED)
                    token.verify_pin(self._pin)
                    return token.sign(self._certificate, data, algorithm)
            except Refusal as refusal:
                # A handshake is tried again by itself, and each wrong PIN costs a try.
                self._pin, self.failure = None, refusal
                raise


def read_card_key(reader: str | None, slot: str | None, speech: Speech) -> CardKey:
    """Returns the key on the card in a reader, after its PIN was asked for and verified.

    Raises CARD_DRIVERS_MISSING, OFFICER_CARD_TERMINAL_MISSING, and the refusals of `TokenMedium.open` and of `Token`.
    """
    try:
        from card_agent.media.pcsc import CardInReader
    except ImportError:
        raise Refusal("CARD_DRIVERS_MISSING", Code.FAILED_PRECONDITION) from None
    medium = CardInReader(reader, slot and slot.upper()).identify()
    if medium.pin_before_reading:
        # A My Number card is a person's own, and no officer's.
        raise Refusal("CARD_NOT_SUPPORTED", metadata={"status": str(medium.application)})
    return unlock_card(medium, speech)


def unlock_card(medium: "TokenMedium", speech: Speech) -> CardKey:
    """Returns the key on a medium; raises as `read_card_key`."""
    from card_agent.media.token import Pin

    if not has_terminal():
        raise Refusal("OFFICER_CARD_TERMINAL_MISSING", Code.FAILED_PRECONDITION)
    with medium.open() as token:
        certificate = token.certificates()[0]
    pin = Pin(getpass.getpass(speech.say(_QUESTION)))
    with medium.open() as token:
        if all(found.der != certificate.der for found in token.certificates()):
            raise Refusal("CARD_CHANGED", Code.ABORTED)
        token.verify_pin(pin)
    return CardKey(medium, certificate, pin)

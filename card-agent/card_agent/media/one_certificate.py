"""A medium with several certificates, of which one was chosen: the others are not offered again."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from card_agent.media.token import Pin, Token, TokenCertificate, TokenMedium
from refusals import Code, Refusal
from signed_acts.signature import SignatureAlgorithm


@dataclass(frozen=True, slots=True)
class OneCertificate:
    """A token medium: another one, as if it had only the certificate `der`."""

    medium: TokenMedium
    der: bytes

    @property
    def pin_before_reading(self) -> bool:
        """As the other medium. Raises as its `open`."""
        return self.medium.pin_before_reading

    @contextlib.contextmanager
    def open(self) -> Iterator["TokenOfOneCertificate"]:
        """Opens the other medium. Raises as its `open`."""
        with self.medium.open() as token:
            yield TokenOfOneCertificate(token, self.der)


@dataclass(frozen=True, slots=True)
class TokenOfOneCertificate:
    """An open token of which only one certificate counts."""

    token: Token
    der: bytes

    def certificates(self) -> Sequence[TokenCertificate]:
        """Returns the chosen certificate. Raises CARD_CHANGED if it is not there any more."""
        found = [each for each in self.token.certificates() if each.der == self.der]
        if not found:
            raise Refusal("CARD_CHANGED", Code.ABORTED)
        return found

    def pin_tries_left(self) -> int | None:
        """As the token."""
        return self.token.pin_tries_left()

    def verify_pin(self, pin: Pin) -> None:
        """As the token."""
        self.token.verify_pin(pin)

    def sign(self, certificate: TokenCertificate, data: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """As the token."""
        return self.token.sign(certificate, data, algorithm)

"""The card of one operation: read once, and asked to sign what was shown. Each use finds it in the reader anew.

Between the uses the card is free for other programs, and it forgets the PIN each time. The person types it once: the
agent keeps it for the second signature of the same operation, and sends it to no other card than the one it read.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from card_agent.console import words
from card_agent.console.person import Person, Row
from card_agent.console.words import Words
from card_agent.media.token import Pin, Token, TokenCertificate, TokenMedium, usual_algorithm
from card_agent.signing.certificate import ShownCertificate, shown
from card_agent.signing.purpose import Expected, Purpose, check_purpose, read_purpose
from refusals import Code, Refusal
from toroku.certificate.v1 import resources_pb2

_Result = TypeVar("_Result")


@dataclass(slots=True)
class CardInUse:
    """A card whose certificate was read."""

    medium: TokenMedium
    person: Person
    certificate: TokenCertificate
    _pin: Pin | None = field(default=None, repr=False)

    def expected_purpose(self, encoded: bytes, expected: Expected) -> Purpose:
        """The purpose, if it is exactly what the person is doing with this card."""
        purpose = read_purpose(encoded)
        check_purpose(purpose, expected)
        return purpose

    async def sign(self, purpose: Purpose) -> resources_pb2.SignedPurpose:
        """The purpose with the card's signature. Asks for the PIN unless it is known, and again where that was wrong.

        Raises what a token raises, once the person does not want to try again.
        """
        while True:
            pin = self._pin or self.person.ask_pin(_pin_question(self.medium))
            try:
                work = partial(self._sign, pin=pin, purpose=purpose)
                signed = await _on_card(self.medium, self.person, work)
            except Refusal as refusal:
                if refusal.reason in _PIN_REFUSED:
                    self._pin = None
                if not self.person.again(refusal):
                    raise
            else:
                self._pin = pin
                return signed

    def _sign(self, token: Token, pin: Pin, purpose: Purpose) -> resources_pb2.SignedPurpose:
        if not self.medium.pin_before_reading:
            self._check_same(token)
        try:
            token.verify_pin(pin)
        except Refusal as refusal:
            raise _with_issuer(refusal, self.certificate) from refusal
        if self.medium.pin_before_reading:
            self._check_same(token)
        algorithm = usual_algorithm(self.certificate.certificate)
        return resources_pb2.SignedPurpose(
            purpose=purpose.encoded,
            algorithm=resources_pb2.SignatureAlgorithm.Value(f"SIGNATURE_ALGORITHM_{algorithm.value}"),
            signature=token.sign(self.certificate, purpose.to_be_signed, algorithm),
        )

    def _check_same(self, token: Token) -> None:
        # Somebody may have changed the card; another one must neither sign nor see this PIN, which would cost a try.
        if all(found.der != self.certificate.der for found in token.certificates()):
            raise Refusal("CARD_CHANGED", Code.ABORTED)


async def read_card(medium: TokenMedium, person: Person) -> CardInUse:
    """The card that is there now, for one operation. Raises what a token raises, once the person gives up."""
    while True:
        pin = person.ask_pin(_pin_question(medium)) if medium.pin_before_reading else None
        try:
            certificate = await _on_card(medium, person, partial(_read, pin=pin))
        except Refusal as refusal:
            if not person.again(refusal):
                raise
        else:
            return CardInUse(medium, person, certificate, pin)


def certificate_rows(certificate: ShownCertificate) -> list[Row]:
    """The certificate as it is shown (CRD-04)."""
    missing = str(words.NOT_IN_CERTIFICATE)
    return [
        (words.CARD_COMPANY_NAME, certificate.company_name or missing),
        (words.CARD_COMPANY_ADDRESS, certificate.company_address or missing),
        (words.HOLDER_NAME, certificate.holder_name or missing),
        (words.HOLDER_ADDRESS, certificate.holder_address or missing),
        (words.SERIAL, str(certificate.serial)),
        (words.ISSUER, certificate.issuer),
        (words.EXPIRY, certificate.expiry_date),
    ]


def purpose_rows(purpose: Purpose) -> list[Row]:
    """All that a purpose says but its lines; nothing is left out and nothing put in."""
    rows: list[Row] = [
        (words.INSTANCE, purpose.instance),
        (words.TYPE, str(words.TYPE_NAMES[purpose.type])),
        (words.OPERATION, str(words.OPERATION_NAMES[purpose.operation])),
        (words.ROLE, str(words.ROLE_NAMES[purpose.role])),
        (words.CHOOSE_AGENCY, purpose.agency),
        (words.CHOOSE_CATEGORY, purpose.category),
        (words.CERTIFICATE_SHA256, purpose.certificate_sha256.hex()),
        (words.NONCE, purpose.nonce.hex()),
    ]
    if purpose.lines:
        rows += [
            (words.BIDDER_ID, purpose.bidder_id),
            (words.REQUEST_ID, purpose.request_id),
            (words.REQUEST_SHA256, purpose.request_sha256.hex()),
        ]
    return rows


def read_certificate(token: Token, pin: Pin | None = None) -> tuple[TokenCertificate, int | None]:
    """The certificate and the PIN tries left, which are asked for without using one."""
    return _read(token, pin), token.pin_tries_left()


def show_certificate(person: Person, certificate: TokenCertificate, tries_left: int | None) -> None:
    """Shows a certificate as `card-agent show` does."""
    rows = certificate_rows(shown(certificate.certificate))
    if tries_left is not None:
        rows.append((words.TRIES_LEFT, str(tries_left)))
    person.show(words.CARD, rows)


_PIN_REFUSED = {"CARD_PIN_WRONG", "CARD_PIN_BLOCKED", "CARD_PIN_FORM", "CARD_FILE_PASSWORD_WRONG"}


def _pin_question(medium: TokenMedium) -> Words:
    return words.ASK_FILE_PASSWORD if medium.pin_before_reading else words.ASK_PIN


def _read(token: Token, pin: Pin | None) -> TokenCertificate:
    if pin is not None:
        token.verify_pin(pin)
    return token.certificates()[0]


def _with_issuer(refusal: Refusal, certificate: TokenCertificate) -> Refusal:
    # Who can unblock a card is its CA, so the words name it.
    issuer = certificate.certificate.issuer.rfc4514_string()
    return Refusal(refusal.reason, refusal.code, {**refusal.metadata, "issuer": issuer}, refusal.violations)


async def _on_card(medium: TokenMedium, person: Person, work: Callable[[Token], _Result]) -> _Result:
    """Does the work in a thread, because cards block, with the screen saying so."""

    def hold() -> _Result:
        with medium.open() as token:
            return work(token)

    with person.busy(words.BUSY):
        return await asyncio.to_thread(hold)

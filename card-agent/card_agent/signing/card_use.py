"""The card of one operation: its certificate is read once, then it signs the purposes shown to the person.

Each use connects to the card anew. Between uses the card is free for other programs and has forgotten the PIN. The
person types the PIN once: the agent keeps it for the operation's second signature, and sends it only to the same card.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from card_agent.console import words
from card_agent.console.person import Option, Person, Row
from card_agent.console.place import Place
from card_agent.console.retries import Retry, wants_retry
from card_agent.console.words import Words
from card_agent.media.pcsc import CardApplication, CardInReader
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import Pin, Token, TokenCertificate, TokenMedium
from card_agent.signing.act_lines import pair_lines
from card_agent.signing.certificate import ShownCertificate, describe_certificate
from card_agent.signing.purpose import ExpectedPurpose, ShownPurpose, check_purpose, read_purpose
from card_agent.signing.signature import PIN_REASONS, PIN_WRONG, sign_purpose
from refusals import Refusal
from signed_acts.purpose import Role
from toroku.act.v1 import signed_purpose_pb2
from toroku.frontdoor.v1 import front_door_pb2

_Result = TypeVar("_Result")

# Seconds for which Ctrl-C may have to wait.
_JOIN_SECONDS = 0.2


@dataclass(slots=True)
class SigningCard:
    """A card whose certificate has been read, and its role among the cards of the operation."""

    medium: TokenMedium
    person: Person
    certificate: TokenCertificate
    _pin: Pin | None = field(default=None, repr=False)
    role: Role = Role.SOLE
    # The PIN of another card, of which the person says that it is this one's too. It is sent once at most.
    trial_pin: Pin | None = field(default=None, repr=False)

    def accept_purpose(self, encoded: bytes, expected: ExpectedPurpose) -> ShownPurpose:
        """Returns the purpose if it is the expected one; raises the refusals of `read_purpose` and `check_purpose`."""
        purpose = read_purpose(encoded)
        check_purpose(purpose, expected)
        return purpose

    def sign(self, purpose: ShownPurpose) -> signed_purpose_pb2.SignedPurpose:
        """Returns the purpose with the card's signature. Asks for the PIN if it is not known yet or was wrong.

        Raises the token's refusals unless the person wants to try again.
        """
        while True:
            # Forgotten before it is sent: a card that is pulled in the middle may have counted a try.
            trial_pin, self.trial_pin = self.trial_pin, None
            pin = trial_pin or self._pin or ask_pin(self.person, self.medium, self.role)
            try:
                work = partial(self._sign, pin=pin, purpose=purpose)
                signed_purpose = use_card(self.medium, self.person, work)
            except Refusal as refusal:
                if refusal.reason in PIN_REASONS:
                    self._pin = None
                if trial_pin is not None and refusal.reason in PIN_WRONG:
                    # The person did not type it for this card, and types it now.
                    self.person.show_refusal(refusal)
                elif not wants_retry(self.person, refusal, Retry.CARD):
                    raise
            else:
                self._pin = pin
                return signed_purpose

    def forget_pin(self) -> None:
        """Has the PIN asked for again at the next signature."""
        self._pin = None

    def try_pin(self, pin: Pin | None) -> None:
        """Takes the PIN of another card, to be sent once; not where this card's own was typed already."""
        if self._pin is None:
            self.trial_pin = pin

    def hand_over_pin(self) -> Pin | None:
        """Returns the PIN that the card took, and forgets it; for another card, as its `trial_pin` (REN-01)."""
        pin, self._pin = self._pin, None
        return pin

    def _sign(self, token: Token, pin: Pin, purpose: ShownPurpose) -> signed_purpose_pb2.SignedPurpose:
        signed = sign_purpose(token, self.certificate, pin, purpose, pin_first=self.medium.pin_before_reading)
        return signed_purpose_pb2.SignedPurpose(
            purpose=signed.purpose,
            algorithm=signed_purpose_pb2.SignatureAlgorithm.Value(f"SIGNATURE_ALGORITHM_{signed.algorithm.value}"),
            signature=signed.signature,
        )


def read_card(medium: TokenMedium, person: Person, role: Role = Role.SOLE) -> SigningCard:
    """Returns the card in the reader now, for one operation; of several certificates the person chooses one.

    Raises the token's refusals unless the person retries.
    """
    while True:
        try:
            return read_card_once(medium, person, role)
        except Refusal as refusal:
            if not wants_retry(person, refusal, Retry.CARD):
                raise


def read_card_once(medium: TokenMedium, person: Person, role: Role) -> SigningCard:
    """Returns the card as `read_card`, without another try."""
    if isinstance(medium, CardInReader):
        medium = do_busily(person, medium.identify)
    pin = ask_pin(person, medium, role) if medium.pin_before_reading else None
    certificates = use_card(medium, person, partial(list_certificates, pin=pin))
    return SigningCard(medium, person, _choose_certificate(certificates, person), pin, role)


def ask_pin(person: Person, medium: TokenMedium, role: Role) -> Pin:
    """Returns the PIN of a card, or the password of a file; of two cards the question says which one's."""
    questions = _PIN_QUESTIONS
    if is_file(medium):
        questions = _FILE_QUESTIONS
    elif is_my_number_card(medium):
        questions = _MY_NUMBER_QUESTIONS
        show_shared_tries(person, use_card(medium, person, lambda token: token.pin_tries_left()))
    return person.ask_pin(questions[role], of_new_card=role is Role.NEW)


def is_file(medium: TokenMedium) -> bool:
    """Returns whether the medium is a file, in whose place never comes another one."""
    return isinstance(medium, Pkcs12File)


def is_my_number_card(medium: TokenMedium) -> bool:
    """Returns whether the medium was identified as a My Number card."""
    return isinstance(medium, CardInReader) and medium.application is CardApplication.JPKI


def show_shared_tries(person: Person, tries_left: int | None) -> None:
    """Shows the tries left of a My Number card, which its other uses count down too."""
    if tries_left is not None:
        person.show(words.MY_NUMBER_CARD, [(words.SHARED_TRIES_LEFT, str(tries_left))])


# Everything that a certificate says of company and person, and both forms of its serial number.
_WHOLE_DISPLAY = front_door_pb2.CardDisplay(
    fields=["company_name", "company_address", "holder_name", "holder_address"],
    serial_decimal=True,
    serial_hexadecimal=True,
)
_HOLDER_LABELS = {
    "company_name": words.CARD_COMPANY_NAME,
    "company_address": words.CARD_COMPANY_ADDRESS,
    "holder_name": words.HOLDER_NAME,
    "holder_address": words.HOLDER_ADDRESS,
}


def choose_display(category: front_door_pb2.Category) -> front_door_pb2.CardDisplay:
    """Returns what the category shows of a certificate; all of it if it does not say."""
    return category.card_display if category.HasField("card_display") else _WHOLE_DISPLAY


def list_certificate_rows(
    certificate: ShownCertificate, display: front_door_pb2.CardDisplay = _WHOLE_DISPLAY
) -> list[Row]:
    """Returns the rows in which a certificate is shown (CRD-04), with what the category displays; all by default."""
    return [*list_holder_rows(certificate, display), *list_identity_rows(certificate, display)]


def list_identity_rows(certificate: ShownCertificate, display: front_door_pb2.CardDisplay) -> list[Row]:
    """Returns the rows with serial number, issuer and expiry of a certificate."""
    return [
        (words.SERIAL, _write_serial(certificate, display)),
        (words.ISSUER, certificate.issuer),
        (words.EXPIRY, certificate.expiry_date),
    ]


def list_holder_rows(certificate: ShownCertificate, display: front_door_pb2.CardDisplay) -> list[Row]:
    """Returns the rows with what a certificate says of company and person."""
    values = {
        "company_name": certificate.company_name,
        "company_address": certificate.company_address,
        "holder_name": certificate.holder_name,
        "holder_address": certificate.holder_address,
    }
    return [
        (_HOLDER_LABELS[name], values[name] or words.NOT_IN_CERTIFICATE)
        for name in display.fields
        if name in _HOLDER_LABELS
    ]


def list_purpose_rows(purpose: ShownPurpose, place: Place) -> list[Row]:
    """Returns what a purpose is for, by the names of its place, and by its codes where the place is not known."""
    content = purpose.content
    agency = place.fill(Words("{agency_ja}", "{agency_en}")) if place.agency else content.agency
    category = place.fill(Words("{category_ja}", "{category_en}")) if place.category else content.category
    rows: list[Row] = [
        (words.TYPE, _name_type(purpose)),
        *([(words.CHOOSE_AGENCY, agency)] if agency is not None else []),
        *([(words.CHOOSE_CATEGORY, category)] if category is not None else []),
    ]
    if content.act is not None:
        rows.append((place.bidder_id_label, content.bidder_id or ""))
    return rows


def list_purpose_values(purpose: ShownPurpose, place: Place) -> list[Row]:
    """Returns all values of a purpose except its lines, with nothing omitted or added."""
    content = purpose.content
    rows: list[Row] = [
        (words.INSTANCE, content.instance),
        (words.TYPE, _name_type(purpose)),
        (words.OPERATION, words.OPERATION_NAMES[content.operation]),
        (words.ROLE, words.ROLE_NAMES[content.role]),
        *([(words.CHOOSE_AGENCY, content.agency)] if content.agency is not None else []),
        *([(words.CHOOSE_CATEGORY, content.category)] if content.category is not None else []),
        (words.CERTIFICATE_SHA256, content.certificate_sha256.hex()),
        (words.NONCE, content.nonce.hex()),
    ]
    if content.act is not None:
        rows += [
            (place.bidder_id_label, content.bidder_id or ""),
            (words.REQUEST_ID, content.act.request_id),
            (words.REQUEST_SHA256, content.act.request_sha256.hex()),
        ]
    if content.successor_key_sha256 is not None:
        rows.append((words.SUCCESSOR_KEY_SHA256, content.successor_key_sha256.hex()))
    if content.other_certificate_sha256 is not None:
        rows.append((words.OTHER_CERTIFICATE_SHA256, content.other_certificate_sha256.hex()))
    return rows


def show_purpose(person: Person, purpose: ShownPurpose, place: Place, *, details: bool) -> None:
    """Shows what the card is to sign: for whom, and its lines in the person's language; with `details` all of it."""
    if details:
        person.show(words.PURPOSE, list_purpose_values(purpose, place), purpose.lines)
    else:
        person.show(words.PURPOSE, list_purpose_rows(purpose, place), pair_lines(purpose.lines))


def use_card(medium: TokenMedium, person: Person, work: Callable[[Token], _Result]) -> _Result:
    """Does the work with the open token, as `do_busily`."""

    def work_on_token() -> _Result:
        with medium.open() as token:
            return work(token)

    return do_busily(person, work_on_token)


def do_busily(person: Person, work: Callable[[], _Result]) -> _Result:
    """Does the work in a thread, because card commands block, while the screen shows that the card is busy.

    Ctrl-C ends the wait at once. The command ends then, and the smart card service resets the card.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []

    def do() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    # As a daemon, because a card that does not answer must not hold up the end of the command.
    thread = threading.Thread(target=do, name="using the card", daemon=True)
    with person.show_busy(words.BUSY):
        thread.start()
        while thread.is_alive():
            # With a timeout, because Windows delivers Ctrl-C between two waits only.
            thread.join(_JOIN_SECONDS)
    if errors:
        raise errors[0]
    return results[0]


def list_certificates(token: Token, pin: Pin | None = None) -> Sequence[TokenCertificate]:
    """Returns the certificates of a token; the PIN is for one that can't be read without it."""
    if pin is not None:
        token.verify_pin(pin)
    return token.certificates()


def show_certificate(person: Person, certificate: TokenCertificate, tries_left: int | None) -> None:
    """Shows a certificate and the PIN tries left."""
    rows = list_certificate_rows(describe_certificate(certificate.certificate))
    if tries_left is not None:
        rows.append((words.TRIES_LEFT, str(tries_left)))
    person.show(words.CARD, rows)


def _name_type(purpose: ShownPurpose) -> Words:
    # A log-in changes nothing, whatever it is for; an act is what it does.
    content = purpose.content
    return words.CHECK_OF_THE_CARD if content.act is None else words.OPERATION_NAMES[content.operation]


def _write_serial(certificate: ShownCertificate, display: front_door_pb2.CardDisplay) -> Words | str:
    if not display.serial_hexadecimal:
        return str(certificate.serial)
    decimal = [(str(certificate.serial), words.DECIMAL)] if display.serial_decimal else []
    forms = [*decimal, (certificate.serial_hexadecimal, words.HEXADECIMAL)]
    return Words(
        " / ".join(f"{digits} {form.ja}" for digits, form in forms),
        " / ".join(f"{digits} {form.en}" for digits, form in forms),
    )


_PIN_QUESTIONS = {Role.SOLE: words.ASK_PIN, Role.OLD: words.ASK_OLD_PIN, Role.NEW: words.ASK_NEW_PIN}
_MY_NUMBER_QUESTIONS = {
    Role.SOLE: words.ASK_MY_NUMBER_PIN,
    Role.OLD: words.ASK_OLD_MY_NUMBER_PIN,
    Role.NEW: words.ASK_NEW_MY_NUMBER_PIN,
}
_FILE_QUESTIONS = {
    Role.SOLE: words.ASK_FILE_PASSWORD,
    Role.OLD: words.ASK_OLD_FILE_PASSWORD,
    Role.NEW: words.ASK_NEW_FILE_PASSWORD,
}


def _choose_certificate(certificates: Sequence[TokenCertificate], person: Person) -> TokenCertificate:
    if len(certificates) == 1:
        return certificates[0]
    options = []
    for each in certificates:
        shown = describe_certificate(each.certificate)
        names = [name for name in (shown.company_name, shown.holder_name, shown.expiry_date) if name]
        options.append(Option(str(shown.serial), Words("、".join(names), ", ".join(names))))
    serial = person.choose("certificate", words.CHOOSE_CERTIFICATE, options)
    return next(each for each in certificates if str(each.certificate.serial_number) == serial)

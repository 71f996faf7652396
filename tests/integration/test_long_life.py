"""A card that was read goes on signing after whatever happened meanwhile, without a restart (CRD-09).

With the real pcscd, its driver for virtual readers, and virtual cards. Between the certificate and the PIN, and between
two signatures, the service stops, the reader is unplugged, or another card comes into the reader.
"""

import base64
from collections.abc import Callable

import pytest
import rfc8785

from card_agent.media.pcsc import CardInReader
from card_agent.signing.card_use import SigningCard, read_card
from card_agent.signing.purpose import ShownPurpose, read_purpose
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.card_reader import CardReader
from tests.support.scripted_person import ScriptedPerson

pytestmark = pytest.mark.requirement("CRD-09")


@pytest.fixture
def issued(card_authority: CertificateAuthority) -> IssuedCard:
    return card_authority.issue(key=new_ec_key())


@pytest.fixture
def purpose(issued: IssuedCard) -> ShownPurpose:
    log_in = {
        "type": "log-in",
        "instance": "saitama",
        "operation": "registration",
        "role": "sole",
        "agency": "saitama-prefecture",
        "category": "works",
        "certificate_sha256": issued.sha256.hex(),
        "nonce": base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode(),
    }
    return read_purpose(rfc8785.dumps(log_in))


def read(person: ScriptedPerson) -> SigningCard:
    return read_card(CardInReader(), person)


def person_who(mends: dict[str, Callable[[], object]]) -> ScriptedPerson:
    """Returns a person who mends what a refusal says, once each, and tries again."""
    left = dict(mends)

    def mend(refusal: Refusal) -> bool:
        left.pop(refusal.reason)()
        return True

    return ScriptedPerson({}, tries_again=mend)


def test_reader_unplugged_between_certificate_and_pin(
    reader: CardReader, issued: IssuedCard, purpose: ShownPurpose
) -> None:
    card = reader.insert(issued)

    def plug_in() -> None:
        reader.service.stop()
        reader.service.start()
        reader.put_back(card)

    person = person_who({"CARD_READER_NOT_FOUND": plug_in})
    signing = read(person)
    reader.service.stop()
    reader.service.start(readers=False)
    assert signing.sign(purpose).signature
    # What was typed before the reader was there again is not kept.
    assert person.pins_asked == 2


@pytest.mark.parametrize("signatures", [0, 1])
def test_service_stopped_and_started_again(
    reader: CardReader, issued: IssuedCard, purpose: ShownPurpose, signatures: int
) -> None:
    card = reader.insert(issued)

    def start() -> None:
        reader.service.start()
        reader.put_back(card)

    person = person_who({"SMART_CARD_SERVICE_NOT_RUNNING": start})
    signing = read(person)
    for _ in range(signatures):
        signing.sign(purpose)
    reader.service.stop()
    assert signing.sign(purpose).signature
    assert person.pins_asked == 2 - signatures


def test_another_card_between_two_signatures_gets_no_pin(
    reader: CardReader, card_authority: CertificateAuthority, issued: IssuedCard, purpose: ShownPurpose
) -> None:
    card = reader.insert(issued)
    signing = read(person := person_who({}))
    signing.sign(purpose)
    reader.pull(card)
    other = reader.insert(card_authority.issue(key=new_ec_key()), pin="654321")

    def change_back() -> bool:
        reader.pull(other)
        reader.service.insert(card)
        return True

    person.tries_again = lambda refusal: refusal.reason == "CARD_CHANGED" and change_back()
    assert signing.sign(purpose).signature
    assert (other.pins, other.piv.tries_left, person.pins_asked) == (0, 3, 1)


def test_many_uses_leave_nothing_open(reader: CardReader, issued: IssuedCard, purpose: ShownPurpose) -> None:
    # pcscd refuses more than 200 contexts of one program, which no day of work may reach.
    reader.insert(issued)
    signing = read(ScriptedPerson({}))
    for _ in range(210):
        with signing.medium.open() as token:
            token.pin_tries_left()
    assert signing.sign(purpose).signature

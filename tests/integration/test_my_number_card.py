"""My Number cards in a reader: registered with, refused by reason, and used by third-party programs (CRD-08).

With the real pcscd, its driver for virtual readers, and a virtual card.
"""

import base64
import os
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from card_agent.console import words
from card_agent.console.place import Place
from card_agent.local_page import hop_words
from card_agent.local_page.pin_question import AskedCard, ask_pin
from card_agent.media.insertions import InsertionCounter
from card_agent.media.inventory import Issuer, MediaSources, find_media, needs_pin_first
from card_agent.media.pcsc import CardInReader
from card_agent.media.token import Pin
from card_agent.signing.card_choice import list_candidates
from card_agent.signing.card_use import read_card
from refusals import Refusal
from signed_acts.purpose import Role
from signed_acts.signature import SignatureAlgorithm, prefix_purpose
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from simulators.smart_card_service import READER
from tests.support.card_reader import CardReader
from tests.support.example_profile import example_profile
from tests.support.my_number_card import (
    AUTHENTICATION_PIN,
    SIGNATURE_PASSWORD,
    authentication_card,
    my_number_card,
)
from tests.support.office import Office
from tests.support.page_agent import running_page_agent
from tests.support.purposes import make_act, make_log_in
from tests.support.scripted_person import ScriptedPerson
from tests.support.services.front_door import running_front_door
from toroku.frontdoor.v1 import front_door_pb2

PASSWORD = Pin(SIGNATURE_PASSWORD)
# Positions of commands in a use: PIV is looked for, then JPKI is selected, the password's file, VERIFY.
AT_APPLICATION, AT_PASSWORD, AT_CERTIFICATE = 2, 4, 6


@pytest.fixture(scope="module")
def issued() -> IssuedCard:
    return CertificateAuthority.create("Toroku Test JPKI for digital signature").issue_personal()


def sign(medium: CardInReader | None = None, password: Pin = PASSWORD) -> bytes:
    with (medium or CardInReader()).open() as token:
        token.verify_pin(password)
        return token.sign(token.certificates()[0], b"data", SignatureAlgorithm.RSA_PKCS1V15_SHA256)


def signs(issued: IssuedCard) -> bool:
    key = issued.key.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(sign(), b"data", padding.PKCS1v15(), hashes.SHA256())
    return True


def reason_of(medium: CardInReader | None = None, password: Pin = PASSWORD) -> str:
    with pytest.raises(Refusal) as refused:
        sign(medium, password)
    return refused.value.reason


@pytest.fixture
async def office(reader: CardReader, tmp_path: Path) -> AsyncIterator[Office]:
    async with running_front_door(example_profile(), tmp_path) as server:
        office = Office(server, tmp_path)
        office.medium = CardInReader()
        office.person.pins = [SIGNATURE_PASSWORD]
        yield office


@pytest.mark.requirement("CRD-08")
@pytest.mark.requirement("CRD-03")
async def test_my_number_card_is_registered_and_its_tries_are_told_as_shared(
    office: Office, reader: CardReader
) -> None:
    card = office.server.ca.issue_personal()
    application = my_number_card(card)
    application.signature_pin.tries_left = 4
    reader.insert_application(application)
    result = await office.register()
    assert result.receipt.card.certificate_sha256 == card.sha256
    assert office.registrations() == 1
    assert office.person.pin_questions == [words.ASK_MY_NUMBER_PIN.ja]
    assert office.person.shown[words.MY_NUMBER_CARD.ja] == [(words.SHARED_TRIES_LEFT.ja, "4")]
    assert application.signature_pin.tries_left == 5
    assert not application.signature_pin.verified


@pytest.mark.requirement("CRD-03")
async def test_wrong_password_is_told_with_the_tries_left_and_not_sent_again(
    office: Office, reader: CardReader
) -> None:
    application = my_number_card(office.server.ca.issue_personal())
    reader.insert_application(application)
    office.person.pins = ["WRONG1"]
    refused = await office.refused()
    assert (refused.reason, refused.metadata) == ("MY_NUMBER_CARD_PIN_WRONG", {"tries_left": "4"})
    assert application.signature_pin.tries_left == 4


@pytest.mark.requirement("CRD-03")
async def test_blocked_card_is_told_with_who_helps(office: Office, reader: CardReader) -> None:
    application = my_number_card(office.server.ca.issue_personal())
    application.signature_pin.tries_left = 0
    reader.insert_application(application)
    assert (await office.refused()).reason == "MY_NUMBER_CARD_BLOCKED"


def test_card_is_found_by_its_application_and_signs_repeatedly(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert_application(my_number_card(issued))
    assert CardInReader().pin_before_reading
    assert signs(issued)
    assert signs(issued)
    reader.pull(card)
    reader.insert(issued)
    assert not CardInReader().pin_before_reading


@pytest.mark.requirement("CRD-08")
def test_password_is_asked_only_where_the_ca_may_be_the_right_one(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert_application(my_number_card(issued))
    accepted, other = (issuer_of(each) for each in (issued.chain[0], authentication_card().chain[0]))
    sources = MediaSources()
    for issuers in ((), (accepted,), (other, accepted)):
        found = find_media(sources, issuers, datetime.now(UTC))
        assert [medium.place for medium in found if needs_pin_first(medium)] == [READER]
        (candidate,) = list_candidates(found)
        assert candidate.medium.pin_before_reading
    found = find_media(sources, (other,), datetime.now(UTC))
    assert not any(needs_pin_first(medium) for medium in found)
    with pytest.raises(Refusal) as refused:
        list_candidates(found)
    assert refused.value.reason == "CERTIFICATE_AUTHORITY_UNKNOWN"
    assert refused.value.metadata["issuer_name"] == "Toroku Test JPKI for digital signature"
    assert card.pins == 0


def issuer_of(certificate: x509.Certificate) -> Issuer:
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    return Issuer("jpki", certificate.subject.public_bytes(), identifier)


@pytest.mark.parametrize("role", Role)
def test_page_asks_for_the_password_for_signatures(reader: CardReader, issued: IssuedCard, role: Role) -> None:
    reader.insert_application(my_number_card(issued))
    text = front_door_pb2.Text(ja="PIN番号入力ダイアログ", en="PIN")
    instance = front_door_pb2.Instance(pin_page=front_door_pb2.PinPage(title=text, help_title=text, help=text))
    question = ask_pin(AskedCard(CardInReader().identify(), role, 4, tries_are_shared=True), Place(instance))
    assert (question.title, question.help) == (hop_words.MY_NUMBER_TITLE, None)
    assert "署名用パスワード" in question.label.ja
    assert (question.tries_left, question.authority_notes) == (4, (hop_words.TRIES_ARE_SHARED,))
    assert not question.is_file


@pytest.mark.requirement("CRD-08")
@pytest.mark.requirement("CRD-03")
def test_pages_ask_for_the_password_once_and_tell_its_tries(
    reader: CardReader, issued: IssuedCard, tmp_path: Path
) -> None:
    application = my_number_card(issued)
    card = reader.insert_application(application)
    with running_page_agent(tmp_path) as pages:
        pages.agent.find_media = lambda issuers: find_media(MediaSources(), issuers, datetime.now(UTC))
        pages.agent.count_insertions = InsertionCounter().count
        handoff = pages.open_portal()
        asked = pages.choose_card(handoff)
        assert "署名用パスワード" in asked.text
        chosen = {"certificate": "1", "answer": "ok"}
        wrong = pages.post("/card", {"token": asked.token, "pin": "WRONG1", **chosen})
        assert "あと4回間違えると" in wrong.text
        read = pages.post("/card", {"token": wrong.token, "pin": SIGNATURE_PASSWORD, **chosen})
        assert base64.b64decode(read.answer["certificate"]) == issued.der
        # It was typed for reading, and serves both signatures of the card that stayed in.
        for purpose in (make_log_in(issued), make_act(issued)):
            signed = pages.sign(handoff, purpose).answer
            assert signed["algorithm"] == "RSA_PKCS1V15_SHA256"
            key = issued.key.public_key()
            assert isinstance(key, rsa.RSAPublicKey)
            signature = base64.b64decode(signed["signature"])
            key.verify(signature, prefix_purpose(purpose), padding.PKCS1v15(), hashes.SHA256())
    assert application.signature_pin.tries_left == 5
    assert card.pins == 4


def test_card_of_another_kind_neither_gets_the_password_nor_signs(reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert_application(my_number_card(issued))
    read = read_card(CardInReader(), ScriptedPerson({}, pins=[SIGNATURE_PASSWORD]))
    reader.pull(card)
    other = reader.insert(issued)
    with pytest.raises(Refusal, match="CARD_CHANGED"), read.medium.open():
        pass
    assert other.piv.tries_left == 3
    reader.pull(other)
    reader.insert_application(my_number_card(issued))
    assert signs(issued)


@pytest.mark.requirement("CRD-09")
@pytest.mark.parametrize("at", [AT_APPLICATION, AT_PASSWORD, AT_CERTIFICATE])
def test_card_removed_at_any_command_is_refused(reader: CardReader, issued: IssuedCard, at: int) -> None:
    application = my_number_card(issued)
    card = reader.insert_application(application)
    card.pull_at = at
    assert reason_of() == "CARD_REMOVED"
    assert application.signature_pin.tries_left == 5
    reader.put_back(card)
    assert signs(issued)


def test_card_without_a_certificate_for_signatures_is_refused(reader: CardReader) -> None:
    reader.insert_application(my_number_card(None))
    assert reason_of() == "CARD_WITHOUT_CERTIFICATE"


def test_password_is_not_verified_for_the_next_program(reader: CardReader, issued: IssuedCard) -> None:
    application = my_number_card(issued)
    reader.insert_application(application)
    assert signs(issued)
    assert not application.signature_pin.verified


# Clients that are not ours, so that card and agent cannot share a mistake.


def run(*command: str, status: int = 0) -> str:
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=environment, timeout=30, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def contains(output: str, issued: IssuedCard) -> bool:
    pem = issued.certificate.public_bytes(serialization.Encoding.PEM).decode()
    return "".join(pem.split()) in "".join(output.split())


def test_opensc_reads_the_certificate_for_signatures_after_its_password_only(
    reader: CardReader, issued: IssuedCard
) -> None:
    reader.insert_application(my_number_card(issued))
    assert contains(run("pkcs15-tool", "--read-certificate", "01"), authentication_card())
    read_signature = ("pkcs15-tool", "--read-certificate", "02")
    assert "Certificate read failed" in run(*read_signature, status=1)
    with_password = (*read_signature, "--verify-pin", "--auth-id", "02", "--pin", SIGNATURE_PASSWORD)
    assert contains(run(*with_password), issued)


def test_opensc_sees_both_counters(reader: CardReader, issued: IssuedCard) -> None:
    application = my_number_card(issued)
    reader.insert_application(application)
    run("pkcs15-tool", "--verify-pin", "--auth-id", "02", "--pin", "WRONG1", status=255)
    run("pkcs15-tool", "--verify-pin", "--auth-id", "01", "--pin", AUTHENTICATION_PIN)
    assert (application.signature_pin.tries_left, application.authentication_pin.tries_left) == (4, 3)


@pytest.mark.parametrize(("slot", "pin"), [(0, AUTHENTICATION_PIN), (1, SIGNATURE_PASSWORD)])
def test_opensc_signs_with_each_key_and_openssl_verifies(
    reader: CardReader, issued: IssuedCard, slot: int, pin: str, tmp_path: Path
) -> None:
    reader.insert_application(my_number_card(issued))
    data, signature, public = (tmp_path / name for name in ("data", "signature", "public.pem"))
    data.write_bytes(b"toroku card signature v1\x00{}" * 40)
    run("pkcs11-tool", "--slot-index", str(slot), "--login", "--pin", pin, "--id", f"{slot + 1:02}", "--sign",
        "--mechanism", "SHA256-RSA-PKCS", "--input-file", str(data), "--output-file", str(signature))  # fmt: skip
    key = (authentication_card(), issued)[slot].key.public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_bytes(serialization.Encoding.PEM, form))
    verified = run("openssl", "dgst", "-sha256", "-verify", str(public), "-signature", str(signature), str(data))
    assert "Verified OK" in verified


def test_piv_card_is_found_first(reader: CardReader, card_authority: CertificateAuthority) -> None:
    issued = card_authority.issue(key=new_ec_key())
    reader.insert(issued)
    with CardInReader().open() as token:
        assert token.certificates()[0].der == issued.der
        assert not token.tries_are_shared
        assert token.list_unusable() == ()

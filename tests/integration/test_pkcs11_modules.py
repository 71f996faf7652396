"""PKCS#11 modules that exist: OpenSC's over a virtual card in a reader, and SoftHSM's (CRD-08)."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from card_agent.console import renewal_words
from card_agent.media.module_places import ModulePlaces
from card_agent.media.one_certificate import OneCertificate
from card_agent.media.pkcs11 import Pkcs11Module, TokenInModule
from card_agent.media.token import Pin, TokenMedium, choose_algorithm
from card_agent.settings import FILE_NAME, Settings, write_settings
from refusals import Refusal
from signed_acts.signature import SignatureAlgorithm
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key, new_rsa_key
from simulators.smart_card_service import READER, SECOND_READER
from simulators.virtual_card import VirtualCard
from simulators.virtual_piv import Key
from tests.support.card_reader import CardReader
from tests.support.example_profile import example_profile
from tests.support.my_number_card import SIGNATURE_PASSWORD, my_number_card
from tests.support.pkcs11_modules import PIN, SoftToken, add_soft_token, find_opensc, make_soft_token
from tests.support.renewal_office import NEW_PIN, OLD_PIN, RenewalOffice
from tests.support.services.front_door import running_front_door

VERIFY, SIGN = 0x20, 0x87
DATA = b"toroku card signature v1\x00{}" * 40


@pytest.fixture
def opensc(reader: CardReader) -> Pkcs11Module:
    """OpenSC's module beside empty readers."""
    return Pkcs11Module(find_opensc())


@pytest.fixture
def issued(card_authority: CertificateAuthority) -> IssuedCard:
    return card_authority.issue(key=new_ec_key())


def p384() -> Key:
    return new_ec_key(ec.SECP384R1())


def sign(medium: TokenMedium, pin: str = PIN) -> bytes:
    with medium.open() as token:
        certificate = token.certificates()[0]
        token.verify_pin(Pin(pin))
        return token.sign(certificate, DATA, choose_algorithm(certificate.certificate))


def verify(card: IssuedCard, signature: bytes, algorithm: SignatureAlgorithm | None = None) -> None:
    key = card.key.public_key()
    name = (algorithm or choose_algorithm(card.certificate)).hash_name
    digest = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[name]
    if isinstance(key, rsa.RSAPublicKey):
        is_pss = algorithm is not None and "PSS" in algorithm.value
        pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
        key.verify(signature, DATA, pss if is_pss else padding.PKCS1v15(), digest)
    else:
        key.verify(signature, DATA, ec.ECDSA(digest))


def reason_of(medium: TokenMedium, pin: str = PIN) -> str:
    with pytest.raises(Refusal) as refused:
        sign(medium, pin)
    return refused.value.reason


@pytest.mark.parametrize("make_key", [new_rsa_key, new_ec_key, p384], ids=["RSA-2048", "P-256", "P-384"])
@pytest.mark.parametrize("slot", [0x9A, 0x9C], ids=["9A", "9C"])
def test_card_signs_through_the_module_of_opensc(
    opensc: Pkcs11Module,
    reader: CardReader,
    card_authority: CertificateAuthority,
    make_key: Callable[[], Key],
    slot: int,
) -> None:
    issued = card_authority.issue(key=make_key())
    card = reader.insert(issued, slot=slot)
    (found,) = opensc.list_media()
    assert READER in found.place
    assert [each.certificate.der for each in found.certificates] == [issued.der]
    assert found.medium is not None
    verify(issued, sign(found.medium))
    # The key in 9C wants its PIN right before the signature.
    assert slot == 0x9A or card.instructions[card.instructions.index(SIGN) - 1] == VERIFY
    assert not card.piv.verified


def test_wrong_pin_costs_one_try(opensc: Pkcs11Module, reader: CardReader, issued: IssuedCard) -> None:
    card = reader.insert(issued)
    assert reason_of(TokenInModule(opensc), "999999") in ("CARD_PIN_WRONG", "CARD_PIN_WRONG_UNCOUNTED")
    assert card.piv.tries_left == 2
    verify(issued, sign(TokenInModule(opensc)))
    assert card.piv.tries_left == 3


def test_missing_card_and_reader_are_refused_until_they_are_there(
    opensc: Pkcs11Module, reader: CardReader, issued: IssuedCard
) -> None:
    (found,) = opensc.list_media()
    assert found.refusal is not None
    assert (found.refusal.reason, READER in found.refusal.metadata["reader"]) == ("CARD_NOT_INSERTED", True)
    reader.service.stop()
    (found,) = opensc.list_media()
    assert found.refusal is not None
    assert found.refusal.reason == "CARD_READER_NOT_FOUND"
    reader.service.start()
    reader.insert(issued)
    verify(issued, sign(TokenInModule(opensc)))


def test_card_pulled_between_certificate_and_pin_is_refused(
    opensc: Pkcs11Module, reader: CardReader, issued: IssuedCard
) -> None:
    card = reader.insert(issued)
    with TokenInModule(opensc).open() as token:
        token.certificates()
        reader.pull(card)
        with pytest.raises(Refusal) as refused:
            token.verify_pin(Pin(PIN))
    assert refused.value.reason == "CARD_REMOVED"
    reader.put_back(card)
    verify(issued, sign(TokenInModule(opensc)))


def test_another_card_in_the_place_of_the_one_that_was_found_gets_no_pin(
    opensc: Pkcs11Module, reader: CardReader, card_authority: CertificateAuthority, issued: IssuedCard
) -> None:
    first = reader.insert(issued)
    (found,) = opensc.list_media()
    assert found.medium is not None
    reader.pull(first)
    assert reason_of(found.medium) == "CARD_NOT_INSERTED"
    other = reader.insert(card_authority.issue(key=new_ec_key()))
    assert reason_of(OneCertificate(found.medium, issued.der)) == "CARD_CHANGED"
    assert (other.piv.tries_left, other.piv.verified) == (3, False)


@pytest.mark.requirement("CRD-08")
def test_my_number_card_behind_a_module_shows_its_certificate_after_the_pin(
    opensc: Pkcs11Module, reader: CardReader, card_authority: CertificateAuthority
) -> None:
    issued = card_authority.issue_personal()
    card = VirtualCard(my_number_card(issued), reader.service.port)
    reader.service.insert(card)
    try:
        (found,) = [medium for medium in opensc.list_media() if not medium.certificates]
        assert found.refusal is None
        assert found.medium is not None
        assert found.medium.pin_before_reading
        with found.medium.open() as token:
            token.verify_pin(Pin(SIGNATURE_PASSWORD))
            (certificate,) = token.certificates()
            signature = token.sign(certificate, DATA, choose_algorithm(certificate.certificate))
    finally:
        reader.pull(card)
    assert certificate.der == issued.der
    verify(issued, signature)


def test_two_cards_are_listed_and_chosen_by_their_reader(
    opensc: Pkcs11Module, reader: CardReader, card_authority: CertificateAuthority, issued: IssuedCard
) -> None:
    second = card_authority.issue(key=new_ec_key())
    reader.insert(issued)
    reader.insert(second, second=True)
    found = opensc.list_media()
    assert {each.certificate.der for medium in found for each in medium.certificates} == {issued.der, second.der}
    assert reason_of(TokenInModule(opensc)) == "MODULE_TOKENS_SEVERAL"
    verify(second, sign(TokenInModule(opensc, SECOND_READER)))
    assert reason_of(TokenInModule(opensc, "no such reader")) == "CARD_READER_UNKNOWN"


@pytest.mark.parametrize("name", ["RSA_PKCS1V15_SHA256", "RSA_PKCS1V15_SHA512", "RSA_PSS_SHA256", "RSA_PSS_SHA384"])
def test_token_signs_with_both_paddings_and_has_its_chain(
    soft_token: SoftToken, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for variable, value in soft_token.environment.items():
        monkeypatch.setenv(variable, value)
    (found,) = Pkcs11Module(soft_token.module).list_media()
    assert found.place.startswith(soft_token.label)
    (each,) = found.certificates
    chain = [certificate.public_bytes(Encoding.DER) for certificate in soft_token.card.chain]
    assert sorted(each.certificate.chain_der) == sorted(chain)
    assert found.medium is not None
    algorithm = SignatureAlgorithm(name)
    with found.medium.open() as token:
        token.verify_pin(Pin(PIN))
        (certificate,) = token.certificates()
        verify(soft_token.card, token.sign(certificate, DATA, algorithm), algorithm)


def test_token_that_was_found_is_opened_again_beside_another(
    card_authority: CertificateAuthority, issued: IssuedCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = make_soft_token(tmp_path / "softhsm", issued, "一枚目")
    other = card_authority.issue(key=p384())
    add_soft_token(tokens, other, "二枚目")
    for variable, value in tokens.environment.items():
        monkeypatch.setenv(variable, value)
    found = Pkcs11Module(tokens.module).list_media()
    assert sorted(medium.place.partition(" ")[0] for medium in found) == ["一枚目", "二枚目"]
    cards = {issued.der: issued, other.der: other}
    for medium in found:
        assert medium.medium is not None
        verify(cards[medium.certificates[0].certificate.der], sign(medium.medium))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "card_agent", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | environment | {"PYTHONIOENCODING": "utf-8"},
        timeout=60,
        check=False,
    )


@pytest.mark.requirement("CRD-08")
def test_command_shows_the_certificate_of_a_module_in_kanji_folders_and_the_c_locale(
    stub_of_the_session: Path, soft_token: SoftToken, tmp_path: Path
) -> None:
    home = tmp_path / "山田 太郎"
    home.mkdir()
    environment = {**soft_token.environment, "STUB_SOFTHSM": str(soft_token.module), "HOME": str(home), "LC_ALL": "C"}
    shown = run("show", "--pkcs11", str(stub_of_the_session), "--language", "ja", **environment)
    assert shown.returncode == 0, shown.stderr
    assert str(soft_token.card.certificate.serial_number) in shown.stdout
    chosen = run(
        "show", "--pkcs11", str(stub_of_the_session), "--reader", soft_token.label, "--language", "ja", **environment
    )
    assert str(soft_token.card.certificate.serial_number) in chosen.stdout


@pytest.mark.requirement("CRD-08", "met")
def test_modules_of_several_vendors_are_listed_together_whatever_one_of_them_does(
    reader: CardReader, issued: IssuedCard, soft_token: SoftToken, stub_of_the_session: Path, tmp_path: Path
) -> None:
    reader.insert(issued)
    modules = (stub_of_the_session, soft_token.module, find_opensc())
    write_settings(tmp_path / "toroku-card-agent" / FILE_NAME, Settings(modules=modules))
    crashing = {"STUB_SOFTHSM": str(soft_token.module), "STUB_FAULT": "crash C_Initialize"}
    environment = soft_token.environment | crashing | {"XDG_CONFIG_HOME": str(tmp_path)}
    listed = run("readers", "--language", "ja", **environment)
    assert listed.returncode == 0, listed.stderr
    for card in (issued, soft_token.card):
        assert str(card.certificate.serial_number) in listed.stdout
    assert f"{stub_of_the_session}" in listed.stdout
    assert "異常終了しました" in listed.stdout


@pytest.mark.requirement("CRD-08")
@pytest.mark.parametrize(("language", "words"), [("ja", "処理の途中で異常終了しました"), ("en", "crashed")])
def test_command_says_that_a_module_crashed(
    stub_of_the_session: Path, soft_token: SoftToken, language: str, words: str
) -> None:
    fault = {"STUB_SOFTHSM": str(soft_token.module), "STUB_FAULT": "crash C_Initialize"}
    options = ("show", "--pkcs11", str(stub_of_the_session), "--language", language)
    refused = run(*options, **soft_token.environment, **fault)
    assert refused.returncode == 1
    assert "[MODULE_CRASHED]" in refused.stderr
    assert words in refused.stderr


@pytest.mark.requirement("CRD-08")
async def test_cards_of_a_renewal_are_swapped_in_a_reader_of_the_module(
    opensc: Pkcs11Module, reader: CardReader, office: RenewalOffice
) -> None:
    old = reader.insert(office.old, pin=OLD_PIN)

    def swap() -> None:
        reader.pull(old)
        reader.insert(office.new, pin=NEW_PIN)

    office.person.hands = {renewal_words.SWAP_CARDS.ja: lambda: threading.Timer(0.2, swap).start()}
    done = await office.renew(places=ModulePlaces(opensc), most_seconds=60.0)
    assert done.result.new_card.certificate_sha256 == office.new.sha256
    assert office.renewals == 1


async def test_cards_of_a_renewal_are_found_in_two_readers_of_the_module(
    opensc: Pkcs11Module, reader: CardReader, office: RenewalOffice
) -> None:
    reader.insert(office.new, pin=NEW_PIN)
    reader.insert(office.old, pin=OLD_PIN, second=True)
    places = await asyncio.to_thread(ModulePlaces(opensc).find)
    assert (places.old.name, places.new.name) == (SECOND_READER, READER)


@pytest.fixture
async def office(reader: CardReader, tmp_path: Path) -> AsyncIterator[RenewalOffice]:
    """A contractor with a registered card and a new one, beside a front door in this process."""
    async with running_front_door(example_profile(), tmp_path) as server:
        office = RenewalOffice(server, tmp_path)
        await office.register_old()
        # The old card expires before the new one.
        office.new = server.card(not_after=datetime.now(UTC) + timedelta(days=2000))
        office.person.hands.clear()
        yield office

"""All that is on a PC is listed, and chosen from: readers, cards, files, and what can't be used with its reason.

With the real pcscd and virtual cards; the commands run as processes.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from smartcard import scard  # type: ignore[import-untyped]  # pyscard has no type hints

from card_agent.media import inventory
from card_agent.media.found import FoundMedium
from card_agent.media.inventory import MediaSources, find_media
from card_agent.media.token import Pin
from card_agent.settings import FILE_NAME, Settings, write_settings
from card_agent.signing.card_choice import AnyCard, choose_medium
from card_agent.signing.card_use import read_card
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from simulators.smart_card_service import READER, SECOND_READER
from simulators.virtual_card import VirtualCard
from tests.support.card_reader import CardReader
from tests.support.my_number_card import my_number_card
from tests.support.scripted_person import ScriptedPerson
from toroku.frontdoor.v1 import front_door_pb2

FILE_PASSWORD = "file-password-3141"


@pytest.fixture
def issued(card_authority: CertificateAuthority) -> IssuedCard:
    return card_authority.issue(company="髙﨑建設株式会社", key=new_ec_key())


def instance_of(authority: CertificateAuthority) -> front_door_pb2.Instance:
    extension = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    issuer = front_door_pb2.CardIssuer(
        name=authority.certificate.subject.public_bytes(), key_identifier=extension.value.digest
    )
    accepted = front_door_pb2.CardAuthority(
        id="test-ca", name=front_door_pb2.Text(ja="試験認証局", en="Test CA"), issuers=[issuer]
    )
    return front_door_pb2.Instance(id="example", card_authorities=[accepted])


def find(*files: Path) -> tuple[FoundMedium, ...]:
    return find_media(MediaSources(files=files), [], datetime.now(UTC))


def summarize(found: tuple[FoundMedium, ...]) -> list[tuple[str, str]]:
    return [
        (
            medium.place,
            medium.refusal.reason if medium.refusal else ", ".join(c.certificate.slot for c in medium.certificates),
        )
        for medium in found
    ]


def run(home: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs the command as a user whose home has kanji and a blank, without any locale."""
    home.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "XDG_"))}
    completed = subprocess.run(
        [sys.executable, "-m", "card_agent", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=environment | {"HOME": str(home), "LANG": "C", "PYTHONIOENCODING": "utf-8"} | variables,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in completed.stderr, completed.stderr
    return completed


@pytest.mark.requirement("CRD-08")
def test_all_slots_readers_and_files_are_found(
    reader: CardReader, card_authority: CertificateAuthority, issued: IssuedCard, tmp_path: Path
) -> None:
    other = card_authority.issue(key=new_ec_key())
    keys = {0x9A: issued.key, 0x9C: other.key}
    reader.insert_piv(keys, {0x9A: issued.certificate, 0x9C: other.certificate}, tries=10)
    file = tmp_path / "証明書.p12"
    file.write_bytes(issued.pkcs12(FILE_PASSWORD.encode()))
    found = find(file)
    assert summarize(found) == [
        *[(READER, "9A"), (READER, "9C"), (SECOND_READER, "CARD_NOT_INSERTED"), (str(file), "")]
    ]
    assert [medium.tries_left for medium in found] == [10, 10, None, None]
    # Each is opened again as the one that it was.
    media = [medium.medium for medium in found if medium.certificates]
    for medium, card in zip(media, (issued, other), strict=True):
        assert medium is not None
        with medium.open() as token:
            assert [certificate.der for certificate in token.certificates()] == [card.der]


@pytest.mark.requirement("CRD-08")
def test_my_number_card_is_found_with_its_two_keys_and_tries(reader: CardReader, issued: IssuedCard) -> None:
    card = VirtualCard(my_number_card(issued), reader.service.port)
    reader.service.insert(card)
    try:
        found = find()
    finally:
        reader.pull(card)
    before_pin, unusable = found[0], found[1]
    assert (before_pin.certificates, before_pin.refusal) == ((), None)
    assert (before_pin.tries_left, before_pin.tries_are_shared) == (5, True)
    assert before_pin.medium is not None
    assert before_pin.medium.pin_before_reading
    (authentication,) = unusable.certificates
    assert authentication.refusal is not None
    assert authentication.refusal.reason == "CARD_KEY_NOT_FOR_SIGNATURES"


@pytest.mark.requirement("CRD-09")
def test_what_can_not_be_read_is_found_with_its_reason(
    reader: CardReader, issued: IssuedCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "_PATIENCE", 0.1)
    reader.insert_piv({}, {}, applet_present=False)
    reader.insert(issued, second=True)
    _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    _, handle, _ = scard.SCardConnect(context, SECOND_READER, scard.SCARD_SHARE_SHARED, scard.SCARD_PROTOCOL_T1)
    assert scard.SCardBeginTransaction(handle) == scard.SCARD_S_SUCCESS
    assert summarize(find()) == [(READER, "CARD_NOT_SUPPORTED"), (SECOND_READER, "CARD_IN_USE")]
    scard.SCardEndTransaction(handle, scard.SCARD_LEAVE_CARD)
    scard.SCardDisconnect(handle, scard.SCARD_LEAVE_CARD)
    scard.SCardReleaseContext(context)
    assert summarize(find()) == [(READER, "CARD_NOT_SUPPORTED"), (SECOND_READER, "9A")]
    reader.service.stop()
    assert summarize(find()) == [("", "SMART_CARD_SERVICE_NOT_RUNNING")]
    reader.service.start(readers=False)
    assert summarize(find()) == [("", "CARD_READER_NOT_FOUND")]
    reader.service.stop()
    reader.service.start()
    assert summarize(find()) == [(READER, "CARD_NOT_INSERTED"), (SECOND_READER, "CARD_NOT_INSERTED")]


@pytest.mark.requirement("CRD-08")
def test_person_chooses_among_the_cards_that_can_be_used(
    reader: CardReader, card_authority: CertificateAuthority, issued: IssuedCard, tmp_path: Path
) -> None:
    second = card_authority.issue(key=new_ec_key())
    file = tmp_path / "card.p12"
    file.write_bytes(issued.pkcs12(FILE_PASSWORD.encode()))
    first_card = reader.insert(issued)
    reader.insert(second, second=True, pin="654321")
    person = ScriptedPerson({"certificate": str(second.certificate.serial_number)})
    medium = choose_medium(AnyCard(MediaSources(files=(file,))), person, instance_of(card_authority))
    serials = [str(card.certificate.serial_number) for card in (issued, second)]
    assert person.chosen_from["certificate"] == [*serials, str(file)]
    assert read_card(medium, person).certificate.der == second.der
    with medium.open() as token:
        token.verify_pin(Pin("654321"))
    assert first_card.piv.tries_left == 3


@pytest.mark.requirement("CRD-08")
def test_nobody_is_asked_where_one_card_can_be_used(
    reader: CardReader, card_authority: CertificateAuthority, issued: IssuedCard
) -> None:
    stranger = CertificateAuthority.create("Strange CA", key=new_ec_key())
    reader.insert(stranger.issue(key=new_ec_key()))
    reader.insert(issued, second=True)
    person = ScriptedPerson({})
    medium = choose_medium(AnyCard(MediaSources()), person, instance_of(card_authority))
    assert read_card(medium, person).certificate.der == issued.der
    assert not person.chosen_from


@pytest.mark.requirement("CRD-09")
def test_card_that_is_inserted_after_the_refusal_is_found(
    reader: CardReader, card_authority: CertificateAuthority, issued: IssuedCard
) -> None:
    refused: list[str] = []

    def insert(refusal: Refusal) -> bool:
        refused.append(refusal.reason)
        reader.insert(issued)
        return True

    person = ScriptedPerson({}, tries_again=insert)
    medium = choose_medium(AnyCard(MediaSources()), person, instance_of(card_authority))
    assert read_card(medium, person).certificate.der == issued.der
    assert refused == ["CARD_NOT_INSERTED"]


@pytest.mark.requirement("CRD-08")
def test_readers_lists_everything_with_holder_ca_expiry_and_reason(
    reader: CardReader, card_authority: CertificateAuthority, issued: IssuedCard, tmp_path: Path
) -> None:
    home = tmp_path / "山田 太郎"
    folder = home / ".config" / "toroku-card-agent"
    (folder / "instances").mkdir(parents=True)
    (folder / "instances" / "example.pb").write_bytes(instance_of(card_authority).SerializeToString())
    file = tmp_path / "証明書.p12"
    file.write_bytes(issued.pkcs12(FILE_PASSWORD.encode()))
    write_settings(folder / FILE_NAME, Settings(files=(file,)))
    year = timedelta(days=365)
    now = datetime.now(UTC)
    expired = card_authority.issue(key=new_ec_key(), not_before=now - 2 * year, not_after=now - year)
    foreign = CertificateAuthority.create("Strange CA", key=new_ec_key()).issue(key=new_ec_key())
    keys = {0x9A: issued.key, 0x9C: expired.key}
    reader.insert_piv(keys, {0x9A: issued.certificate, 0x9C: expired.certificate})
    reader.insert(foreign, second=True)
    listed = run(home, "readers", "--language", "ja")
    assert listed.returncode == 0, listed.stderr
    _, *cards = listed.stdout.split("■ ICカード情報")
    good, old, strange = cards
    for part in (READER, "髙﨑建設株式会社", "認証局: 試験認証局", "利用: 使用できます", "証明書有効期限: "):
        assert part in good
    assert "有効期限" in old.partition("利用: 使用できません")[2]
    assert SECOND_READER in strange
    assert "このICカードの認証局（Strange CA）には対応していません" in strange
    assert f"{file}: 電子証明書はパスワードの入力後に読み取ります" in listed.stdout
    in_english = run(home, "readers")
    assert "Use: can't be used: Cards of this certification authority (Strange CA)" in in_english.stdout

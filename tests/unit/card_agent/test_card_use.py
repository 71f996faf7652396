"""The card of one operation."""

from pathlib import Path

import pytest

from card_agent.media.pkcs12 import Pkcs12File
from card_agent.signing.card_use import read_card
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from tests.support.certificate_files import join_files
from tests.support.scripted_person import ScriptedPerson


@pytest.fixture(scope="module")
def cards() -> list[IssuedCard]:
    authority = CertificateAuthority.create(key=new_ec_key())
    return [authority.issue(key=new_ec_key(), serial=number) for number in (4711, 4712)]


@pytest.mark.parametrize("chosen", [0, 1])
def test_one_of_several_certificates_in_a_file_is_chosen(cards: list[IssuedCard], chosen: int, tmp_path: Path) -> None:
    path = tmp_path / "two.p12"
    path.write_bytes(join_files([card.pkcs12(b"secret") for card in cards]))
    person = ScriptedPerson({"certificate": str(cards[chosen].certificate.serial_number)}, pins=["secret"])
    card = read_card(Pkcs12File(path), person)
    assert person.chosen_from["certificate"] == ["4711", "4712"]
    assert card.certificate.der == cards[chosen].der


def test_nobody_is_asked_about_a_single_certificate(cards: list[IssuedCard], tmp_path: Path) -> None:
    path = tmp_path / "one.p12"
    path.write_bytes(cards[0].pkcs12(b"secret"))
    person = ScriptedPerson({}, pins=["secret"])
    assert (read_card(Pkcs12File(path), person)).certificate.der == cards[0].der
    assert not person.chosen_from

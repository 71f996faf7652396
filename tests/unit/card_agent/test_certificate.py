"""The values of a certificate that are shown (CRD-04)."""

from datetime import UTC, datetime

import pytest

from card_agent.console import words
from card_agent.signing.card_use import list_certificate_rows
from card_agent.signing.certificate import describe_card, describe_certificate, format_japanese_date
from simulators.certificate_authorities import CertificateAuthority, new_ec_key, serial_of_158_bits
from toroku.certificate.v1 import card_pb2


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("Issuing CA", organization="Shinrai", key=new_ec_key())


def test_certificate_of_a_private_ca_is_shown_in_kanji(authority: CertificateAuthority) -> None:
    serial = serial_of_158_bits()
    card = authority.issue(
        company="髙﨑建設株式会社",
        holder="髙﨑 太郎",
        address="埼玉県川越市元町1丁目3番地1",
        holder_address="Kawagoe-shi 1-2-3",
        serial=serial,
        not_after=datetime(2027, 3, 31, 15, 0, tzinfo=UTC),
        key=new_ec_key(),
    )
    shown = describe_certificate(card.certificate)
    assert shown.company_name == "髙﨑建設株式会社"
    assert shown.company_address == "埼玉県川越市元町1丁目3番地1"
    assert shown.holder_name == "髙﨑 太郎"
    assert shown.holder_address == "Kawagoe-shi 1-2-3"
    assert (words.SERIAL, str(serial)) in list_certificate_rows(shown)
    assert serial.bit_length() == 158
    assert shown.issuer == "CN=Issuing CA,O=Shinrai,C=JP"
    # Midnight in Japan, which belongs to the next day.
    assert shown.expiry_date == "2027/04/01"


def test_missing_values_are_marked_and_never_null(authority: CertificateAuthority) -> None:
    card = authority.issue(address=None, holder_address=None, key=new_ec_key())
    rows = dict(list_certificate_rows(describe_certificate(card.certificate)))
    for label in (words.CARD_COMPANY_ADDRESS, words.HOLDER_ADDRESS):
        assert rows[label].startswith("証明書に記載なし")
    assert not {"null", "None", ""} & set(rows.values())


def test_romaji_of_the_subject_are_shown_without_kanji(authority: CertificateAuthority) -> None:
    card = authority.issue(company=None, holder=None, address=None, key=new_ec_key())
    shown = describe_certificate(card.certificate)
    assert (shown.company_name, shown.holder_name) == ("Toroku Kensetsu K.K.", "Tarou Touroku")


def test_personal_card_has_a_holder_and_no_company(authority: CertificateAuthority) -> None:
    address = "埼玉県さいたま市浦和区高砂三丁目15番1号 高砂マンション101号室 " * 4
    card = authority.issue_personal(holder="登録　花子", address=address, key=new_ec_key())
    shown = describe_certificate(card.certificate)
    assert (shown.company_name, shown.holder_name, shown.holder_address) == (None, "登録　花子", address)


def test_server_reading_is_shown_with_the_same_labels() -> None:
    card = card_pb2.Card(serial_decimal=str(2**157), issuer="CN=CA", company_name="登録建設株式会社")
    card.not_after.FromDatetime(datetime(2027, 12, 31, 14, 59, 59, tzinfo=UTC))
    rows = dict(list_certificate_rows(describe_card(card)))
    assert rows[words.CARD_COMPANY_NAME] == "登録建設株式会社"
    assert rows[words.HOLDER_NAME].startswith("証明書に記載なし")
    assert rows[words.SERIAL] == str(2**157)
    assert rows[words.EXPIRY] == "2027/12/31"


def test_days_are_in_japanese_time() -> None:
    assert format_japanese_date(datetime(2026, 12, 31, 15, 0, tzinfo=UTC)) == "2027/01/01"

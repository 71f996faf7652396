"""The values of a certificate that are shown (CRD-04)."""

from datetime import UTC, datetime

import pytest

from card_agent.console import words
from card_agent.console.words import Words, say
from card_agent.signing.card_use import choose_display, list_certificate_rows
from card_agent.signing.certificate import (
    describe_card,
    describe_certificate,
    format_japanese_date,
    format_japanese_time,
)
from simulators.certificate_authorities import CertificateAuthority, new_ec_key, serial_of_158_bits
from toroku.certificate.v1 import card_pb2
from toroku.frontdoor.v1 import front_door_pb2


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
    serial_row = dict(list_certificate_rows(shown))[words.SERIAL]
    assert say(serial_row, "ja") == f"{serial} (10進) / {serial:040X} (16進)"
    assert serial.bit_length() == 158
    assert shown.issuer == "CN=Issuing CA,O=Shinrai,C=JP"
    # Midnight in Japan, which belongs to the next day.
    assert shown.expiry_date == "2027/04/01"


def test_missing_values_are_marked_and_never_null(authority: CertificateAuthority) -> None:
    card = authority.issue(address=None, holder_address=None, key=new_ec_key())
    rows = dict(list_certificate_rows(describe_certificate(card.certificate)))
    for label in (words.CARD_COMPANY_ADDRESS, words.HOLDER_ADDRESS):
        assert say(rows[label], "ja") == "証明書に記載なし"
    assert not {"null", "None", ""} & {say(row, "ja") for row in rows.values()}


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
    card = card_pb2.Card(serial_decimal=str(2**157), serial_hexadecimal=f"{2**157:040X}", issuer="CN=CA")
    card.company_name = "登録建設株式会社"
    card.not_after.FromDatetime(datetime(2027, 12, 31, 14, 59, 59, tzinfo=UTC))
    rows = dict(list_certificate_rows(describe_card(card)))
    assert rows[words.CARD_COMPANY_NAME] == "登録建設株式会社"
    assert rows[words.HOLDER_NAME] == words.NOT_IN_CERTIFICATE
    assert say(rows[words.SERIAL], "en") == f"{2**157} (decimal) / {2**157:040X} (hexadecimal)"
    assert rows[words.EXPIRY] == "2027/12/31"


def test_category_says_which_fields_and_forms_of_the_serial_number_are_shown() -> None:
    card = card_pb2.Card(
        serial_decimal="255", serial_hexadecimal="00FF", issuer="OU=B,O=A,C=JP", holder_name="登録 太郎"
    )
    card.not_after.FromDatetime(datetime(2013, 5, 13, 15, 0, tzinfo=UTC))
    shown = describe_card(card)
    assert choose_display(front_door_pb2.Category()).fields == [
        "company_name",
        "company_address",
        "holder_name",
        "holder_address",
    ]
    for decimal, hexadecimal, serial in (
        (True, False, "255"),
        (False, True, "00FF (16進)"),
        (True, True, "255 (10進) / 00FF (16進)"),
    ):
        display = front_door_pb2.CardDisplay(
            fields=["holder_name", "company_name"], serial_decimal=decimal, serial_hexadecimal=hexadecimal
        )
        assert choose_display(front_door_pb2.Category(card_display=display)) == display
        assert [(label.ja, say(value, "ja")) for label, value in list_certificate_rows(shown, display)] == [
            ("ICカード取得者氏名", "登録 太郎"),
            ("ICカード企業名称", "証明書に記載なし"),
            ("証明書シリアル番号", serial),
            ("証明書発行者", "OU=B,O=A,C=JP"),
            ("証明書有効期限", "2013/05/14"),
        ]


def test_times_are_written_as_the_manuals_write_them() -> None:
    time = format_japanese_time(datetime(2014, 8, 18, 6, 45, tzinfo=UTC))
    assert time == Words("2014年08月18日 15時45分", "2014/08/18 15:45 (Japan)")


def test_days_are_in_japanese_time() -> None:
    assert format_japanese_date(datetime(2026, 12, 31, 15, 0, tzinfo=UTC)) == "2027/01/01"

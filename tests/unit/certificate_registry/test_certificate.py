"""Parsing of certificates: those of Japanese CAs, and hostile ones."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type as StringType
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from certificate_registry.pki.card_authorities import CardAuthority, load_pem_certificates
from certificate_registry.pki.certificate import (
    CardValues,
    format_serial_decimal,
    format_serial_hexadecimal,
    name_issuer,
    parse_certificate,
    read_values,
)
from instance_profile.locators import parse_locator
from refusals import Refusal
from simulators.certificate_authorities import (
    CARD_KEY_USAGE,
    JPKI_ADDRESS,
    JPKI_NAME,
    CertificateAuthority,
    new_ec_key,
)
from tests.unit.certificate_registry.conftest import CARD_URL, NOW, CaHierarchy

PARTS = ("encoding", "extensions", "names", "serial_number", "signature_algorithm")
ADDRESS = "埼玉県さいたま市浦和区高砂三丁目15番1号"


def _values(der: bytes, ca: CaHierarchy, **changes: object) -> CardValues:
    return read_values(parse_certificate(der), ca.authority(**changes))


def test_private_ca_card_shows_company_and_holder_in_kanji(ca: CaHierarchy, rsa_keys: list[rsa.RSAPrivateKey]) -> None:
    card = ca.issuing.issue(key=rsa_keys[2], not_before=NOW, holder_address="埼玉県川越市元町1-3-1")
    certificate = parse_certificate(card.der)
    assert read_values(certificate, ca.authority()) == CardValues(
        "登録建設株式会社", ADDRESS, "登録 太郎", "埼玉県川越市元町1-3-1"
    )
    assert certificate.sha256 == card.sha256
    assert certificate.issuer == "CN=Toroku Test Card CA,O=Toroku Test Certification,C=JP"
    assert certificate.subject == "CN=Tarou Touroku,street=埼玉県川越市元町1-3-1,O=Toroku Kensetsu K.K.,C=JP"
    assert (certificate.not_before, certificate.not_after) == (NOW, NOW + timedelta(days=730))
    assert str(certificate.key) == "RSA 2048"
    assert certificate.key_usage == frozenset({"digital_signature", "non_repudiation"})
    assert certificate.extended_key_usages == frozenset({CARD_KEY_USAGE})
    assert certificate.crl_urls == (CARD_URL,)
    assert not certificate.is_authority
    issuer = parse_certificate(ca.issuing.der)
    assert certificate.authority_key_identifier == issuer.subject_key_identifier
    assert issuer.is_authority


def test_missing_parts_are_none(ca: CaHierarchy) -> None:
    card = ca.issuing.issue(key=new_ec_key(), company=None, address=None, holder=None)
    assert _values(card.der, ca) == CardValues(None, None, "Tarou Touroku", None)


def test_missing_address_is_none(ca: CaHierarchy) -> None:
    card = ca.issuing.issue(key=new_ec_key(), address=None)
    assert _values(card.der, ca).company_address is None
    assert _values(card.der, ca).company_name == "登録建設株式会社"


def test_my_number_card_shows_person_without_company(ca: CaHierarchy) -> None:
    card = ca.issuing.issue_personal(key=new_ec_key())
    places = {"holder_name": (f"san.otherName.{JPKI_NAME}",), "holder_address": (f"san.otherName.{JPKI_ADDRESS}",)}
    assert _values(card.der, ca, **places) == CardValues(None, None, "登録\u3000花子", ADDRESS)


@pytest.mark.parametrize("company", ["髙橋建設㈱", "﨑山工業", "𠮷野家\U000e0100", "外字\ue000商事", "鷗\u9fef"])
def test_characters_are_not_changed(ca: CaHierarchy, company: str) -> None:
    assert _values(ca.issuing.issue(key=new_ec_key(), company=company).der, ca).company_name == company


def test_kanji_in_bmp_strings_are_read(ca: CaHierarchy) -> None:
    card = ca.issuing.issue(key=new_ec_key(), company="髙橋建設", string_type=StringType.BMPString)
    assert b"\x1e" in card.der
    assert _values(card.der, ca).company_name == "髙橋建設"


@pytest.mark.parametrize(
    ("locators", "found"),
    [
        (("san.directoryName.OU", "subject.O"), "Toroku Kensetsu K.K."),
        (("san.directoryName.2.5.4.10",), "登録建設株式会社"),
        (("subject.2.5.4.3",), "Tarou Touroku"),
        (("subject.C+san.directoryName.L",), f"JP{ADDRESS}"),
        (("subject.ST+subject.O",), "Toroku Kensetsu K.K."),
        (("subject.OU",), None),
        ((), None),
    ],
)
def test_first_locator_with_a_value_counts(ca: CaHierarchy, locators: tuple[str, ...], found: str | None) -> None:
    assert _values(ca.issuing.issue(key=new_ec_key()).der, ca, company_name=locators).company_name == found


@pytest.mark.parametrize("locator", ["", "subject", "subject.", "subject.nonsense", "san.dNSName.O", "san.otherName.O"])
def test_invalid_locator_is_an_error(locator: str) -> None:
    with pytest.raises(ValueError, match="is not a locator"):
        parse_locator(locator)


@pytest.mark.parametrize(
    ("number", "decimal", "hexadecimal"),
    [
        (1, "1", "01"),
        (0x80, "128", "80"),
        (2**158 - 1, "365375409332725729550921208179070754913983135743", "3F" + "FF" * 19),
        (2**159 - 1, "730750818665451459101842416358141509827966271487", "7F" + "FF" * 19),
    ],
)
def test_serial_number_in_decimal_and_hexadecimal(ca: CaHierarchy, number: int, decimal: str, hexadecimal: str) -> None:
    certificate = parse_certificate(ca.issuing.issue(key=new_ec_key(), serial=number).der)
    assert (certificate.serial_decimal, certificate.serial_hexadecimal) == (decimal, hexadecimal)
    assert format_serial_decimal(certificate.serial) == decimal
    assert format_serial_hexadecimal(certificate.serial) == hexadecimal


def test_serial_number_of_160_bits_is_read(ca: CaHierarchy) -> None:
    serial = bytes([0xFF]) + secrets.token_bytes(19)
    certificate = parse_certificate(_with_serial(ca, serial))
    assert certificate.serial == serial
    assert int(certificate.serial_decimal).bit_length() == 160


def test_serial_number_beyond_160_bits_is_refused(ca: CaHierarchy) -> None:
    with pytest.raises(Refusal) as refused:
        parse_certificate(_with_serial(ca, b"\x01" + bytes(20)))
    assert refused.value.metadata == {"part": "serial_number"}


@pytest.mark.parametrize(
    ("common_name", "organization", "expected"),
    [
        ("Card CA", "Organization", "Card CA"),
        (None, "登録試験認証局", "登録試験認証局"),
        (None, None, "C=JP"),
        ("C\nA", None, "C\\0AA"),
        # Stays within 64 characters as it is encoded, and not as it is shown.
        ("\n" * 60, None, ("\\0A" * 34)[:100]),
    ],
)
def test_issuer_has_a_short_visible_name(common_name: str | None, organization: str | None, expected: str) -> None:
    parts = ((NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, common_name))
    names = [x509.NameAttribute(oid, text, _validate=False) for oid, text in parts if text is not None]
    issuer = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "JP"), *names])
    key = new_ec_key()
    builder = x509.CertificateBuilder(issuer, issuer, key.public_key(), 1, NOW, NOW + timedelta(days=1))
    der = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    assert name_issuer(parse_certificate(der)) == expected


def test_special_characters_of_the_issuer_are_escaped() -> None:
    odd = CertificateAuthority.create('A, "B"\n+C=', organization="#首都圏", key=new_ec_key())
    assert parse_certificate(odd.der).issuer == 'CN=A\\, \\"B\\"\\0A\\+C\\=,O=\\#首都圏,C=JP'


@pytest.mark.parametrize("name", ["悪い\x00会社", "悪い\r\n会社", "\x1b[31m会社"])
def test_control_characters_in_a_displayed_value_are_refused(ca: CaHierarchy, name: str) -> None:
    card = ca.issuing.issue(key=new_ec_key(), company=name)
    with pytest.raises(Refusal) as refused:
        _values(card.der, ca)
    assert (refused.value.reason, refused.value.metadata) == ("CERTIFICATE_MALFORMED", {"part": "names"})


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (ec.SECP256R1(), "EC secp256r1"),
        (ec.SECP384R1(), "EC secp384r1"),
        (ec.SECP256K1(), "EC secp256k1"),
        (ec.BrainpoolP256R1(), "EC brainpoolP256r1"),
    ],
)
def test_curve_is_named(ca: CaHierarchy, key: ec.EllipticCurve, text: str) -> None:
    assert str(parse_certificate(ca.issuing.issue(key=new_ec_key(key)).der).key) == text


def test_key_of_another_kind_is_other() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7).not_valid_before(NOW).not_valid_after(NOW)
    assert parse_certificate(builder.sign(key, None).public_bytes(Encoding.DER)).key.kind == "OTHER"


def test_pem_of_the_profile_becomes_der(ca: CaHierarchy) -> None:
    assert load_pem_certificates([ca.root.pem + ca.issuing.pem, ca.root.pem]) == (
        *(ca.root.der, ca.issuing.der, ca.root.der),
    )
    with pytest.raises(ValueError, match="no block -----BEGIN CERTIFICATE-----"):
        load_pem_certificates(["-----BEGIN NOTHING-----"])


# The parser warns of a serial number that is not positive before it is refused.
@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
class TestHostileInput:
    """Any input is parsed or refused with CERTIFICATE_MALFORMED."""

    CARD = CertificateAuthority.create(key=new_ec_key()).issue(
        key=new_ec_key(), not_before=datetime(2026, 1, 1, tzinfo=UTC)
    )
    AUTHORITY = CardAuthority("any", frozenset(), ())

    def _refused(self, der: bytes) -> str | None:
        try:
            read_values(parse_certificate(der), self.AUTHORITY)
        except Refusal as refusal:
            return refusal.metadata["part"] if refusal.reason == "CERTIFICATE_MALFORMED" else refusal.reason
        return None

    @pytest.mark.parametrize("der", [b"", b"\x30", b"0\x80\x00\x00", b"\x30\x84\xff\xff\xff\xff", b"not a certificate"])
    def test_garbage_is_refused(self, der: bytes) -> None:
        assert self._refused(der) == "encoding"

    def test_pem_is_refused(self) -> None:
        assert self._refused(self.CARD.certificate.public_bytes(Encoding.PEM)) == "encoding"

    def test_too_large_input_is_refused(self) -> None:
        assert self._refused(self.CARD.der + bytes(20_000)) == "size"

    def test_trailing_bytes_are_refused(self) -> None:
        assert self._refused(self.CARD.der + b"\x00") == "encoding"

    def test_two_signature_algorithms_are_refused(self) -> None:
        # ecdsa-with-SHA256 becomes ecdsa-with-SHA384 in the second field only.
        at = self.CARD.der.rindex(bytes.fromhex("2a8648ce3d040302"))
        assert self._refused(self.CARD.der[: at + 7] + b"\x03" + self.CARD.der[at + 8 :]) == "signature_algorithm"

    def test_every_truncation_is_refused(self) -> None:
        assert all(self._refused(self.CARD.der[:length]) for length in range(0, len(self.CARD.der), 7))

    @settings(max_examples=400, deadline=None)
    @given(st.data())
    def test_damaged_input_is_refused_or_parsed(self, data: st.DataObject) -> None:
        der = bytearray(self.CARD.der)
        for _ in range(data.draw(st.integers(1, 4))):
            der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
        assert self._refused(bytes(der)) in (None, *PARTS)

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=400))
    def test_random_bytes_are_refused(self, der: bytes) -> None:
        assert self._refused(der) is not None


def _with_serial(ca: CaHierarchy, serial: bytes) -> bytes:
    # The builder is limited to 159 bits, so a longer number is inserted here; the signature is not verified.
    der = ca.issuing.issue(key=new_ec_key(), serial=1).der
    return _replaced(
        der, b"\x02\x01\x01", b"\x02" + bytes([len(serial) + (serial[0] >> 7)]) + bytes(serial[0] >> 7) + serial
    )


def _replaced(der: bytes, old: bytes, new: bytes) -> bytes:
    outer = _content(der)
    tbs = _content(outer)
    changed = _sequence(tbs.replace(old, new, 1))
    return _sequence(changed + outer[len(_sequence(tbs)) :])


def _content(der: bytes) -> bytes:
    size = der[1] & 0x7F if der[1] & 0x80 else 0
    length = int.from_bytes(der[2 : 2 + size], "big") if size else der[1]
    return der[2 + size : 2 + size + length]


def _sequence(content: bytes) -> bytes:
    return b"\x30\x82" + len(content).to_bytes(2, "big") + content

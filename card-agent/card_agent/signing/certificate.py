"""The values of a certificate that are shown to a person (CRD-04), read without the profile of an instance.

During a registration the server's reading is shown, because the server knows where each CA writes which value. This
module reads the usual places of Japanese private CAs and JPKI: kanji in a directoryName of the subjectAltName, romaji
in the subject.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from cryptography import x509
from cryptography.x509.oid import NameOID

from card_agent.clock import JAPAN
from card_agent.console.words import Words
from toroku.certificate.v1 import card_pb2

# 公的個人認証サービス プロファイル仕様書: the holder's 氏名 and 住所, as otherNames with a UTF8String.
_JPKI_NAME, _JPKI_ADDRESS = "1.2.392.200149.8.5.5.1", "1.2.392.200149.8.5.5.5"
_ADDRESS_PARTS = (NameOID.STATE_OR_PROVINCE_NAME, NameOID.LOCALITY_NAME, NameOID.STREET_ADDRESS)


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """The values of CRD-04, None where the certificate lacks one. `serial` is the certificate's serial number."""

    company_name: str | None
    company_address: str | None
    holder_name: str | None
    holder_address: str | None
    serial: int
    # Upper-case hexadecimal digits of the same number, two for each byte.
    serial_hexadecimal: str
    issuer: str
    not_after: datetime

    @property
    def expiry_date(self) -> str:
        """The last day of validity in Japan, yyyy/mm/dd."""
        return format_japanese_date(self.not_after)


def describe_certificate(certificate: x509.Certificate) -> ShownCertificate:
    """Returns the values of a certificate; a part that cannot be decoded counts as missing."""
    names = [*_alternative_names(certificate), certificate.subject]
    personal = dict(_other_names(certificate))
    holder_address = personal.get(_JPKI_ADDRESS)
    if holder_address is None and len(names) > 1:
        # If the subjectAltName describes the company, an address in the subject is the holder's.
        holder_address = _address(names[-1])
    return ShownCertificate(
        company_name=_first(names, NameOID.ORGANIZATION_NAME),
        company_address=next((address for name in names[:-1] if (address := _address(name))), None),
        holder_name=personal.get(_JPKI_NAME) or _first(names, NameOID.COMMON_NAME),
        holder_address=holder_address,
        serial=certificate.serial_number,
        serial_hexadecimal=_hexadecimal(certificate.serial_number),
        issuer=certificate.issuer.rfc4514_string(),
        not_after=certificate.not_valid_after_utc,
    )


def describe_card(card: card_pb2.Card) -> ShownCertificate:
    """Returns the values of a certificate as read by the server."""
    return ShownCertificate(
        company_name=card.company_name if card.HasField("company_name") else None,
        company_address=card.company_address if card.HasField("company_address") else None,
        holder_name=card.holder_name if card.HasField("holder_name") else None,
        holder_address=card.holder_address if card.HasField("holder_address") else None,
        serial=int(card.serial_decimal),
        serial_hexadecimal=card.serial_hexadecimal,
        issuer=card.issuer,
        not_after=card.not_after.ToDatetime(tzinfo=ZoneInfo("UTC")),
    )


def format_japanese_date(instant: datetime) -> str:
    """Returns the day in Japan as yyyy/mm/dd."""
    return f"{instant.astimezone(JAPAN):%Y/%m/%d}"


def format_japanese_time(instant: datetime) -> Words:
    """Returns the time in Japan, to the minute, as 2014年08月18日 15時45分."""
    there = instant.astimezone(JAPAN)
    return Words(f"{there:%Y年%m月%d日 %H時%M分}", f"{there:%Y/%m/%d %H:%M} (Japan)")


def _hexadecimal(serial: int) -> str:
    return serial.to_bytes(max(1, (serial.bit_length() + 7) // 8), "big").hex().upper()


def _alternative_names(certificate: x509.Certificate) -> Sequence[x509.Name]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return extension.value.get_values_for_type(x509.DirectoryName)
    except (x509.ExtensionNotFound, ValueError):
        return []


def _other_names(certificate: x509.Certificate) -> Iterator[tuple[str, str]]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        for other in extension.value.get_values_for_type(x509.OtherName):
            yield other.type_id.dotted_string, _utf8_string(other.value)
    except (x509.ExtensionNotFound, ValueError):
        return


def _utf8_string(der: bytes) -> str:
    # X.690, 8.1: tag 12; the length in one byte, or 0x81/0x82 followed by one or two bytes; the text.
    start = {0x81: 3, 0x82: 4}.get(der[1], 2) if len(der) > 1 else 0
    if not der or der[0] != 0x0C:
        raise ValueError("no UTF8String")
    return der[start:].decode("utf-8")


def _first(names: Sequence[x509.Name], kind: x509.ObjectIdentifier) -> str | None:
    texts = (text for name in names if (text := _text(name, kind)))
    return next(texts, None)


def _address(name: x509.Name) -> str | None:
    return "".join(text for kind in _ADDRESS_PARTS if (text := _text(name, kind))) or None


def _text(name: x509.Name, kind: x509.ObjectIdentifier) -> str:
    return " ".join(value for part in name.get_attributes_for_oid(kind) if isinstance(value := part.value, str))

"""Finds every medium of this PC with its certificates: cards in readers, tokens of modules, and files.

What can't be used is found too, with the reason. No PIN is asked and none is sent, so that looking costs no try.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]  # it has no type hints
from cryptography import x509
from cryptography.x509.oid import NameOID

from card_agent.media.found import FoundCertificate, FoundMedium
from card_agent.media.pcsc import PivInReader, Reader, list_readers
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.pkcs12_structure import read_structure
from card_agent.media.token import TokenCertificate, choose_algorithm
from refusals import Code, Refusal

# Seconds to wait for a card that another program uses: the list of what is there should not wait for it.
_PATIENCE = 2.0
_MOST_THREADS = 8
_JAPAN = ZoneInfo("Asia/Tokyo")


@dataclass(frozen=True, slots=True)
class MediaSources:
    """Where to look: the PKCS#11 modules, the certificate files, and whether the readers."""

    modules: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    readers: bool = True


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key by which a CA of an instance issues cards: its distinguished name in DER, and its key identifier.

    `authority` is the instance's id of the CA. `key_identifier` is empty if the CA's certificate has none.
    """

    authority: str
    name: bytes
    key_identifier: bytes = b""


def find_media(sources: MediaSources, issuers: Sequence[Issuer], now: datetime) -> tuple[FoundMedium, ...]:
    """Returns what is there, in the order readers, modules, files; `now` has a time zone.

    Without `issuers` every CA may be the right one. Where the readers can't be listed at all, one medium without a
    place has the reason. Raises no refusal: each is in what was found.
    """
    found: list[FoundMedium] = []
    if sources.readers:
        found += _look_into_readers()
    found += _look_into_all([partial(_look_into_file, path) for path in sources.files])
    return tuple(_judge_medium(medium, issuers, now) for medium in found)


def list_usable(found: Sequence[FoundMedium]) -> tuple[tuple[FoundMedium, FoundCertificate], ...]:
    """Returns the certificates that can be used, each once: a card may be found by its reader and by a module."""
    usable: dict[bytes, tuple[FoundMedium, FoundCertificate]] = {}
    for medium in found:
        for certificate in medium.certificates:
            if certificate.refusal is None and medium.refusal is None and medium.medium is not None:
                usable.setdefault(certificate.certificate.der, (medium, certificate))
    return tuple(usable.values())


def judge_certificate(certificate: TokenCertificate, issuers: Sequence[Issuer], now: datetime) -> FoundCertificate:
    """Returns the certificate with its CA, and with the reason if it can't be used."""
    authority = _find_authority(certificate, issuers)
    return FoundCertificate(certificate, authority, _find_refusal(certificate.certificate, authority, issuers, now))


def _look_into_readers() -> list[FoundMedium]:
    try:
        readers = list_readers()
    except Refusal as refusal:
        return [FoundMedium("", None, refusal=refusal)]
    return _look_into_all([partial(_look_into_reader, reader) for reader in readers])


def _look_into_all(looks: Sequence[Callable[[], Sequence[FoundMedium]]]) -> list[FoundMedium]:
    if not looks:
        return []
    # One that waits for its card does not hold up the others.
    with ThreadPoolExecutor(min(len(looks), _MOST_THREADS), "looking for cards") as threads:
        return [medium for found in threads.map(lambda look: look(), looks) for medium in found]


def _look_into_reader(reader: Reader) -> Sequence[FoundMedium]:
    medium = PivInReader(reader.name)
    if not reader.card_inserted:
        refusal = Refusal("CARD_NOT_INSERTED", metadata={"reader": reader.name})
        return [FoundMedium(reader.name, medium, refusal=refusal)]
    try:
        with PivInReader(reader.name, patience=_PATIENCE).open() as token:
            certificates = tuple(FoundCertificate(each) for each in token.certificates())
            return [FoundMedium(reader.name, medium, certificates, token.pin_tries_left())]
    except Refusal as refusal:
        return [FoundMedium(reader.name, medium, refusal=refusal)]


def _look_into_file(path: Path) -> Sequence[FoundMedium]:
    medium = Pkcs12File(path)
    try:
        with medium.open() as token, _explained(path):
            read_structure(token.content)
    except Refusal as refusal:
        return [FoundMedium(str(path), medium, refusal=refusal)]
    return [FoundMedium(str(path), medium)]


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise Refusal("CARD_FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(path)}) from error


def _judge_medium(medium: FoundMedium, issuers: Sequence[Issuer], now: datetime) -> FoundMedium:
    judged = [
        each if each.refusal is not None else judge_certificate(each.certificate, issuers, now)
        for each in medium.certificates
    ]
    return replace(medium, certificates=tuple(judged))


def _find_authority(certificate: TokenCertificate, issuers: Sequence[Issuer]) -> str:
    """Returns the id of the CA that issued a certificate, or one above it on the card; empty if none is known."""
    for der in (certificate.der, *certificate.chain_der):
        try:
            parsed = asn1_x509.Certificate.load(der)
            identifier = parsed.authority_key_identifier_value
            key_identifier = identifier["key_identifier"].native if identifier is not None else None
            for issuer in issuers:
                if key_identifier and issuer.key_identifier:
                    is_issuer = key_identifier == issuer.key_identifier
                else:
                    # By RFC 5280, 7.1: the same characters in another kind of string are the same name.
                    is_issuer = parsed.issuer == asn1_x509.Name.load(issuer.name)
                if is_issuer:
                    return issuer.authority
        except (ValueError, TypeError, KeyError):
            # A certificate that one library reads and another does not: the server judges it.
            continue
    return ""


def _find_refusal(
    certificate: x509.Certificate, authority: str, issuers: Sequence[Issuer], now: datetime
) -> Refusal | None:
    try:
        choose_algorithm(certificate)
    except Refusal as refusal:
        return refusal
    except ValueError:
        return Refusal("CARD_KEY_NOT_SUPPORTED", metadata={"key": certificate.public_key_algorithm_oid.dotted_string})
    if issuers and not authority:
        metadata = {"issuer": certificate.issuer.rfc4514_string(), "issuer_name": _name_issuer(certificate)}
        return Refusal("CERTIFICATE_AUTHORITY_UNKNOWN", Code.FAILED_PRECONDITION, metadata)
    if certificate.not_valid_after_utc < now:
        return _outside_validity("CERTIFICATE_EXPIRED", certificate.not_valid_after_utc)
    if certificate.not_valid_before_utc > now:
        return _outside_validity("CERTIFICATE_NOT_YET_VALID", certificate.not_valid_before_utc)
    return None


def _name_issuer(certificate: x509.Certificate) -> str:
    names = (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME)
    values = (str(each.value) for name in names for each in certificate.issuer.get_attributes_for_oid(name))
    return next(values, certificate.issuer.rfc4514_string())


def _outside_validity(reason: str, at: datetime) -> Refusal:
    metadata = {"at": at.astimezone(UTC).isoformat(), "date": f"{at.astimezone(_JAPAN):%Y/%m/%d}"}
    return Refusal(reason, Code.FAILED_PRECONDITION, metadata)

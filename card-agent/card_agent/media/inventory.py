"""Finds every medium of this PC with its certificates: cards in readers, tokens of modules, and files.

What can't be used is found too, with the reason. No PIN is asked and none is sent, so that looking costs no try.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]  # it has no type hints
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from card_agent.clock import JAPAN
from card_agent.media.certificate_der import load_certificate
from card_agent.media.found import FoundCertificate, FoundMedium
from card_agent.media.jpki import JpkiCard
from card_agent.media.pcsc import PATIENCE, CardApplication, CardInReader, Reader, list_readers
from card_agent.media.piv import SLOTS
from card_agent.media.pkcs11 import Pkcs11Module, TokenInModule
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.pkcs12_structure import read_structure
from card_agent.media.token import TokenCertificate, choose_algorithm, public_key, refuse_key
from refusals import Code, Refusal

# Seconds to wait for a card that another program uses: the list of what is there should not wait for it.
_PATIENCE = 2.0
_LEAST_RSA_BITS = 2048


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
    # After the readers, because a module may hold a card for as long as it looks at it.
    found += _look_into_all([Pkcs11Module(path).list_media for path in sources.modules])
    found += _look_into_all([partial(_look_into_file, path) for path in sources.files])
    return tuple(_judge_medium(_find_in_module(medium, found), issuers, now) for medium in found)


def list_usable(found: Sequence[FoundMedium]) -> tuple[tuple[FoundMedium, FoundCertificate], ...]:
    """Returns the certificates that can be used, each once: a card may be found by its reader and by a module."""
    usable: dict[bytes, tuple[FoundMedium, FoundCertificate]] = {}
    for medium in found:
        for certificate in medium.certificates:
            if certificate.refusal is None and medium.refusal is None and medium.medium is not None:
                usable.setdefault(certificate.certificate.der, (medium, certificate))
    return tuple(usable.values())


def needs_pin_first(found: FoundMedium) -> bool:
    """Returns whether the certificates that sign can be read only after the PIN: of My Number cards, and of files."""
    return found.refusal is None and found.medium is not None and not found.certificates


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
    """Returns what is found in several places at once, in their order: one that waits does not hold up the others."""
    outcomes: dict[int, Sequence[FoundMedium] | BaseException] = {}

    def look(number: int) -> None:
        try:
            outcomes[number] = looks[number]()
        except BaseException as error:
            outcomes[number] = error

    # As daemons, because a card that does not answer must not hold up the end of the command.
    threads = [
        threading.Thread(target=look, args=(number,), name="looking for cards", daemon=True)
        for number in range(len(looks))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found: list[FoundMedium] = []
    for number in range(len(looks)):
        outcome = outcomes[number]
        if isinstance(outcome, BaseException):
            raise outcome
        found += outcome
    return found


def _look_into_reader(reader: Reader) -> Sequence[FoundMedium]:
    unknown = CardInReader(reader.name)
    if not reader.card_inserted:
        refusal = Refusal("CARD_NOT_INSERTED", metadata={"reader": reader.name})
        return [FoundMedium(reader.name, unknown, refusal=refusal)]
    try:
        medium = replace(unknown, patience=_PATIENCE).identify()
        if medium.application is CardApplication.PIV:
            found = [each for slot in SLOTS for each in _look_into_card(replace(medium, slot=slot))]
            return found or [_without_certificate(reader.name, medium)]
        return _look_into_card(medium)
    except Refusal as refusal:
        return [FoundMedium(reader.name, unknown, refusal=refusal)]


def _look_into_card(medium: CardInReader) -> Sequence[FoundMedium]:
    """Returns the certificates that can be read without a PIN, of a PIV card those of one slot; nothing if it is empty.

    The medium that was found waits for other programs as long as any use of a card does.
    """
    place, found = str(medium.reader), replace(medium, patience=PATIENCE)
    with medium.open() as token:
        tries = (token.pin_tries_left(), token.tries_are_shared)
        unusable = tuple(
            FoundCertificate(certificate, refusal=refusal) for certificate, refusal in token.list_unusable()
        )
        # Those are no reason not to ask for the PIN of the others, and so found apart.
        others = [FoundMedium(place, found, unusable)] if unusable else []
        if isinstance(token, JpkiCard):
            return [FoundMedium(place, found, (), *tries, issuer=token.read_issuer()), *others]
        try:
            certificates = tuple(FoundCertificate(certificate) for certificate in token.certificates())
        except Refusal as refusal:
            if refusal.reason == "CARD_WITHOUT_CERTIFICATE":
                return others
            if refusal.reason != "CERTIFICATE_MALFORMED":
                raise
            return [FoundMedium(place, found, refusal=refusal), *others]
        return [FoundMedium(place, found, certificates, *tries), *others]


def _without_certificate(place: str, medium: CardInReader) -> FoundMedium:
    refusal = Refusal("CARD_WITHOUT_CERTIFICATE", Code.NOT_FOUND, {"slot": ", ".join(SLOTS)})
    return FoundMedium(place, replace(medium, patience=PATIENCE), refusal=refusal)


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


def _find_in_module(medium: FoundMedium, found: Sequence[FoundMedium]) -> FoundMedium:
    """Returns a reader whose card only a module knows, with that as its reason: CARD_USED_BY_MODULE.

    Most CAs' cards are none that the agent could read by itself. A module names a reader as PC/SC does, or shorter.
    """
    if medium.refusal is None or medium.refusal.reason != "CARD_NOT_SUPPORTED":
        return medium
    for each in found:
        if each.refusal is None and isinstance(each.medium, TokenInModule) and each.medium.token is not None:
            reader = each.medium.token.reader
            if reader and medium.place.startswith(reader):
                return replace(medium, refusal=Refusal("CARD_USED_BY_MODULE", metadata={"token": each.place}))
    return medium


def _judge_medium(medium: FoundMedium, issuers: Sequence[Issuer], now: datetime) -> FoundMedium:
    if medium.issuer and issuers and not any(_is_certificate_of(medium.issuer, issuer) for issuer in issuers):
        # Nobody has to type a PIN for it.
        return replace(medium, refusal=_refuse_issuer(load_certificate(medium.issuer).subject))
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


def _is_certificate_of(der: bytes, issuer: Issuer) -> bool:
    """Returns whether a CA's certificate is that of a key of the instance."""
    try:
        parsed = asn1_x509.Certificate.load(der)
        if parsed.key_identifier and issuer.key_identifier:
            return bool(parsed.key_identifier == issuer.key_identifier)
        return bool(parsed.subject == asn1_x509.Name.load(issuer.name))
    except (ValueError, TypeError, KeyError):
        # The server judges it.
        return True


def _find_refusal(
    certificate: x509.Certificate, authority: str, issuers: Sequence[Issuer], now: datetime
) -> Refusal | None:
    try:
        choose_algorithm(certificate)
        key = public_key(certificate)
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
            return refuse_key(key)
    except Refusal as refusal:
        return refusal
    except ValueError:
        return Refusal("CARD_KEY_NOT_SUPPORTED", metadata={"key": certificate.public_key_algorithm_oid.dotted_string})
    if not _may_sign(certificate):
        return Refusal("CERTIFICATE_NOT_FOR_SIGNING", Code.FAILED_PRECONDITION, {"cause": "key_usage"})
    if issuers and not authority:
        return _refuse_issuer(certificate.issuer)
    if certificate.not_valid_after_utc < now:
        return _outside_validity("CERTIFICATE_EXPIRED", certificate.not_valid_after_utc)
    if certificate.not_valid_before_utc > now:
        return _outside_validity("CERTIFICATE_NOT_YET_VALID", certificate.not_valid_before_utc)
    return None


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return True
    return usage.digital_signature or usage.content_commitment


def _refuse_issuer(issuer: x509.Name) -> Refusal:
    metadata = {"issuer": issuer.rfc4514_string(), "issuer_name": _name_issuer(issuer)}
    return Refusal("CERTIFICATE_AUTHORITY_UNKNOWN", Code.FAILED_PRECONDITION, metadata)


def _name_issuer(issuer: x509.Name) -> str:
    names = (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME)
    values = (str(each.value) for name in names for each in issuer.get_attributes_for_oid(name))
    return next(values, issuer.rfc4514_string())


def _outside_validity(reason: str, at: datetime) -> Refusal:
    metadata = {"at": at.astimezone(UTC).isoformat(), "date": f"{at.astimezone(JAPAN):%Y/%m/%d}"}
    return Refusal(reason, Code.FAILED_PRECONDITION, metadata)

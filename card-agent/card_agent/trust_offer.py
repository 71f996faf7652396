"""Changes of the trust file: an operator's file is looked at, and taken over once the person agrees."""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from card_agent.private_files import write_private
from card_agent.trust import TrustedInstance, check_endpoints, load_entries, read_entry, read_trust_file
from refusals import Code, Refusal

_PEM = "-----BEGIN CERTIFICATE-----"
_FOLDER = "authorities"
_MOST_BYTES = 256 * 1024
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class OfferedInstance:
    """An instance of an operator's file, with the certificates of its CA in PEM; empty: the system's CAs."""

    instance: TrustedInstance
    authority_pem: str = field(default="", repr=False)

    @property
    def authority_fingerprints(self) -> tuple[str, ...]:
        """The SHA-256 of each certificate of the CA in DER."""
        if not self.authority_pem:
            return ()
        certificates = x509.load_pem_x509_certificates(self.authority_pem.encode())
        return tuple(_write_fingerprint(each.public_bytes(Encoding.DER)) for each in certificates)


def read_offer(file: Path) -> tuple[OfferedInstance, ...]:
    """Returns the instances of an operator's file; the CA of each stands in it in PEM, or lies beside it.

    Raises FILE_UNREADABLE, TRUST_FILE_INVALID with `part`.
    """
    offers = [_read_offer(file, id, entry) for id, entry in load_entries(file).items()]
    check_endpoints(file, [offer.instance for offer in offers])
    return tuple(offers)


def read_server_key(offer: OfferedInstance) -> str:
    """Returns the SHA-256 of the key (SubjectPublicKeyInfo) that the instance's server shows now.

    Raises ENDPOINT_NOT_TRUSTED where its certificate is not of the CA, PEER_UNREACHABLE.
    """
    host, _, port = offer.instance.endpoint.rpartition(":")
    context = ssl.create_default_context(cadata=offer.authority_pem or None)
    # What newer Pythons ask of a chain beyond RFC 5280's path validation, the calls that follow do not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["h2"])
    name = host.strip("[]")
    try:
        with (
            socket.create_connection((name, int(port)), _CONNECT_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=name) as secured,
        ):
            der = secured.getpeercert(binary_form=True) or b""
    except ssl.SSLCertVerificationError as error:
        raise Refusal("ENDPOINT_NOT_TRUSTED", Code.UNAUTHENTICATED) from error
    except OSError as error:
        raise Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE) from error
    key = x509.load_der_x509_certificate(der).public_key()
    return _write_fingerprint(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def add_trusted(file: Path, offers: Sequence[OfferedInstance]) -> None:
    """Writes the instances into a trust file, in place of those with the same id.

    Raises TRUST_FILE_INVALID, FILE_UNREADABLE, and FILE_UNWRITABLE after which the trust file is as it was.
    """
    check_addition(file, offers)
    added = {offer.instance.id for offer in offers}
    kept = [instance for instance in read_trust_file(file) if instance.id not in added]
    try:
        (file.parent / _FOLDER).mkdir(parents=True, exist_ok=True)
        _write_file(file, [*kept, *(_save_authority(file, offer) for offer in offers)])
    except OSError as error:
        raise Refusal("FILE_UNWRITABLE", Code.UNAVAILABLE, {"file": str(file)}) from error


def check_addition(file: Path, offers: Sequence[OfferedInstance]) -> None:
    """Checks that a trust file can have the instances; raises as `read_trust_file`."""
    added = {offer.instance.id for offer in offers}
    kept = [instance for instance in read_trust_file(file) if instance.id not in added]
    check_endpoints(file, [*kept, *(offer.instance for offer in offers)])


def remove_trusted(file: Path, instance_id: str) -> None:
    """Removes an instance from a trust file. Raises as `add_trusted`."""
    try:
        _write_file(file, [instance for instance in read_trust_file(file) if instance.id != instance_id])
    except OSError as error:
        raise Refusal("FILE_UNWRITABLE", Code.UNAVAILABLE, {"file": str(file)}) from error


def _read_offer(file: Path, id: object, entry: object) -> OfferedInstance:
    pem = ""
    if isinstance(entry, dict) and str(entry.get("authority", "")).startswith(_PEM):
        pem = str(entry["authority"])
        entry = {key: value for key, value in entry.items() if key != "authority"}
    instance = read_entry(file, id, entry)
    if instance.authority is not None:
        try:
            pem = instance.authority.read_bytes()[:_MOST_BYTES].decode("ascii")
        except (OSError, ValueError) as error:
            raise Refusal("FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"file": str(instance.authority)}) from error
    try:
        offer = OfferedInstance(instance, pem)
        if pem and not offer.authority_fingerprints:
            raise ValueError
    except ValueError as error:
        metadata = {"file": str(file), "part": f"{instance.id}.authority"}
        raise Refusal("TRUST_FILE_INVALID", Code.INVALID_ARGUMENT, metadata) from error
    return offer


def _save_authority(file: Path, offer: OfferedInstance) -> TrustedInstance:
    if not offer.authority_pem:
        return replace(offer.instance, authority=None)
    # Named by its content: the entry that stands until the new one is written keeps its own.
    content = sha256(offer.authority_pem.encode()).hexdigest()[:16]
    authority = file.parent / _FOLDER / f"{content}.pem"
    write_private(authority, offer.authority_pem)
    return replace(offer.instance, authority=authority)


def _write_file(file: Path, instances: Sequence[TrustedInstance]) -> None:
    entries = {instance.id: _write_entry(file, instance) for instance in instances}
    write_private(file, yaml.safe_dump(entries, allow_unicode=True, sort_keys=False))


def _write_entry(file: Path, instance: TrustedInstance) -> dict[str, str]:
    entry = {"endpoint": instance.endpoint}
    if instance.authority is not None:
        is_beside = instance.authority.is_relative_to(file.parent)
        authority = instance.authority.relative_to(file.parent).as_posix() if is_beside else str(instance.authority)
        entry["authority"] = authority
    addresses = {"portal": instance.portal, "return": instance.return_address, "releases": instance.releases}
    return {**entry, **{key: address for key, address in addresses.items() if address}}


def _write_fingerprint(content: bytes) -> str:
    return sha256(content).digest().hex(":").upper()

"""Throw-away CAs and certificates for one machine, in the shapes that design section 8 asks for.

`<directory>/{services,agencies,officers,public}/` each hold a CA (`ca.crt`, `ca.key`) and what it issued. A certificate
that still stands is kept; one that is near its end, or of another CA, or for another name, is issued anew with its old
key, so that registered fingerprints stay true.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
LEAF_DAYS = 90
# A certificate with less than this left is issued anew at the next start.
RENEW_DAYS = 30
FRONT_DOOR = "front-door"


@dataclass(frozen=True, slots=True)
class Identity:
    """The PEM files of one certificate: itself, its key, and the CA that issued it."""

    certificate: Path
    private_key: Path
    authority: Path

    def key_sha256(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo (DER), in hexadecimal: how a caller is registered."""
        key = x509.load_pem_x509_certificate(self.certificate.read_bytes()).public_key()
        return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


@dataclass(frozen=True, slots=True)
class InstanceCertificates:
    """Where everything stands. Officers are named `agency/person`."""

    services: Mapping[str, Identity]
    agencies: Mapping[str, Identity]
    officers: Mapping[str, Identity]
    # What the front door shows at its public listener.
    public: Identity
    # The CAs of agencies and of officers, one after the other: what an agency listener trusts.
    agency_clients_authorities: Path
    # Ed25519: qualification-registry signs bidder proofs, certificate-registry checks them.
    bidder_proof_private: Path
    bidder_proof_public: Path
    # The registered callers: agencies and officers with roles and key fingerprints.
    callers: Path


def identity_files(directory: Path, kind: str, name: str) -> Identity:
    """Where a certificate stands; `kind` is services, agencies, officers (`name` is `agency/person`) or public."""
    folder = directory / kind
    return Identity(folder / f"{name}.crt", folder / f"{name}.key", folder / "ca.crt")


def issue_instance_certificates(
    directory: Path,
    *,
    instance: str,
    services: Iterable[str],
    agencies: Iterable[str],
    officers: Mapping[str, Sequence[str]],
    now: datetime,
) -> InstanceCertificates:
    """Makes what is missing or near its end, and gives all. `officers` maps `agency/person` to roles.

    Files are PEM, 0600, folders 0700; each is written whole before it takes its name, so that a running service never
    reads half of one.
    """
    authorities = {
        kind: _Authority(directory / kind, f"Toroku {instance} {kind}, one machine only", now)
        for kind in ("services", "agencies", "officers", "public")
    }
    spiffe = f"spiffe://{instance}"
    of_services = {
        name: authorities["services"].issue(name, uri=f"{spiffe}/service/{name}", server=True) for name in services
    }
    of_agencies = {code: authorities["agencies"].issue(code, uri=f"{spiffe}/agency/{code}") for code in agencies}
    of_officers = {name: authorities["officers"].issue(name, uri=f"{spiffe}/officer/{name}") for name in officers}
    bundle = directory / "agency-clients-ca.crt"
    write_private(bundle, b"".join(authorities[kind].file.read_bytes() for kind in ("agencies", "officers")))
    proof_private, proof_public = directory / "bidder-proof.key", directory / "bidder-proof.pub"
    _provide_proof_key(proof_private, proof_public)
    callers = directory / "callers.yaml"
    registered = {
        "agencies": {code: {"key_sha256": [identity.key_sha256()]} for code, identity in of_agencies.items()},
        "officers": {
            name: {"roles": list(officers[name]), "key_sha256": [identity.key_sha256()]}
            for name, identity in of_officers.items()
        },
    }
    write_private(callers, yaml.safe_dump(registered, sort_keys=True).encode())
    return InstanceCertificates(
        services=of_services,
        agencies=of_agencies,
        officers=of_officers,
        public=authorities["public"].issue(FRONT_DOOR, uri=None, server=True),
        agency_clients_authorities=bundle,
        bidder_proof_private=proof_private,
        bidder_proof_public=proof_public,
        callers=callers,
    )


class _Authority:
    """One CA with its folder. Its key stays there, because it issues again at the next start."""

    def __init__(self, folder: Path, name: str, now: datetime) -> None:
        self._folder = folder
        self._now = now
        self.file = folder / "ca.crt"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._key = _provide_key(folder / "ca.key")
        found = _read(self.file)
        if found is None or not _lasts(found, now) or found.public_key() != self._key.public_key():
            found = self._sign_itself(name)
            write_private(self.file, found.public_bytes(Encoding.PEM))
        self._certificate = found

    def issue(self, name: str, *, uri: str | None, server: bool = False) -> Identity:
        """The certificate of `name`, whose files stand at that path in the folder."""
        identity = identity_files(self._folder.parent, self._folder.name, name)
        identity.certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)] if uri else []
        if server:
            # Peers ask for a service by its own name (docs/adr/0002), wherever it runs.
            names += [x509.DNSName(name), x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
        wanted = x509.SubjectAlternativeName(names)
        key = _provide_key(identity.private_key)
        found = _read(identity.certificate)
        if found is None or not self._stands(found, key, wanted):
            write_private(identity.certificate, self._sign_leaf(name, key, wanted).public_bytes(Encoding.PEM))
        return identity

    def _stands(
        self, found: x509.Certificate, key: ec.EllipticCurvePrivateKey, wanted: x509.SubjectAlternativeName
    ) -> bool:
        try:
            found.verify_directly_issued_by(self._certificate)
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        return names == wanted and found.public_key() == key.public_key() and _lasts(found, self._now)

    def _sign_itself(self, name: str) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        own = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        return (
            self._begin(subject, subject, self._key, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(own, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _sign_leaf(
        self, name: str, key: ec.EllipticCurvePrivateKey, names: x509.SubjectAlternativeName
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        return (
            self._begin(subject, self._certificate.subject, key, LEAF_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(purposes, critical=False)
            .add_extension(names, critical=False)
            .add_extension(issuer, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _begin(
        self, subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            # Clocks of one machine can be set back a little.
            .not_valid_before(self._now - timedelta(minutes=5))
            .not_valid_after(self._now + timedelta(days=days))
        )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _lasts(certificate: x509.Certificate, now: datetime) -> bool:
    until = certificate.not_valid_after_utc - timedelta(days=RENEW_DAYS)
    return certificate.not_valid_before_utc <= now < until


def _read(file: Path) -> x509.Certificate | None:
    """The certificate in a file; None where there is none that can be read, which means that it is made anew."""
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _provide_key(file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        found: PrivateKeyTypes | None = load_pem_private_key(file.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        found = None
    if isinstance(found, ec.EllipticCurvePrivateKey):
        return found
    made = ec.generate_private_key(ec.SECP256R1())
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


def _provide_proof_key(private: Path, public: Path) -> None:
    try:
        key = load_pem_private_key(private.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        key = ed25519.Ed25519PrivateKey.generate()
        write_private(private, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_private(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def write_private(file: Path, content: bytes) -> None:
    """Writes whole and 0600; the same content leaves the file as it is, so that nobody reads it again for nothing."""
    if file.exists() and file.read_bytes() == content:
        return
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(content)
    fresh.replace(file)

"""The private CAs and certificates of an instance on one machine or in containers: for trials, not for production.

`<directory>/{services,agencies,officers,public}/` each hold a CA (`ca.crt`, `ca.key`) and the certificates that it
issued. A valid certificate is kept. One that expires soon, or is of another CA or for another name, is reissued for its
old key, so that registered key fingerprints remain valid.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
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

from instance_profile.base import OPERATOR

AUTHORITY_DAYS = 3650
LEAF_DAYS = 90
# A certificate that expires within this time is reissued at the next start.
RENEW_DAYS = 30
FRONT_DOOR, PORTAL = "front-door", "portal"
# Every agency gets a certificate for one officer, and so does the operator.
OFFICER = "officer"
# The two officers of the file of callers, for the first day and for emergencies.
ADMINISTRATORS = (f"{OPERATOR}/administrator-1", f"{OPERATOR}/administrator-2")


@dataclass(frozen=True, slots=True)
class Identity:
    """The PEM files of one certificate: itself, its key, and the CA that issued it."""

    certificate: Path
    private_key: Path
    authority: Path

    def key_sha256(self) -> str:
        """Returns the SHA-256 of the SubjectPublicKeyInfo (DER) in hexadecimal, by which a caller is registered."""
        key = x509.load_pem_x509_certificate(self.certificate.read_bytes()).public_key()
        return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


@dataclass(frozen=True, slots=True)
class InstanceCertificates:
    """The files of an instance. Officers are named `agency/person`, the operator's `operator/person`.

    A certificate alone makes nobody an officer, but for the two administrators.
    """

    services: Mapping[str, Identity]
    agencies: Mapping[str, Identity]
    officers: Mapping[str, Identity]
    # Presented by the front door at its public listener.
    public: Identity
    # Presented by the portal.
    portal: Identity
    # The CAs that an agency listener trusts: for agencies, and for officers.
    agency_clients_authorities: Path
    officer_clients_authorities: Path
    # Ed25519: qualification-registry signs bidder proofs, and both registries check them.
    bidder_proof_private: Path
    bidder_proof_public: Path
    # Ed25519: certificate-registry signs officer proofs, which every service with an agency listener verifies.
    officer_proof_private: Path
    officer_proof_public: Path
    # Ed25519: certificate-registry signs act proofs, which contact-notification verifies.
    act_proof_private: Path
    act_proof_public: Path
    # Ed25519: the registries' workers seal their histories; whoever verifies a history has the public half.
    history_private: Path
    history_public: Path
    # Ed25519: agency-sync's worker signs snapshots of the agencies' feeds; agencies have the public half.
    feed_private: Path
    feed_public: Path
    # Ed25519: the key of the secrets that are mailed is derived from it, by who seals them and by who mails them.
    mailed_secret_key: Path
    # Ed25519: the key of the portal's drafts is derived from it.
    draft_key: Path
    # The registered callers: agencies and two administrators, with key fingerprints.
    callers: Path


def locate_identity(directory: Path, kind: str, name: str) -> Identity:
    """Returns the paths of a certificate; `kind` is services, agencies, officers (named `agency/person`) or public."""
    folder = directory / kind
    return Identity(folder / f"{name}.crt", folder / f"{name}.key", folder / "ca.crt")


def issue_instance_certificates(
    directory: Path,
    *,
    instance: str,
    services: Iterable[str],
    agencies: Iterable[str],
    officers: Iterable[str],
    now: datetime,
) -> InstanceCertificates:
    """Issues the missing and expiring certificates, and returns all. `officers` are persons as `agency/person`.

    Two administrators of the operator get certificates too, and they alone are registered in the file of callers.

    Files are PEM and 0600, folders 0700; each file is replaced atomically, so that a running service never reads a
    partial one.
    """
    authorities = {
        kind: _Authority(directory / kind, f"Toroku {instance} {kind}, one machine only", now)
        for kind in ("services", "agencies", "officers", "public")
    }
    spiffe = f"spiffe://{instance}"
    service_identities = {
        name: authorities["services"].issue(name, uri=f"{spiffe}/service/{name}", server=True) for name in services
    }
    agency_identities = {code: authorities["agencies"].issue(code, uri=f"{spiffe}/agency/{code}") for code in agencies}
    officer_identities = {
        name: authorities["officers"].issue(name, uri=f"{spiffe}/officer/{name}")
        for name in (*ADMINISTRATORS, *officers)
    }
    proof_private, proof_public = _provide_signing_key(directory, "bidder-proof")
    officer_proof_private, officer_proof_public = _provide_signing_key(directory, "officer-proof")
    act_proof_private, act_proof_public = _provide_signing_key(directory, "act-proof")
    history_private, history_public = _provide_signing_key(directory, "history")
    feed_private, feed_public = _provide_signing_key(directory, "feed")
    mailed_secret_key = directory / "mailed-secrets.key"
    _provide_ed25519_key(mailed_secret_key)
    draft_key = directory / "drafts.key"
    _provide_ed25519_key(draft_key)
    callers = directory / "callers.yaml"
    registrations = {
        "agencies": {code: {"key_sha256": [identity.key_sha256()]} for code, identity in agency_identities.items()},
        "officers": {
            name: {"roles": ["administrator"], "key_sha256": [officer_identities[name].key_sha256()]}
            for name in ADMINISTRATORS
        },
    }
    write_private(callers, yaml.safe_dump(registrations, sort_keys=True).encode())
    return InstanceCertificates(
        services=service_identities,
        agencies=agency_identities,
        officers=officer_identities,
        public=authorities["public"].issue(FRONT_DOOR, uri=None, server=True),
        portal=authorities["public"].issue(PORTAL, uri=None, server=True),
        agency_clients_authorities=authorities["agencies"].file,
        officer_clients_authorities=authorities["officers"].file,
        bidder_proof_private=proof_private,
        bidder_proof_public=proof_public,
        officer_proof_private=officer_proof_private,
        officer_proof_public=officer_proof_public,
        act_proof_private=act_proof_private,
        act_proof_public=act_proof_public,
        history_private=history_private,
        history_public=history_public,
        feed_private=feed_private,
        feed_public=feed_public,
        mailed_secret_key=mailed_secret_key,
        draft_key=draft_key,
        callers=callers,
    )


def list_default_officers(agencies: Iterable[str]) -> list[str]:
    """Returns one person for every agency and one for the operator, `agency/officer`, who are to have certificates."""
    return [f"{agency}/{OFFICER}" for agency in (*agencies, OPERATOR)]


class _Authority:
    """A CA in its folder. Its key stays there, because it issues again at the next start."""

    def __init__(self, folder: Path, name: str, now: datetime) -> None:
        self._folder = folder
        self._now = now
        self.file = folder / "ca.crt"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._key = _provide_key(folder / "ca.key")
        certificate = _read(self.file)
        if certificate is None or not _is_valid(certificate, now) or certificate.public_key() != self._key.public_key():
            certificate = self._sign_itself(name)
            write_private(self.file, certificate.public_bytes(Encoding.PEM))
        self._certificate = certificate

    def issue(self, name: str, *, uri: str | None, server: bool = False) -> Identity:
        """Returns the certificate of `name`, issued anew where it has to be; `name` is its path in the folder."""
        identity = locate_identity(self._folder.parent, self._folder.name, name)
        identity.certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)] if uri else []
        if server:
            # Peers verify a service by its own name (docs/adr/0002), on whatever host it runs.
            names += [x509.DNSName(name), x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
        alternative_name = x509.SubjectAlternativeName(names)
        key = _provide_key(identity.private_key)
        certificate = _read(identity.certificate)
        if certificate is None or not self._may_keep(certificate, key, alternative_name):
            certificate = self._sign_leaf(name, key, alternative_name)
            write_private(identity.certificate, certificate.public_bytes(Encoding.PEM))
        return identity

    def _may_keep(
        self,
        certificate: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        alternative_name: x509.SubjectAlternativeName,
    ) -> bool:
        try:
            certificate.verify_directly_issued_by(self._certificate)
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        if names != alternative_name or certificate.public_key() != key.public_key():
            return False
        return _is_valid(certificate, self._now)

    def _sign_itself(self, name: str) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        key_identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        return (
            self._begin(subject, subject, self._key, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(key_identifier, critical=False)
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
            # The machine's clock may be set back a little.
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


def _is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    renewal = certificate.not_valid_after_utc - timedelta(days=RENEW_DAYS)
    return certificate.not_valid_before_utc <= now < renewal


def _read(file: Path) -> x509.Certificate | None:
    """Returns the certificate in a file, or None where it has to be issued anew: missing or unreadable."""
    try:
        return x509.load_pem_x509_certificate(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _provide_key(file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key: PrivateKeyTypes | None = load_pem_private_key(file.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        key = None
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key
    new_key = ec.generate_private_key(ec.SECP256R1())
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, new_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return new_key


def _provide_signing_key(directory: Path, name: str) -> tuple[Path, Path]:
    """Returns the files of an Ed25519 key, private and public; makes the key where it is missing or unreadable.

    A new public key is added to those in the file: what earlier keys signed is verified with theirs.
    """
    private, public = directory / f"{name}.key", directory / f"{name}.pub"
    key = _provide_ed25519_key(private)
    added = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    known = public.read_bytes() if public.exists() else b""
    write_private(public, known if added in known else known + added)
    return private, public


def write_private(file: Path, content: bytes) -> None:
    """Writes a file atomically, 0600; leaves it untouched if it has this content, so that no reader reloads it."""
    if file.exists() and file.read_bytes() == content:
        return
    new_file = file.with_name(file.name + ".new")
    new_file.unlink(missing_ok=True)
    with os.fdopen(os.open(new_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
    new_file.replace(file)


def _provide_ed25519_key(file: Path) -> PrivateKeyTypes:
    """Returns the key of a file; makes it where it is missing or unreadable."""
    try:
        return load_pem_private_key(file.read_bytes(), None)
    except (FileNotFoundError, ValueError):
        key = ed25519.Ed25519PrivateKey.generate()
        write_private(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return key

"""A service in this process with the real server around it: mTLS on loopback, access options, refusals as status."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf.descriptor import ServiceDescriptor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from servicekit.access import ListenerKind, build_access_table
from servicekit.authorities import AuthorityBundle, CallerAuthorities
from servicekit.call_counts import Counts
from servicekit.calls import CallInterceptor
from servicekit.clients import Peers
from servicekit.clock import now
from servicekit.credentials import CertificateFiles, server_credentials
from servicekit.identity import RegisteredCallers
from servicekit.officers import Officer, OfficerDirectory
from servicekit.request_sizes import build_size_table
from servicekit.signed_statement import VerifyingKeys
from servicekit.telemetry import Telemetry

_LIFETIME = timedelta(days=1)
_AUTHORITY_LIFETIME = timedelta(days=3650)
Services = Mapping[ServiceDescriptor, Callable[[grpc.aio.Server], None]]


class KnownOfficers:
    """The officers whom a server knows that has no table of them."""

    def __init__(self) -> None:
        self._officers: dict[bytes, Officer] = {}

    def add(self, name: str, roles: Sequence[str], files: CertificateFiles) -> None:
        """Makes the owner of a certificate an officer with these roles, in place of who had this name before."""
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        agency, _, person_id = name.partition("/")
        encoded = certificate.public_bytes(serialization.Encoding.DER)
        self._officers[hashlib.sha256(encoded).digest()] = Officer(
            person_id=person_id,
            agency=agency,
            roles=frozenset(roles),
            certificate=encoded,
            valid_until=certificate.not_valid_after_utc,
            is_withdrawn=False,
        )

    async def find_officer(self, certificate_sha256: bytes) -> Officer | None:
        """Returns whose certificate it is; None where nobody's."""
        return self._officers.get(certificate_sha256)


class Authority:
    """A throw-away CA for services, agencies and officers of one instance, with its files in `folder`."""

    def __init__(self, folder: Path, instance: str) -> None:
        self._folder = folder
        self._instance = instance
        self._key = ec.generate_private_key(ec.SECP256R1())
        # TLS finds the CA of a certificate by its name.
        name = f"throw-away CA {folder.name[:40]}"
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = (
            _certificate(self._name, self._name, self._key.public_key(), _AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.trusted = folder / "ca.pem"
        self.trusted.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self._persons = 0
        self._agencies: dict[str, dict[str, list[str]]] = {}
        self._officers: dict[str, dict[str, list[str]]] = {}
        self.callers = folder / "callers.yaml"
        self.known = KnownOfficers()

    def service(self, name: str, lifetime: timedelta = _LIFETIME) -> CertificateFiles:
        """Issues the certificate of a service, for it as server and as client."""
        return self._issue(f"service/{name}", name, lifetime=lifetime)[0]

    def named(self, name: str, *uris: str) -> CertificateFiles:
        """Issues a certificate with arbitrary URI names."""
        return self._issue("", name, uris)[0]

    def person(self, name: str, lifetime: timedelta = timedelta(days=30)) -> CertificateFiles:
        """Issues a certificate for a person, without a name that counts; each call another one."""
        self._persons += 1
        return self._issue("", f"{name.replace('/', '-')}-{self._persons}", lifetime=lifetime)[0]

    def agency(self, code: str, lifetime: timedelta = _LIFETIME) -> CertificateFiles:
        """Issues the certificate of an agency's system, and registers its key."""
        files, key_sha256 = self._issue(f"agency/{code}", code, lifetime=lifetime)
        self._agencies[code] = {"key_sha256": [key_sha256]}
        self._write_callers()
        return files

    def officer(self, name: str, *roles: str, lifetime: timedelta = _LIFETIME) -> CertificateFiles:
        """Issues the certificate of an officer (`agency/person`) with these roles, and registers its key."""
        files, key_sha256 = self._issue(f"officer/{name}", name.replace("/", "-"), lifetime=lifetime)
        self._officers[name] = {"key_sha256": [key_sha256], "roles": list(roles)}
        self._write_callers()
        return files

    def forget(self, name: str) -> None:
        """Takes an officer out of the file of callers."""
        del self._officers[name]
        self._write_callers()

    def enrol(self, name: str, *roles: str) -> CertificateFiles:
        """Issues the certificate of an officer (`agency/person`), whom servers without a table of officers know."""
        files, _ = self._issue(f"officer/{name}", name.replace("/", "-"))
        self.known.add(name, roles, files)
        return files

    def _write_callers(self) -> None:
        self.callers.write_text(yaml.safe_dump({"agencies": self._agencies, "officers": self._officers}), "utf-8")

    def _issue(
        self, path: str, name: str, uris: Sequence[str] = (), *, lifetime: timedelta = _LIFETIME
    ) -> tuple[CertificateFiles, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            *map(x509.UniformResourceIdentifier, uris if not path else [f"spiffe://{self._instance}/{path}"]),
            x509.DNSName(name),
            x509.IPAddress(ip_address("127.0.0.1")),
        ]
        certificate = (
            _certificate(x509.Name([]), self._name, key.public_key(), lifetime)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        files = CertificateFiles(self._folder / f"{name}.pem", self._folder / f"{name}.key", self.trusted)
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files.private_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return files, hashlib.sha256(public).hexdigest()


@asynccontextmanager
async def serving(
    authority: Authority,
    name: str,
    services: Services,
    *,
    instance: str,
    listener: ListenerKind = ListenerKind.INTERNAL,
    spans: InMemorySpanExporter | None = None,
    officers: OfficerDirectory | None = None,
    proof_keys: VerifyingKeys | None = None,
    officers_ca: Path | None = None,
    also_trusted: Path | None = None,
    clock: Callable[[], datetime] = now,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[str]:
    """Serves until the block ends, at a free port of the host unless one is given; yields the address.

    `spans` gets those of the calls that their callers trace. Without `officers`, those of the authority count.
    Officers' CAs are those of `officers_ca`, or the authority; TLS trusts the authority and the CAs of `also_trusted`.
    """
    provider = TracerProvider()
    if spans is not None:
        provider.add_span_processor(SimpleSpanProcessor(spans))
    sizes = build_size_table(services)
    interceptor = CallInterceptor(
        instance=instance,
        listener=listener,
        access=build_access_table(services),
        registered=RegisteredCallers(authority.callers),
        authorities=CallerAuthorities(officers=AuthorityBundle(officers_ca or authority.trusted)),
        telemetry=Telemetry(provider, 0),
        counts=Counts(),
        request_sizes=sizes,
        officers=officers or authority.known,
        proof_keys=proof_keys,
        clock=clock,
    )
    largest = ("grpc.max_receive_message_length", max(sizes.values()))
    server = grpc.aio.server(interceptors=(interceptor,), options=(largest,))
    for add in services.values():
        add(server)
    files = replace(authority.service(name), also_trusted=also_trusted)
    port = server.add_secure_port(f"{host}:{port}", server_credentials(files))
    await server.start()
    try:
        yield f"{host}:{port}"
    finally:
        await server.stop(0)


@asynccontextmanager
async def calling(files: CertificateFiles, **addresses: str) -> AsyncIterator[Peers]:
    """Yields peers as a service has them; an underscore in a name means a hyphen."""
    peers = Peers(files, {name.replace("_", "-"): address for name, address in addresses.items()})
    try:
        yield peers
    finally:
        await peers.close()


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: timedelta = _LIFETIME
) -> x509.CertificateBuilder:
    at = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - timedelta(minutes=1))
        .not_valid_after(at + lifetime)
    )

"""Certificates of a service, reloaded when their files change, so that a renewal needs no restart."""

import logging
from dataclasses import dataclass
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

log = logging.getLogger(__name__)

# The exceptions of reading certificate files; TypeError is that of a key with a passphrase.
UNREADABLE = (OSError, ValueError, TypeError, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The PEM files of one side of a connection. Without `trusted` a server requests no client certificate.

    `also_trusted` are further CAs.
    """

    certificate: Path
    private_key: Path
    trusted: Path | None
    also_trusted: Path | None = None

    def read(self) -> tuple[bytes, bytes, bytes | None]:
        """Returns certificate chain, private key and trusted CAs in PEM.

        Raises OSError where a file can't be read, ValueError where one is broken or the key does not belong to the
        certificate, as during a renewal, which writes the files one after the other.
        """
        chain, key = self.certificate.read_bytes(), self.private_key.read_bytes()
        bundles = [file.read_bytes() for file in self._list_trusted()]
        if x509.load_pem_x509_certificates(chain)[0].public_key() != load_pem_private_key(key, None).public_key():
            raise ValueError(f"{self.private_key} is not the key of {self.certificate}")
        for bundle in bundles:
            x509.load_pem_x509_certificates(bundle)
        return chain, key, b"\n".join(bundles) if bundles else None

    def read_modification_times(self) -> tuple[int, ...]:
        """Returns the files' modification times in nanoseconds; cheaper than reading the files."""
        files = (self.certificate, self.private_key, *self._list_trusted())
        return tuple(file.stat().st_mtime_ns for file in files)

    def _list_trusted(self) -> list[Path]:
        return [file for file in (self.trusted, self.also_trusted) if file is not None]


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Returns credentials that check the files at every new connection.

    If a file can't be read or does not fit, the last valid certificate remains in force, and the log says so. Raises
    OSError and ValueError where no certificate is valid at the start.
    """
    times = files.read_modification_times()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal times
        try:
            new_times = files.read_modification_times()
            if new_times == times:
                return None
            configuration = _server_configuration(files)
        except UNREADABLE as error:
            log.error("certificate files can't be read, the last valid ones remain in force: %s", error)
            return None
        times = new_times
        log.info("the certificate %s was reloaded", files.certificate)
        return configuration

    return grpc.dynamic_ssl_server_credentials(
        _server_configuration(files),
        fetch,  # type: ignore[arg-type]  # None means no change, which the type stubs do not know
        require_client_authentication=files.trusted is not None,
    )


def create_channel_credentials(files: CertificateFiles) -> grpc.ChannelCredentials:
    """Returns a client's credentials from the files. Raises OSError and ValueError as `CertificateFiles.read`."""
    chain, key, trusted = files.read()
    return grpc.ssl_channel_credentials(root_certificates=trusted, private_key=key, certificate_chain=chain)


def _server_configuration(files: CertificateFiles) -> grpc.ServerCertificateConfiguration:
    chain, key, trusted = files.read()
    return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=trusted)

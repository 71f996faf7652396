"""Certificates of a service, read again when their files change, so that nothing is restarted for them."""

import logging
from dataclasses import dataclass
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

log = logging.getLogger(__name__)

# What reading certificate files raises; TypeError is what a key with a passphrase gives.
UNREADABLE = (OSError, ValueError, TypeError, UnsupportedAlgorithm)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The PEM files of one side of a connection. Without `trusted` no client certificate is asked for."""

    certificate: Path
    private_key: Path
    trusted: Path | None

    def read(self) -> tuple[bytes, bytes, bytes | None]:
        """Certificate chain, private key and trusted CAs as they stand now, in PEM.

        Raises OSError where one can't be read, ValueError where one is broken or the key is not the certificate's: as
        it is for a moment while a renewal writes one after the other.
        """
        chain, key = self.certificate.read_bytes(), self.private_key.read_bytes()
        trusted = self.trusted.read_bytes() if self.trusted else None
        if x509.load_pem_x509_certificates(chain)[0].public_key() != load_pem_private_key(key, None).public_key():
            raise ValueError(f"{self.private_key} is not the key of {self.certificate}")
        if trusted is not None:
            x509.load_pem_x509_certificates(trusted)
        return chain, key, trusted

    def changed_since(self, times: tuple[int, ...]) -> tuple[int, ...]:
        """The files' modification times; equal to `times` where nothing changed. Cheaper than reading them."""
        files = [self.certificate, self.private_key, *([self.trusted] if self.trusted else [])]
        found = tuple(file.stat().st_mtime_ns for file in files)
        return times if found == times else found


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Credentials that look at the files at every new connection.

    A file that can't be read or does not fit leaves the last good certificate in force, and says so in the log.
    Raises OSError and ValueError where there is no good one to begin with.
    """
    times: tuple[int, ...] = files.changed_since(())

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal times
        try:
            found = files.changed_since(times)
            if found == times:
                return None
            configuration = _server_configuration(files)
        except UNREADABLE as error:
            log.error("certificate files can't be read, the last good ones stay in force: %s", error)
            return None
        times = found
        log.info("the certificate %s was read again", files.certificate)
        return configuration

    # None means no change; the type stubs do not know it.
    return grpc.dynamic_ssl_server_credentials(
        _server_configuration(files),
        fetch,  # type: ignore[arg-type]
        require_client_authentication=files.trusted is not None,
    )


def channel_credentials(files: CertificateFiles) -> grpc.ChannelCredentials:
    """Credentials of a client as the files stand now. Raises OSError and ValueError as `CertificateFiles.read`."""
    chain, key, trusted = files.read()
    return grpc.ssl_channel_credentials(root_certificates=trusted, private_key=key, certificate_chain=chain)


def _server_configuration(files: CertificateFiles) -> grpc.ServerCertificateConfiguration:
    chain, key, trusted = files.read()
    return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=trusted)

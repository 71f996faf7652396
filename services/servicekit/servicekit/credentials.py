"""Certificates of a service, read again when their files change, so that nothing is restarted for them."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import grpc

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The PEM files of one side of a connection. Without `trusted` no client certificate is asked for."""

    certificate: Path
    private_key: Path
    trusted: Path | None

    def stamp(self) -> str:
        """Changes whenever a file does."""
        files = [self.certificate, self.private_key, *([self.trusted] if self.trusted else [])]
        return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()

    def changed_since(self, times: tuple[int, ...]) -> tuple[int, ...]:
        """The files' modification times; equal to `times` where nothing changed. Cheaper than reading them."""
        files = [self.certificate, self.private_key, *([self.trusted] if self.trusted else [])]
        found = tuple(file.stat().st_mtime_ns for file in files)
        return times if found == times else found


def server_credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Credentials that look at the files at every new connection.

    A file that can't be read or does not fit leaves the last good certificate in force, and says so in the log.
    """
    times: tuple[int, ...] = files.changed_since(())

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal times
        try:
            found = files.changed_since(times)
            if found == times:
                return None
            configuration = _server_configuration(files)
        except OSError as error:
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
    """Credentials of a client as the files stand now."""
    return grpc.ssl_channel_credentials(
        root_certificates=files.trusted.read_bytes() if files.trusted else None,
        private_key=files.private_key.read_bytes(),
        certificate_chain=files.certificate.read_bytes(),
    )


def _server_configuration(files: CertificateFiles) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(files.private_key.read_bytes(), files.certificate.read_bytes())],
        root_certificates=files.trusted.read_bytes() if files.trusted else None,
    )

"""The CAs of agencies and those of officers, each a bundle of its own, by which callers are told apart.

TLS at an agency listener says that one of all these CAs issued a certificate, not whose CA it is.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from refusals import Code, Refusal
from servicekit.identity import Caller

log = logging.getLogger(__name__)

_MOST_CERTIFICATES = 1024


@dataclass(frozen=True, slots=True)
class _Period:
    """The validity of a CA."""

    begins: datetime
    ends: datetime


class AuthorityBundle:
    """The CAs in a file (PEM), read again when it has changed, so that a CA can be replaced: old, both, new.

    If the file can't be read, the last valid CAs remain in force, as they do for TLS, and the log says so. Raises
    OSError and ValueError where no CAs can be read at the start.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._problem = ""
        self._stamp = self._read_stamp()
        self._find_periods = self._read()

    def has_issued(self, certificate: bytes, now: datetime) -> bool:
        """Returns whether one of the CAs, valid now, signed a certificate (DER) itself.

        A CA below them does not count: it would issue for everybody else, too.
        """
        self._read_when_changed()
        return any(period.begins <= now <= period.ends for period in self._find_periods(certificate))

    def _read_when_changed(self) -> None:
        try:
            stamp = self._read_stamp()
            if stamp == self._stamp:
                return
            self._find_periods = self._read()
        except (OSError, ValueError) as error:
            if str(error) != self._problem:
                log.error("%s can't be read, the last valid CAs remain in force: %s", self._file, error)
            self._problem = str(error)
            return
        self._stamp, self._problem = stamp, ""
        log.info("the CAs in %s were reloaded", self._file)

    def _read(self) -> Callable[[bytes], Sequence[_Period]]:
        """Returns what finds the CAs that issued a certificate, which is verified once per content of the file."""
        authorities = x509.load_pem_x509_certificates(self._file.read_bytes())
        return lru_cache(_MOST_CERTIFICATES)(partial(_find_periods, list(filter(_is_authority, authorities))))

    def _read_stamp(self) -> tuple[int, ...]:
        stat = self._file.stat()
        return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_size


@dataclass(frozen=True, slots=True)
class CallerAuthorities:
    """The CAs that a server's callers must have their certificates of.

    Without `officers` nobody is an officer here; without `agencies` a listener's TLS trusts no other CAs than theirs.
    """

    agencies: AuthorityBundle | None = None
    officers: AuthorityBundle | None = None

    def require_agencies_authority(self, agency: Caller, certificate: bytes, now: datetime) -> None:
        """Raises CALLER_AUTHORITY_NOT_TRUSTED unless a CA of agencies issued an agency's certificate (DER)."""
        if self.agencies is not None and not self.agencies.has_issued(certificate, now):
            raise refuse_authority(f"{agency.kind} {agency.name}")

    def require_officers_authority(self, shown: str, certificate: bytes, now: datetime) -> None:
        """Raises CALLER_AUTHORITY_NOT_TRUSTED unless a CA of officers issued a person's certificate (DER).

        Also for a certificate that comes in a request and not from a connection. `shown` names the person in the
        refusal.
        """
        if self.officers is None or not self.officers.has_issued(certificate, now):
            raise refuse_authority(shown)


def refuse_authority(shown: str) -> Refusal:
    """Returns the refusal of a caller whose certificate is of a CA that is not for such callers."""
    return Refusal("CALLER_AUTHORITY_NOT_TRUSTED", Code.UNAUTHENTICATED, {"caller": shown})


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _find_periods(authorities: Sequence[x509.Certificate], certificate: bytes) -> Sequence[_Period]:
    try:
        issued = x509.load_der_x509_certificate(certificate)
    except ValueError:
        return ()
    return [
        _Period(authority.not_valid_before_utc, authority.not_valid_after_utc)
        for authority in authorities
        if _has_issued(authority, issued)
    ]


def _has_issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True

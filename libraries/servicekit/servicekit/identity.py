"""The identity of a caller, from the certificate of its connection and never from the request."""

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from refusals import Code, Refusal

log = logging.getLogger(__name__)

_SPIFFE = re.compile(
    r"spiffe://(?P<instance>[a-z0-9-]+)/"
    r"(?:service/(?P<service>[a-z0-9-]+)|agency/(?P<agency>[a-z0-9-]+)"
    r"|officer/(?P<officer_agency>[a-z0-9-]+)/(?P<person>[a-z0-9._-]+))"
)


# The code that officers of the operator have in place of an agency's; no agency may have it.
OPERATOR = "operator"
_MOST_CODE_CHARACTERS = 60


class Kind(StrEnum):
    """The kinds of callers."""

    SERVICE = "service"
    AGENCY = "agency"
    OFFICER = "officer"
    ANYONE = "anyone"


@dataclass(frozen=True, slots=True)
class Caller:
    """An identified caller. `name` is for records: a service's name, an agency's code, or `agency/person`."""

    kind: Kind
    name: str
    agency: str = ""
    roles: frozenset[str] = frozenset()

    @property
    def is_operators_officer(self) -> bool:
        """Whether it is an officer of the operator, who may act for every agency."""
        return self.kind is Kind.OFFICER and self.agency == OPERATOR


ANYONE = Caller(Kind.ANYONE, "anyone")
_caller: ContextVar[Caller] = ContextVar("caller", default=ANYONE)


def caller() -> Caller:
    """Returns the caller of the running call; ANYONE outside of a call."""
    return _caller.get()


def set_caller(identified: Caller) -> None:
    """Sets the caller of the running call, in the call's own context."""
    _caller.set(identified)


def require_acts_for(caller: Caller, agency: str) -> None:
    """Raises AGENCY_NOT_OWN unless the caller may act for the agency with this code.

    Those are the agency itself, its officers, and the operator's officers; a service acts for no agency. With the code
    OPERATOR, only the operator's officers may.
    """
    if caller.is_operators_officer or (caller.agency == agency and agency not in ("", OPERATOR)):
        return
    raise Refusal("AGENCY_NOT_OWN", Code.PERMISSION_DENIED, {"agency": agency[:_MOST_CODE_CHARACTERS]})


@dataclass(frozen=True, slots=True)
class _Peer:
    caller: Caller
    instance: str
    key_sha256: str
    valid_from: datetime
    valid_until: datetime


@lru_cache(maxsize=1024)
def _read_peer(certificate: bytes, uri: bytes) -> _Peer:
    match = _SPIFFE.fullmatch(uri.decode("ascii", "replace"))
    if match is None:
        raise Refusal("CALLER_UNKNOWN", Code.UNAUTHENTICATED, {"caller": uri.decode("ascii", "replace")[:200]})
    parsed = x509.load_pem_x509_certificate(certificate)
    key = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if match["service"]:
        subject = Caller(Kind.SERVICE, match["service"])
    elif match["agency"]:
        subject = Caller(Kind.AGENCY, match["agency"], match["agency"])
    else:
        subject = Caller(Kind.OFFICER, f"{match['officer_agency']}/{match['person']}", match["officer_agency"])
    return _Peer(
        subject,
        match["instance"],
        hashlib.sha256(key).hexdigest(),
        parsed.not_valid_before_utc,
        parsed.not_valid_after_utc,
    )


class RegisteredCallers:
    """The registered agencies and officers, with their key fingerprints and roles.

    The file is read when it has changed: removing a fingerprint withdraws the certificate at the next call. While the
    file can't be read, every caller of the agency listener is refused, and the log has said so once.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._stamp: tuple[int, ...] | None = None
        self._problem = ""
        self._agencies: Mapping[str, Caller] = {}
        self._officers: Mapping[tuple[str, str], Caller] = {}

    def find(self, peer: _Peer) -> Caller | None:
        """Returns the registered caller of a peer, or None. Raises CALLERS_UNREADABLE."""
        self._read_when_changed()
        if self._problem:
            raise Refusal("CALLERS_UNREADABLE", Code.UNAVAILABLE)
        if peer.caller.kind is Kind.AGENCY:
            agency = self._agencies.get(peer.key_sha256)
            return agency if agency is not None and agency.name == peer.caller.name else None
        return self._officers.get((peer.caller.name, peer.key_sha256))

    def _read_when_changed(self) -> None:
        if self._file is None:
            return
        try:
            stat = self._file.stat()
            # Two changes within one tick of the file system's clock differ in size; a changed mode shows in ctime only.
            stamp = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_size)
            if stamp == self._stamp:
                return
            content = self._file.read_bytes()
        except OSError as error:
            # Tried again at the next call: too many open files, for example, changes nothing of the file.
            self._refuse_all(None, error)
            return
        try:
            self._agencies, self._officers = _read_callers(content)
        # ValueError: not UTF-8, or a date that does not exist.
        except (yaml.YAMLError, LookupError, TypeError, AttributeError, ValueError) as error:
            self._refuse_all(stamp, error)
            return
        if self._problem:
            log.info("%s is read again", self._file)
        self._stamp, self._problem = stamp, ""

    def _refuse_all(self, stamp: tuple[int, ...] | None, error: Exception) -> None:
        problem = f"{type(error).__name__}: {error}"
        if stamp is not None or problem != self._problem:
            log.error("%s can't be read; until it can, all agencies and officers are refused: %s", self._file, problem)
        self._agencies, self._officers, self._stamp, self._problem = {}, {}, stamp, problem


def _read_callers(file: bytes) -> tuple[Mapping[str, Caller], Mapping[tuple[str, str], Caller]]:
    content = yaml.safe_load(file.decode("utf-8")) or {}
    agencies = {
        key: Caller(Kind.AGENCY, code, code)
        for code, entry in (content.get("agencies") or {}).items()
        for key in entry["key_sha256"]
    }
    officers = {
        (name, key): Caller(Kind.OFFICER, name, name.partition("/")[0], frozenset(entry["roles"]))
        for name, entry in (content.get("officers") or {}).items()
        for key in entry["key_sha256"]
    }
    return agencies, officers


def identify(
    auth_context: Mapping[str, Iterable[bytes]], instance: str, registered: RegisteredCallers, now: datetime
) -> Caller:
    """Returns the caller of a connection.

    Raises CALLER_UNKNOWN, CALLER_CERTIFICATE_NOT_VALID, CALLERS_UNREADABLE.

    The certificate must have exactly one URI SAN, a SPIFFE id of this instance. Only gRPC's `peer_uri` distinguishes
    URIs from DNS names; `peer_identities()` does not. TLS compares the validity at a full handshake only: a resumed
    session skips it, and an open connection outlives it.
    """
    uris = list(auth_context.get("peer_uri") or ())
    certificates = list(auth_context.get("x509_pem_cert") or ())
    if len(uris) != 1 or len(certificates) != 1:
        raise Refusal("CALLER_UNKNOWN", Code.UNAUTHENTICATED, {"caller": f"{len(uris)} URI names"})
    peer = _read_peer(certificates[0], uris[0])
    if not peer.valid_from <= now <= peer.valid_until:
        metadata = {
            "caller": f"{peer.caller.kind} {peer.caller.name}",
            "valid_from": peer.valid_from.isoformat(),
            "valid_until": peer.valid_until.isoformat(),
        }
        raise Refusal("CALLER_CERTIFICATE_NOT_VALID", Code.UNAUTHENTICATED, metadata)
    identified: Caller | None = None
    if peer.instance == instance:
        identified = peer.caller if peer.caller.kind is Kind.SERVICE else registered.find(peer)
    if identified is None:
        raise Refusal("CALLER_UNKNOWN", Code.UNAUTHENTICATED, {"caller": uris[0].decode("ascii", "replace")[:200]})
    return identified

"""The identity of a caller, from the certificate of its connection and never from the request."""

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
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
# The one role of officers in the file of callers, and how many of them it may have. All others are in the table.
ADMINISTRATOR = "administrator"
MOST_ADMINISTRATORS = 2


class Kind(StrEnum):
    """The kinds of callers."""

    SERVICE = "service"
    AGENCY = "agency"
    OFFICER = "officer"
    UNREGISTERED = "unregistered person"
    ANYONE = "anyone"


@dataclass(frozen=True, slots=True)
class Caller:
    """An identified caller. `name` is for records: a service's name, an agency's code, or `agency/person`.

    Of a person there is its certificate (DER). `is_broken_glass` says that an officer stands in the file of callers
    only, which is for the first day and for emergencies.
    """

    kind: Kind
    name: str
    agency: str = ""
    roles: frozenset[str] = frozenset()
    certificate: bytes = field(default=b"", repr=False)
    is_broken_glass: bool = False

    @property
    def person_id(self) -> str:
        """The id of an officer, unique in the instance; empty of other callers."""
        return find_person(self.name)

    @property
    def is_operators_officer(self) -> bool:
        """Whether it is an officer of the operator, who may act for every agency."""
        return self.kind is Kind.OFFICER and self.agency == OPERATOR


def find_person(name: str) -> str:
    """Returns the person of an officer's name, `agency/person`; nothing of other names."""
    return name.partition("/")[2]


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
class Peer:
    """Who a certificate says that it is of. The caller has no roles; without a valid name it is None."""

    caller: Caller | None
    instance: str
    certificate: bytes = field(repr=False)
    key_sha256: str
    valid_from: datetime
    valid_until: datetime
    # The names as they are shown in a refusal.
    shown: str

    @property
    def is_system(self) -> bool:
        """Whether it is a service or an agency's system; those are known by their names, persons by a table."""
        return self.caller is not None and self.caller.kind is not Kind.OFFICER


@lru_cache(maxsize=1024)
def _read_peer(certificate: bytes, uris: tuple[bytes, ...]) -> Peer:
    parsed = x509.load_pem_x509_certificate(certificate)
    named = uris[0].decode("ascii", "replace") if len(uris) == 1 else ""
    match = _SPIFFE.fullmatch(named)
    return Peer(
        None if match is None else _read_name(match),
        "" if match is None else match["instance"],
        parsed.public_bytes(Encoding.DER),
        _hash_key(parsed),
        parsed.not_valid_before_utc,
        parsed.not_valid_after_utc,
        named[:200] or f"{len(uris)} URI names",
    )


def _read_name(match: re.Match[str]) -> Caller:
    if match["service"]:
        return Caller(Kind.SERVICE, match["service"])
    if match["agency"]:
        return Caller(Kind.AGENCY, match["agency"], match["agency"])
    return Caller(Kind.OFFICER, f"{match['officer_agency']}/{match['person']}", match["officer_agency"])


def _hash_key(certificate: x509.Certificate) -> str:
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest()


class RegisteredCallers:
    """The registered agencies with their key fingerprints, and two administrators for the first day and emergencies.

    The file is read when it has changed: removing a fingerprint withdraws the certificate at the next call. While the
    file can't be read, every caller of the agency listener is refused, and the log has said so once.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._stamp: tuple[int, ...] | None = None
        self._problem = ""
        self._agencies: Mapping[str, Caller] = {}
        self._officers: Mapping[tuple[str, str], Caller] = {}

    def find(self, peer: Peer) -> Caller | None:
        """Returns the registered caller of a peer, or None. Raises CALLERS_UNREADABLE."""
        self._read_when_changed()
        if self._problem:
            raise Refusal("CALLERS_UNREADABLE", Code.UNAVAILABLE)
        if peer.caller is None:
            return None
        if peer.caller.kind is Kind.AGENCY:
            agency = self._agencies.get(peer.key_sha256)
            return agency if agency is not None and agency.name == peer.caller.name else None
        officer = self._officers.get((peer.caller.name, peer.key_sha256))
        return None if officer is None else replace(officer, certificate=peer.certificate)

    def find_officer(self, name: str, certificate: bytes) -> Caller | None:
        """Returns an officer of the file by its name and certificate (DER), or None. Raises CALLERS_UNREADABLE."""
        self._read_when_changed()
        if self._problem:
            raise Refusal("CALLERS_UNREADABLE", Code.UNAVAILABLE)
        return self._officers.get((name, _hash_key(x509.load_der_x509_certificate(certificate))))

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
    entries = content.get("officers") or {}
    if wrong := [name for name, entry in entries.items() if list(entry["roles"]) != [ADMINISTRATOR]]:
        log.error("officers of the file of callers can only be administrators; ignored: %s", ", ".join(sorted(wrong)))
    administrators = {name: entry for name, entry in entries.items() if name not in wrong}
    if len(administrators) > MOST_ADMINISTRATORS:
        log.error("the file of callers names more than %d administrators, so none of them counts", MOST_ADMINISTRATORS)
        administrators = {}
    roles = frozenset({ADMINISTRATOR})
    officers = {
        (name, key): Caller(Kind.OFFICER, name, name.partition("/")[0], roles, is_broken_glass=True)
        for name, entry in administrators.items()
        for key in entry["key_sha256"]
    }
    return agencies, officers


def read_peer(auth_context: Mapping[str, Iterable[bytes]]) -> Peer:
    """Returns the peer of a connection; raises CALLER_UNKNOWN where it has no certificate.

    Only gRPC's `peer_uri` distinguishes URIs from DNS names; `peer_identities()` does not.
    """
    certificates = list(auth_context.get("x509_pem_cert") or ())
    if len(certificates) != 1:
        raise Refusal("CALLER_UNKNOWN", Code.UNAUTHENTICATED, {"caller": "no certificate"})
    return _read_peer(certificates[0], tuple(auth_context.get("peer_uri") or ()))


def identify(peer: Peer, instance: str, registered: RegisteredCallers, now: datetime) -> Caller:
    """Returns the caller that a peer is by its name: a service, or who stands in the file of callers.

    The certificate must have exactly one URI SAN, a SPIFFE id of this instance.

    Raises CALLER_UNKNOWN, CALLER_CERTIFICATE_NOT_VALID, CALLERS_UNREADABLE.
    """
    check_validity(peer, now)
    identified: Caller | None = None
    if peer.instance == instance and peer.caller is not None:
        identified = peer.caller if peer.caller.kind is Kind.SERVICE else registered.find(peer)
    if identified is None:
        raise Refusal("CALLER_UNKNOWN", Code.UNAUTHENTICATED, {"caller": peer.shown})
    return identified


def check_validity(peer: Peer, now: datetime) -> None:
    """Raises CALLER_CERTIFICATE_NOT_VALID unless a peer's certificate is valid now.

    TLS compares the validity at a full handshake only: a resumed session skips it, and an open connection outlives it.
    """
    if not peer.valid_from <= now <= peer.valid_until:
        metadata = {
            "caller": peer.shown if peer.caller is None else f"{peer.caller.kind} {peer.caller.name}",
            "valid_from": peer.valid_from.isoformat(),
            "valid_until": peer.valid_until.isoformat(),
        }
        raise Refusal("CALLER_CERTIFICATE_NOT_VALID", Code.UNAUTHENTICATED, metadata)

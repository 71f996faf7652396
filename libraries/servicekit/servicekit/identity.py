"""Who calls: read from the certificate of the connection, never from the request (design section 8)."""

import hashlib
import logging
import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
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


class Kind(StrEnum):
    """The kinds of callers."""

    SERVICE = "service"
    AGENCY = "agency"
    OFFICER = "officer"
    ANYONE = "anyone"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `name` is for the record: a service's name, an agency's code, or `agency/person`."""

    kind: Kind
    name: str
    agency: str = ""
    roles: frozenset[str] = frozenset()


ANYONE = Caller(Kind.ANYONE, "anyone")
_caller: ContextVar[Caller] = ContextVar("caller", default=ANYONE)


def caller() -> Caller:
    """Who makes the running call; ANYONE outside of one."""
    return _caller.get()


def set_caller(found: Caller) -> None:
    """Says who makes the running call; every call has a context of its own."""
    _caller.set(found)


@dataclass(frozen=True, slots=True)
class _Peer:
    caller: Caller
    instance: str
    key_sha256: str


@lru_cache(maxsize=1024)
def _read_peer(certificate: bytes, uri: bytes) -> _Peer:
    matched = _SPIFFE.fullmatch(uri.decode("ascii", "replace"))
    if matched is None:
        raise Refusal("CALLER_UNKNOWN", Code.UNAUTHENTICATED, {"caller": uri.decode("ascii", "replace")[:200]})
    key = x509.load_pem_x509_certificate(certificate).public_key()
    key_sha256 = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    if matched["service"]:
        found = Caller(Kind.SERVICE, matched["service"])
    elif matched["agency"]:
        found = Caller(Kind.AGENCY, matched["agency"], matched["agency"])
    else:
        found = Caller(Kind.OFFICER, f"{matched['officer_agency']}/{matched['person']}", matched["officer_agency"])
    return _Peer(found, matched["instance"], key_sha256)


class RegisteredCallers:
    """Agencies and officers that are registered, with their key fingerprints and roles.

    The file is read again when it changes: taking a fingerprint out withdraws the certificate at the next call.
    A file that can't be read keeps nobody in: every caller of the agency listener is refused until it can.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._agencies: Mapping[str, Caller] = {}
        self._officers: Mapping[tuple[str, str], Caller] = {}

    def find(self, peer: _Peer) -> Caller | None:
        """The registered caller behind a peer, or None."""
        self._read_when_changed()
        if peer.caller.kind is Kind.AGENCY:
            found = self._agencies.get(peer.key_sha256)
            return found if found is not None and found.name == peer.caller.name else None
        return self._officers.get((peer.caller.name, peer.key_sha256))

    def _read_when_changed(self) -> None:
        if self._file is None:
            return
        try:
            stat = self._file.stat()
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp == self._stamp:
                return
            content = yaml.safe_load(self._file.read_text("utf-8")) or {}
            self._agencies = {
                key: Caller(Kind.AGENCY, code, code)
                for code, entry in (content.get("agencies") or {}).items()
                for key in entry["key_sha256"]
            }
            self._officers = {
                (name, key): Caller(Kind.OFFICER, name, name.partition("/")[0], frozenset(entry["roles"]))
                for name, entry in (content.get("officers") or {}).items()
                for key in entry["key_sha256"]
            }
            self._stamp = stamp
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            log.error("%s can't be read, no agency and no officer is let in until it can: %s", self._file, error)
            self._agencies, self._officers, self._stamp = {}, {}, None


def identify(auth_context: Mapping[str, list[bytes]], instance: str, registered: RegisteredCallers) -> Caller:
    """Who stands behind a connection. Raises CALLER_UNKNOWN.

    The certificate must have exactly one URI SAN, a SPIFFE id of this instance. gRPC gives URIs apart from DNS names
    only as `peer_uri`; `peer_identities()` mixes them.
    """
    uris = auth_context.get("peer_uri") or []
    certificates = auth_context.get("x509_pem_cert") or []
    if len(uris) != 1 or len(certificates) != 1:
        raise Refusal("CALLER_UNKNOWN", Code.UNAUTHENTICATED, {"caller": f"{len(uris)} URI names"})
    peer = _read_peer(certificates[0], uris[0])
    found: Caller | None = None
    if peer.instance == instance:
        found = peer.caller if peer.caller.kind is Kind.SERVICE else registered.find(peer)
    if found is None:
        raise Refusal("CALLER_UNKNOWN", Code.UNAUTHENTICATED, {"caller": uris[0].decode("ascii", "replace")[:200]})
    return found

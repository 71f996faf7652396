"""Certificate revocation lists (CRLs; RFC 5280, section 5): parsing, freshness, order of issues.

A CRL of 100,000 entries has 4 MB. It is parsed once into an index by serial number; a lookup then costs one access to
the index, and the signature over the 4 MB is verified once per key.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from asn1crypto import crl, keys, x509  # type: ignore[import-untyped]  # the library has no types
from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator.sig_validate import DEFAULT_SIGNATURE_VALIDATOR

from certificate_registry.pki.card_authorities import RevocationRule
from certificate_registry.pki.certificate import PARSER_ERRORS, Certificate, format_name, read_distribution_urls
from certificate_registry.pki.names import ParsedRevocationList
from certificate_registry.pki.strength import WeakSignatureError, find_weakness, is_strong, read_key
from instance_profile.authority_certificates import AUTHORITY_CURVES
from instance_profile.strict_der import load_revocation_list
from refusals import Code, Refusal

MOST_LIST_BYTES = 64 * 1024 * 1024
# How far the clock of a CA may be ahead of ours.
CLOCK_TOLERANCE = timedelta(minutes=5)
_LEAST_PAUSE = timedelta(minutes=1)
_OVERDUE_PAUSE = timedelta(minutes=5)

_EXTENSIONS = frozenset(
    {
        *("issuer_alt_name", "crl_number", "delta_crl_indicator", "issuing_distribution_point"),
        *("authority_key_identifier", "freshest_crl", "authority_information_access"),
    }
)
_ENTRY_EXTENSIONS = frozenset({"crl_reason", "hold_instruction_code", "invalidity_date"})
_CRITICAL = bytes.fromhex("0101ff")
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0x17, 0x18


class Freshness(StrEnum):
    """Whether a CRL is recent enough to prove that a certificate is good."""

    FRESH = "fresh"
    # Its nextUpdate has passed.
    STALE = "stale"
    # Older than the CA's rule in the profile allows.
    TOO_OLD = "too old"


@dataclass(frozen=True, slots=True)
class ListVersion:
    """An issue of a CRL; neither part ever decreases."""

    number: int | None
    this_update: datetime


@dataclass(frozen=True, slots=True, eq=False)
class RevocationList:
    """A readable CRL; `trust_store.accept_revocation_list` verifies its signer.

    `scope` (32 bytes) is the same for all issues of one CRL; only the newest issue of a scope is stored. `size` is the
    number of entries. `delta_urls` are the addresses of its delta CRLs (freshestCRL).
    """

    der: bytes = field(repr=False)
    sha256: bytes
    scope: bytes
    issuer: str
    version: ListVersion
    next_update: datetime | None
    is_delta: bool
    size: int
    delta_urls: tuple[str, ...]
    # The CRL without its entries, for path validation; and each entry's start and end in `der`, by serial number.
    header: ParsedRevocationList = field(repr=False)
    entries: Mapping[bytes, tuple[int, int]] = field(repr=False)
    layout: "_Layout" = field(repr=False)
    # Results of verified signatures by key: a cache, the only mutable part.
    verified_by: dict[bytes, bool] = field(default_factory=dict, repr=False)

    @property
    def this_update(self) -> datetime:
        """The instant at which the CA issued this CRL."""
        return self.version.this_update

    @property
    def issuer_key(self) -> str:
        """The issuer's prepared name; only for a CRL whose signature was verified, since preparing is slow."""
        key: str = self.header.issuer.hashable
        return key

    def contains(self, certificate: x509.Certificate) -> bool:
        """Returns whether the certificate's serial number is listed; the caller has compared the issuers."""
        return certificate["tbs_certificate"]["serial_number"].contents in self.entries


@dataclass(frozen=True, slots=True)
class _Layout:
    """Positions in the DER of a CRL: the signed part, and the entries (start equals end if there are none)."""

    signed: tuple[int, int]
    body: int
    entries: tuple[int, int]
    end: int


def parse_revocation_list(der: bytes) -> RevocationList:
    """Reads a CRL in strict DER. Slow for long CRLs: call it in a thread.

    Raises CRL_MALFORMED, CRL_TOO_LARGE, and CRL_NOT_SUPPORTED with `part` for an indirect CRL or one with an unknown
    critical extension, which must not be used (RFC 5280, 5.2 and 5.3).
    """
    if len(der) > MOST_LIST_BYTES:
        raise Refusal("CRL_TOO_LARGE", Code.FAILED_PRECONDITION, {"most": str(MOST_LIST_BYTES)})
    try:
        return _read(der)
    except PARSER_ERRORS as error:
        raise Refusal("CRL_MALFORMED", Code.FAILED_PRECONDITION) from error


def verify_list_signature(revocation_list: RevocationList, key: keys.PublicKeyInfo) -> None:
    """Raises InvalidSignature unless this key signed the CRL with a strong algorithm."""
    der = key.dump()
    if der not in revocation_list.verified_by:
        revocation_list.verified_by[der] = _is_signed_by(revocation_list, key)
    if not revocation_list.verified_by[der]:
        raise InvalidSignature


def assess_freshness(revocation_list: RevocationList, rule: RevocationRule, now: datetime) -> Freshness:
    """Returns whether a CRL is usable at `now`, by its nextUpdate and by the CA's rule."""
    if revocation_list.next_update is None or now > revocation_list.next_update:
        return Freshness.STALE
    if rule.most_age is not None and now - revocation_list.this_update > rule.most_age:
        return Freshness.TOO_OLD
    return Freshness.FRESH


def may_cover(revocation_list: RevocationList, certificate: x509.Certificate) -> bool:
    """Returns whether a CRL may cover a certificate: same issuer, its kind, and a distribution point in common.

    A preselection only; path validation decides what a CRL covers exactly (RFC 5280, 6.3.3).
    """
    if revocation_list.issuer_key != certificate.issuer.hashable:
        return False
    scope = revocation_list.header.issuing_distribution_point_value
    if (
        scope is not None
        and scope["only_contains_ca_certs" if not certificate.ca else "only_contains_user_certs"].native
    ):
        return False
    covered = _full_names(scope["distribution_point"]) if scope is not None else None
    points = certificate.crl_distribution_points_value
    if not covered or not points:
        return True
    certificate_names: set[bytes] = set()
    for point in points:
        names = _full_names(point["distribution_point"])
        if names is None:
            return True
        certificate_names |= names
    return not certificate_names.isdisjoint(covered)


def find_end(revocation_list: RevocationList, rule: RevocationRule) -> datetime:
    """Returns until when a CRL is fresh, by its nextUpdate and the CA's rule; its thisUpdate if it names no end."""
    end = revocation_list.next_update or revocation_list.this_update
    return end if rule.most_age is None else min(end, revocation_list.this_update + rule.most_age)


def require_newer(fetched: RevocationList, stored: ListVersion | None, now: datetime) -> None:
    """Raises CRL_NOT_YET_VALID for a CRL from the future, CRL_OLDER_THAN_HELD for one older than the stored one.

    The same issue is accepted again, and so is a stale one newer than the stored one: it still lists revoked cards.
    """
    if fetched.this_update > now + CLOCK_TOLERANCE:
        raise Refusal("CRL_NOT_YET_VALID", Code.FAILED_PRECONDITION, {"this_update": fetched.this_update.isoformat()})
    if stored is None:
        return
    number = fetched.version.number
    has_lower_number = number is not None and stored.number is not None and number < stored.number
    if has_lower_number or fetched.this_update < stored.this_update:
        metadata = {"this_update": fetched.this_update.isoformat(), "held_this_update": stored.this_update.isoformat()}
        raise Refusal("CRL_OLDER_THAN_HELD", Code.FAILED_PRECONDITION, metadata)


def schedule_fetch(rule: RevocationRule, now: datetime, next_update: datetime | None, failures: int = 0) -> datetime:
    """Returns when to fetch a CRL again after an attempt at `now`: at the CA's refresh time or the next issue.

    `next_update` is that of the stored CRL. If it is None or past, a new issue is overdue: the pause is five minutes.
    After `failures` in a row the pause starts at one minute and doubles each time. No pause exceeds the refresh time.
    """
    if failures:
        pause = _LEAST_PAUSE * (1 << min(failures - 1, 16))
    elif next_update is None or next_update <= now:
        pause = _OVERDUE_PAUSE
    else:
        pause = max(next_update - now, _LEAST_PAUSE)
    return now + min(pause, rule.refresh)


def narrow_list(revocation_list: RevocationList, certificates: Iterable[x509.Certificate]) -> ParsedRevocationList:
    """Returns the CRL with only the entries of these certificates, for path validation.

    The library needs most of a second for 100,000 entries, at every call. The signature can't be verified in this form;
    `verify_list_signature` verifies it on the original.
    """
    serials = {certificate["tbs_certificate"]["serial_number"].contents for certificate in certificates}
    positions = [revocation_list.entries[serial] for serial in serials if serial in revocation_list.entries]
    if not positions:
        return revocation_list.header
    entries = b"".join(revocation_list.der[start:end] for start, end in sorted(positions))
    return _rebuild(revocation_list.der, revocation_list.layout, _wrap(entries))


def is_list_of(revocation_list: RevocationList, certificate: Certificate) -> bool:
    """Returns whether this CA signed the CRL (name and key), and may sign CRLs."""
    if certificate.key_usage is not None and "crl_sign" not in certificate.key_usage:
        return False
    try:
        verify_list_signature(revocation_list, certificate.parsed.public_key)
    except InvalidSignature:
        return False
    return bool(certificate.parsed.subject == revocation_list.header.issuer)


def _read(der: bytes) -> RevocationList:
    strict = load_revocation_list(der)
    layout = _layout(der)
    header = _rebuild(der, layout, b"")
    tbs = header["tbs_cert_list"]
    if header["signature_algorithm"].dump() != tbs["signature"].dump():
        raise ValueError("the list names two signature algorithms")
    scope = header.issuing_distribution_point_value
    if scope is not None and scope["indirect_crl"].native:
        raise _not_supported("indirect")
    if header.critical_extensions - _EXTENSIONS:
        raise _not_supported("critical_extension")
    entries = _index(der, layout.entries)
    number = header.crl_number_value
    this_update, next_update = strict.last_update_utc, strict.next_update_utc
    is_delta = header.delta_crl_indicator_value is not None
    return RevocationList(
        der=der,
        sha256=sha256(der).digest(),
        scope=_scope(header, is_delta),
        issuer=format_name(header.issuer),
        version=ListVersion(None if number is None else number.native, this_update.astimezone(UTC)),
        next_update=next_update,
        is_delta=is_delta,
        size=len(entries),
        delta_urls=tuple(read_distribution_urls(header.freshest_crl_value)),
        header=header,
        entries=entries,
        layout=layout,
    )


def _scope(header: ParsedRevocationList, is_delta: bool) -> bytes:
    key = header.authority_key_identifier or b""
    point = header.issuing_distribution_point_value
    parts = (header.issuer.dump(), key, b"" if point is None else point.dump(), b"delta" if is_delta else b"")
    return sha256(b"".join(sha256(part).digest() for part in parts)).digest()


def _layout(der: bytes) -> _Layout:
    # CertificateList ::= SEQUENCE { tbs SEQUENCE { version?, signature, issuer, thisUpdate, nextUpdate?, entries?,
    # extensions? }, algorithm, signature }. Strictness was checked before, so this only finds the positions.
    _, outer, end = _element(der, 0)
    _, body, signed_end = _element(der, outer)
    seen_time = False
    for tag, start, _, stop in _elements(der, body, signed_end):
        if tag in (_UTC_TIME, _GENERALIZED_TIME):
            seen_time = True
        elif seen_time:
            entries = (start, stop) if tag == _SEQUENCE else (start, start)
            return _Layout((outer, signed_end), body, entries, end)
    return _Layout((outer, signed_end), body, (signed_end, signed_end), end)


def _rebuild(der: bytes, layout: _Layout, entries: bytes) -> ParsedRevocationList:
    signed = der[layout.body : layout.entries[0]] + entries + der[layout.entries[1] : layout.signed[1]]
    whole = _wrap(_wrap(signed) + der[layout.signed[1] : layout.end])
    parsed: ParsedRevocationList = ParsedRevocationList.load(whole, strict=True)
    return parsed


def _index(der: bytes, span: tuple[int, int]) -> dict[bytes, tuple[int, int]]:
    if span[0] == span[1]:
        return {}
    index: dict[bytes, tuple[int, int]] = {}
    starts: list[int] = []
    _, first, end = _element(der, span[0])
    for _, start, content, stop in _elements(der, first, end):
        _, serial, serial_end = _element(der, content)
        # Of two entries for one certificate the first counts, as in the library.
        index.setdefault(der[serial:serial_end], (start, stop))
        starts.append(start)
    _refuse_critical_entries(der, starts, end)
    return index


def _refuse_critical_entries(der: bytes, starts: list[int], end: int) -> None:
    # A critical entry extension contains BOOLEAN TRUE. Only entries with these three bytes are parsed.
    at = der.find(_CRITICAL, starts[0], end) if starts else -1
    while at != -1:
        number = bisect_right(starts, at) - 1
        stop = starts[number + 1] if number + 1 < len(starts) else end
        entry = crl.RevokedCertificate.load(der[starts[number] : stop], strict=True)
        if entry.critical_extensions - _ENTRY_EXTENSIONS:
            raise _not_supported("entry_extension")
        at = der.find(_CRITICAL, stop, end)


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    # Tag, start and end of the content. Tags above 30 do not occur in a CRL.
    length = der[at + 1]
    if length < 0x80:
        return der[at], at + 2, at + 2 + length
    content = at + 2 + (length & 0x7F)
    return der[at], content, content + int.from_bytes(der[at + 2 : content], "big")


def _elements(der: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    while at < end:
        tag, content, stop = _element(der, at)
        yield tag, at, content, stop
        at = stop


def _wrap(content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((_SEQUENCE, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((_SEQUENCE, 0x80 | size)) + length.to_bytes(size, "big") + content


def _is_signed_by(revocation_list: RevocationList, key: keys.PublicKeyInfo) -> bool:
    algorithm = revocation_list.header["signature_algorithm"]
    start, end = revocation_list.layout.signed
    try:
        if find_weakness(algorithm) is not None or not is_strong(read_key(key), AUTHORITY_CURVES):
            raise WeakSignatureError
        DEFAULT_SIGNATURE_VALIDATOR.validate_signature(
            signature=revocation_list.header["signature"].native,
            signed_data=revocation_list.der[start:end],
            public_key_info=key,
            signature_algorithm=algorithm,
        )
    except (InvalidSignature, AssertionError, *PARSER_ERRORS):
        return False
    return True


def _full_names(name: x509.DistributionPointName) -> set[bytes] | None:
    if not name or name.name != "full_name":
        return None
    return {general_name.dump() for general_name in name.chosen}


def _not_supported(part: str) -> Refusal:
    return Refusal("CRL_NOT_SUPPORTED", Code.FAILED_PRECONDITION, {"part": part})

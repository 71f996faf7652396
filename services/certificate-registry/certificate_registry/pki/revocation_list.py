"""The lists of revoked certificates (CRLs, RFC 5280 section 5) that are held, and when a fetched one replaces one.

A list of 100,000 entries has 4 MB. It is read once, into an index by serial number; afterwards a question costs one
look into the index, and the signature over the 4 MB is verified once for each key.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from hashlib import sha256

from asn1crypto import crl, keys, x509  # type: ignore[import-untyped]  # the library has no types
from cryptography.exceptions import InvalidSignature
from cryptography.x509 import load_der_x509_crl
from pyhanko_certvalidator.sig_validate import DEFAULT_SIGNATURE_VALIDATOR

from certificate_registry.pki.card_authorities import RevocationRule
from certificate_registry.pki.certificate import PARSER_ERRORS, Certificate, distribution_urls, readable_name
from certificate_registry.pki.strength import AUTHORITY_CURVES, WeakSignature, is_strong, key_of, weakness
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


class Freshness(Enum):
    """Whether what a list says can be relied on."""

    FRESH = "fresh"
    # Its nextUpdate has passed.
    STALE = "stale"
    # Older than the CA's rule in the profile allows.
    TOO_OLD = "too old"


@dataclass(frozen=True, slots=True)
class ListVersion:
    """Which issue of a list this is; neither part ever goes back."""

    number: int | None
    this_update: datetime


@dataclass(frozen=True, slots=True, eq=False)
class RevocationList:
    """A CRL that could be read. Whose it is, `trust.accept_revocation_list` says.

    `scope` (32 bytes) is the same for all issues of one list, so that of each scope the newest one is kept. `size` is
    the number of entries. `delta_urls` is where changes to this list are published (freshestCRL).
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
    # The issuer's name in the form in which names are compared.
    issuer_key: str = field(repr=False)
    # Everything but the entries, for the path validation; and where in `der` each entry stands, by serial number.
    header: crl.CertificateList = field(repr=False)
    entries: Mapping[bytes, tuple[int, int]] = field(repr=False)
    layout: "_Layout" = field(repr=False)
    # The keys for which the signature was verified already: a memo, nothing else changes here.
    verified_by: dict[bytes, bool] = field(default_factory=dict, repr=False)

    @property
    def this_update(self) -> datetime:
        """When the CA issued this list."""
        return self.version.this_update

    def lists(self, certificate: x509.Certificate) -> bool:
        """Whether a serial number stands in this list; the caller knows that both are of one issuer."""
        return certificate["tbs_certificate"]["serial_number"].contents in self.entries


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the parts of a list stand in its DER: the signed part, its entries (both ends alike if there are none)."""

    signed: tuple[int, int]
    body: int
    entries: tuple[int, int]
    end: int


def parse_revocation_list(der: bytes) -> RevocationList:
    """Reads a CRL in strict DER. With many entries this takes its time: call it in a thread.

    Raises CRL_MALFORMED, CRL_TOO_LARGE, and CRL_NOT_SUPPORTED with `part` for an indirect list or one with a critical
    extension that is unknown here: such a list must not be used at all (RFC 5280 5.2 and 5.3).
    """
    if len(der) > MOST_LIST_BYTES:
        raise Refusal("CRL_TOO_LARGE", Code.FAILED_PRECONDITION, {"most": str(MOST_LIST_BYTES)})
    try:
        return _read(der)
    except PARSER_ERRORS as error:
        raise Refusal("CRL_MALFORMED", Code.FAILED_PRECONDITION) from error


def verify_list_signature(revocations: RevocationList, key: keys.PublicKeyInfo) -> None:
    """Raises InvalidSignature unless this key signed the list, by an algorithm that is strong enough."""
    der = key.dump()
    if der not in revocations.verified_by:
        revocations.verified_by[der] = _is_signed_by(revocations, key)
    if not revocations.verified_by[der]:
        raise InvalidSignature


def freshness(revocations: RevocationList, rule: RevocationRule, now: datetime) -> Freshness:
    """Whether a list still says something at `now`, by its nextUpdate and by the CA's rule."""
    if revocations.next_update is None or now > revocations.next_update:
        return Freshness.STALE
    if rule.most_age is not None and now - revocations.this_update > rule.most_age:
        return Freshness.TOO_OLD
    return Freshness.FRESH


def may_cover(revocations: RevocationList, certificate: x509.Certificate) -> bool:
    """Whether a list may speak about a certificate: same issuer, and no distribution points that differ.

    It only sorts out; what a list covers exactly (RFC 5280 6.3.3) is decided by the path validation.
    """
    if revocations.issuer_key != certificate.issuer.hashable:
        return False
    scope = revocations.header.issuing_distribution_point_value
    named = _full_names(scope["distribution_point"]) if scope is not None else None
    points = certificate.crl_distribution_points_value
    if not named or not points:
        return True
    wanted: set[bytes] = set()
    for point in points:
        names = _full_names(point["distribution_point"])
        if names is None:
            return True
        wanted |= names
    return not wanted.isdisjoint(named)


def require_newer(fetched: RevocationList, held: ListVersion | None, now: datetime) -> None:
    """Raises CRL_NOT_YET_VALID for a list from the future, CRL_OLDER_THAN_HELD for one older than the one held.

    The same issue again passes, and so does a stale one that is newer than what is held: it still names the revoked.
    """
    if fetched.this_update > now + CLOCK_TOLERANCE:
        raise Refusal("CRL_NOT_YET_VALID", Code.FAILED_PRECONDITION, {"this_update": fetched.this_update.isoformat()})
    if held is None:
        return
    numbers = (fetched.version.number, held.number)
    goes_back = numbers[0] is not None and numbers[1] is not None and numbers[0] < numbers[1]
    if goes_back or fetched.this_update < held.this_update:
        metadata = {"this_update": fetched.this_update.isoformat(), "held_this_update": held.this_update.isoformat()}
        raise Refusal("CRL_OLDER_THAN_HELD", Code.FAILED_PRECONDITION, metadata)


def next_fetch(rule: RevocationRule, now: datetime, next_update: datetime | None, failures: int = 0) -> datetime:
    """When to ask for a list again, asked right after a try: at the CA's refresh time, or when the next issue is due.

    `next_update` is that of the list held; None and a past one mean that a new one should be there already, which is
    asked for every five minutes. `failures` in a row are answered with pauses from one minute, doubled each time. No
    pause is longer than the refresh time.
    """
    if failures:
        pause = _LEAST_PAUSE * (1 << min(failures - 1, 16))
    elif next_update is None or next_update <= now:
        pause = _OVERDUE_PAUSE
    else:
        pause = max(next_update - now, _LEAST_PAUSE)
    return now + min(pause, rule.refresh)


def narrowed(revocations: RevocationList, certificates: Iterable[x509.Certificate]) -> crl.CertificateList:
    """The list with no entries but those of the certificates asked about, for the path validation.

    Looking through 100,000 entries takes the library most of a second at every call. Its signature can't be verified
    in this form; `verify_list_signature` does it on the list as it came.
    """
    serials = {certificate["tbs_certificate"]["serial_number"].contents for certificate in certificates}
    found = [revocations.entries[serial] for serial in serials if serial in revocations.entries]
    if not found:
        return revocations.header
    entries = b"".join(revocations.der[start:end] for start, end in sorted(found))
    return _rebuilt(revocations.der, revocations.layout, _wrapped(entries))


def is_list_of(revocations: RevocationList, certificate: Certificate) -> bool:
    """Whether a CA certificate has the name and the key that signed a list, and may sign lists."""
    if certificate.parsed.subject != revocations.header.issuer:
        return False
    if certificate.key_usage is not None and "crl_sign" not in certificate.key_usage:
        return False
    try:
        verify_list_signature(revocations, certificate.parsed.public_key)
    except InvalidSignature:
        return False
    return True


def _read(der: bytes) -> RevocationList:
    strict = load_der_x509_crl(der)
    layout = _layout(der)
    header = _rebuilt(der, layout, b"")
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
        issuer=readable_name(header.issuer),
        version=ListVersion(None if number is None else number.native, this_update.astimezone(UTC)),
        next_update=next_update,
        is_delta=is_delta,
        size=len(entries),
        delta_urls=tuple(distribution_urls(header.freshest_crl_value)),
        issuer_key=header.issuer.hashable,
        header=header,
        entries=entries,
        layout=layout,
    )


def _scope(header: crl.CertificateList, is_delta: bool) -> bytes:
    key = header.authority_key_identifier or b""
    point = header.issuing_distribution_point_value
    parts = (header.issuer.dump(), key, b"" if point is None else point.dump(), b"delta" if is_delta else b"")
    return sha256(b"".join(sha256(part).digest() for part in parts)).digest()


def _layout(der: bytes) -> _Layout:
    # CertificateList ::= SEQUENCE { tbs SEQUENCE { version?, signature, issuer, thisUpdate, nextUpdate?, entries?,
    # extensions? }, algorithm, signature }. Strictness was checked before, so this only has to find the places.
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


def _rebuilt(der: bytes, layout: _Layout, entries: bytes) -> crl.CertificateList:
    signed = der[layout.body : layout.entries[0]] + entries + der[layout.entries[1] : layout.signed[1]]
    whole = _wrapped(_wrapped(signed) + der[layout.signed[1] : layout.end])
    return crl.CertificateList.load(whole, strict=True)


def _index(der: bytes, place: tuple[int, int]) -> dict[bytes, tuple[int, int]]:
    if place[0] == place[1]:
        return {}
    index: dict[bytes, tuple[int, int]] = {}
    starts: list[int] = []
    _, first, end = _element(der, place[0])
    for _, start, content, stop in _elements(der, first, end):
        _, serial, serial_end = _element(der, content)
        # Of two entries for one certificate the first counts, as it does in the library.
        index.setdefault(der[serial:serial_end], (start, stop))
        starts.append(start)
    _refuse_critical_entries(der, starts, end)
    return index


def _refuse_critical_entries(der: bytes, starts: list[int], end: int) -> None:
    # An entry extension is critical if it says BOOLEAN TRUE. Only entries with these three bytes are looked into.
    at = der.find(_CRITICAL, starts[0], end) if starts else -1
    while at != -1:
        number = bisect_right(starts, at) - 1
        stop = starts[number + 1] if number + 1 < len(starts) else end
        entry = crl.RevokedCertificate.load(der[starts[number] : stop], strict=True)
        if entry.critical_extensions - _ENTRY_EXTENSIONS:
            raise _not_supported("entry_extension")
        at = der.find(_CRITICAL, stop, end)


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    # Tag, where the content starts, where it ends. Tags above 30 don't occur in a list.
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


def _wrapped(content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((_SEQUENCE, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((_SEQUENCE, 0x80 | size)) + length.to_bytes(size, "big") + content


def _is_signed_by(revocations: RevocationList, key: keys.PublicKeyInfo) -> bool:
    algorithm = revocations.header["signature_algorithm"]
    start, end = revocations.layout.signed
    try:
        if weakness(algorithm) is not None or not is_strong(key_of(key), AUTHORITY_CURVES):
            raise WeakSignature
        DEFAULT_SIGNATURE_VALIDATOR.validate_signature(
            signature=revocations.header["signature"].native,
            signed_data=revocations.der[start:end],
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

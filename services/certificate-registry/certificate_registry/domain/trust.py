"""What the trust in a stored card rests on, and how long it lasts (CRD-05, LIF-02)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256

from certificate_registry.pki.card_authorities import RevocationRule, UnknownStatus
from certificate_registry.pki.certificate import Certificate, parse_certificate
from certificate_registry.pki.path_validation import RevocationStatus, ValidatedCertificate, validate_certificate
from certificate_registry.pki.revocation_list import RevocationList, find_end
from certificate_registry.pki.trust_store import TrustStore
from refusals import Refusal

# A CA often publishes its next CRL minutes after the last one ended; cards are not judged anew for that.
_LATENESS = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class TrustPath:
    """A certificate path without the card at its end: most cards of a CA share one.

    `sha256` identifies it. `issuers` are the issuers of the card and of the CAs between it and the pinned one,
    `authorities` these CAs by issuer (32 bytes) and serial, `lists` the scopes of the CRLs that it rests on. From
    `valid_until` on a CA's certificate has expired.
    """

    sha256: bytes
    authority: str
    issuers: tuple[bytes, ...]
    authorities: tuple[bytes, ...]
    lists: tuple[bytes, ...]
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class TrustLimits:
    """What a path's CRLs say: from when they are, until when they are fresh, until when its cards are trusted.

    None: nothing is known, there is no CRL, without a limit.
    """

    revocation_as_of: datetime | None = None
    lists_until: datetime | None = None
    trusted_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredPath:
    """A path as it is stored, with the hash of what its cards were last judged by (`hash_grounds`), if they were."""

    path: TrustPath
    limits: TrustLimits
    judged_by: bytes | None


@dataclass(frozen=True, slots=True)
class StoredTrust:
    """What is stored about the trust in one card. `judgements` counts, so that of two at a time the later one fails."""

    certificate_sha256: bytes
    certificate: bytes
    other_certificates: tuple[bytes, ...]
    path_sha256: bytes
    trusted_until: datetime | None
    distrusted_because: str | None
    judgements: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """A card judged anew: distrusted if there is a reason. Path and status are None where the stored ones stay."""

    stored: StoredTrust
    distrusted_because: str | None
    is_revoked: bool = False
    path: TrustPath | None = None
    limits: TrustLimits = TrustLimits()
    status: RevocationStatus | None = None


def create_path(validated: ValidatedCertificate, now: datetime) -> tuple[TrustPath, TrustLimits]:
    """Returns the path of a certificate that was just validated, and its limits."""
    authorities = [_parse_authority(der) for der in validated.chain[1:]]
    lists = tuple(one.scope for one in validated.revocation.lists)
    identity = sha256(validated.authority.id.encode()).digest()
    identity += b"".join(sha256(der).digest() for der in validated.chain[1:]) + b"".join(lists)
    path = TrustPath(
        sha256=sha256(identity).digest(),
        authority=validated.authority.id,
        issuers=tuple(_hash_issuer(one) for one in (validated.certificate, *authorities[:-1])),
        authorities=tuple(_hash_issuer(one) + one.serial for one in authorities[:-1]),
        lists=lists,
        valid_until=min(one.not_after for one in authorities),
    )
    held = {one.scope: one for one in validated.revocation.lists}
    return path, assess_limits(path, held, validated.authority.revocation, now)


def hash_issuer_key(issuer_key: str) -> bytes:
    """Returns the hash of a prepared name, under which an issuer's cards and CRLs are found."""
    return sha256(issuer_key.encode()).digest()


def assess_limits(
    path: TrustPath,
    lists: Mapping[bytes, RevocationList],
    rule: RevocationRule,
    now: datetime,
    trusted_until: datetime | None = None,
) -> TrustLimits:
    """Returns the limits of a path by the CRLs that are stored now (by scope) and the CA's rule.

    Where the rule refuses a card of unknown status and no CRL was ever there, the grace begins now, or has begun
    before (`trusted_until`).
    """
    held = [lists[scope] for scope in path.lists if scope in lists]
    if len(held) < len(path.lists):
        held = []
    as_of = min((one.this_update for one in held), default=None)
    until = min((find_end(one, rule) for one in held), default=None)
    if rule.unknown is UnknownStatus.ACCEPT:
        return TrustLimits(as_of, until)
    if until is None:
        return TrustLimits(as_of, None, trusted_until or now + rule.grace)
    return TrustLimits(as_of, until, until + rule.grace)


def hash_grounds(
    path: TrustPath,
    limits: TrustLimits,
    lists: Mapping[bytes, Sequence[RevocationList]],
    rule: RevocationRule,
    rules_sha256: bytes,
    now: datetime,
) -> bytes:
    """Returns a hash that changes when the cards of a path have to be judged anew, and by nothing else.

    So it does when the CAs or rules of the profile change, when one of its CAs is put on a CRL, is taken off it or
    expires, when there is a CRL of another scope, and when a CRL has ended. `lists` are the stored CRLs by the hash of
    their issuer.
    A newer CRL alone changes limits only; the card's own entry is seen where the CRL is applied.
    """
    parts = [rules_sha256]
    for issuer in path.issuers:
        parts += sorted(one.scope for one in lists.get(issuer, ()) if not one.is_delta)
    parts += _find_listings(path, lists)
    has_ended = limits.lists_until is not None and now > limits.lists_until + min(_LATENESS, rule.grace)
    parts += [b"ended" if has_ended else b"fresh", b"expired" if now > path.valid_until else b"valid"]
    return sha256(b"".join(sha256(part).digest() for part in parts)).digest()


def index_lists(trust_store: TrustStore) -> Mapping[bytes, Sequence[RevocationList]]:
    """Returns the CRLs of a trust store by the hash of their issuer."""
    return {hash_issuer_key(issuer): lists for issuer, lists in trust_store.lists.items()}


def has_listed_authority(path: TrustPath, lists: Mapping[bytes, Sequence[RevocationList]]) -> bool:
    """Returns whether a CA of the path is on a stored CRL (by the hash of its issuer)."""
    return bool(_find_listings(path, lists))


async def judge_card(stored: StoredTrust, trust_store: TrustStore, now: datetime) -> Judgement:
    """Judges a stored card by its stored chain, as if it logged in now. Never suspends.

    A revoked card and one outside its validity are not distrusted for that: a lookup sees both by themselves. A card
    of unknown status is distrusted when the grace of its CA is over.
    """
    try:
        certificate = parse_certificate(stored.certificate)
        validated = await validate_certificate(certificate, stored.other_certificates, trust_store, now)
    except Refusal as refusal:
        match refusal.reason:
            case "CERTIFICATE_REVOKED" if refusal.metadata.get("certificate") == "card":
                return Judgement(stored, None, is_revoked=True)
            case "CERTIFICATE_EXPIRED" | "CERTIFICATE_NOT_YET_VALID":
                return Judgement(stored, stored.distrusted_because)
            case "REVOCATION_STATUS_UNKNOWN":
                is_over = stored.trusted_until is not None and stored.trusted_until < now
                return Judgement(stored, refusal.reason if is_over else None)
        return Judgement(stored, refusal.reason)
    path, limits = create_path(validated, now)
    return Judgement(stored, None, path=path, limits=limits, status=validated.revocation.status)


def _find_listings(path: TrustPath, lists: Mapping[bytes, Sequence[RevocationList]]) -> Sequence[bytes]:
    listings: list[bytes] = []
    for certificate in path.authorities:
        issuer, serial = certificate[:32], certificate[32:]
        listings += [
            certificate + one.scope
            for one in lists.get(issuer, ())
            if serial in one.entries or b"\0" + serial in one.entries
        ]
    return sorted(listings)


# The CAs of an instance are few, its cards many.
_parse_authority = lru_cache(maxsize=256)(parse_certificate)


def _hash_issuer(certificate: Certificate) -> bytes:
    return hash_issuer_key(certificate.parsed.issuer.hashable)

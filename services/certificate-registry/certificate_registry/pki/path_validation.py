"""Is this card's certificate good, and by whose word (CRD-05)? RFC 5280 section 6, without any network.

The path itself and what a list covers are decided by pyhanko-certvalidator. What is ours: which certificates may take
part (`trust`), what is strong enough (`strength`), which lists are fresh and what an absent one means (`revocation`
and the CA's rule), and what each outcome is called.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from asn1crypto import algos, crl, keys, x509  # type: ignore[import-untyped]  # the library has no types
from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import (
    DisallowedAlgorithmError,
    ExpiredError,
    InsufficientRevinfoError,
    NotYetValidError,
    PathBuildingError,
    PathValidationError,
    RevokedError,
)
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo, ValidationTimingParams
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import (
    CertRevTrustPolicy,
    PKIXValidationParams,
    RevocationCheckingPolicy,
    RevocationCheckingRule,
)
from pyhanko_certvalidator.registry import CertificateRegistry, PathBuilder, SimpleTrustManager
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_SIGNATURE_VALIDATOR,
    DEFAULT_VALIDATION_CONTEXT,
    SignatureValidationContext,
    SignatureValidator,
)
from pyhanko_certvalidator.validate import async_validate_path

from certificate_registry.pki.card_authorities import Authority, UnknownStatus
from certificate_registry.pki.certificate import (
    PARSER_ERRORS,
    CardValues,
    Certificate,
    parse_certificate,
    read_values,
)
from certificate_registry.pki.revocation_list import (
    Freshness,
    RevocationList,
    freshness,
    is_list_of,
    may_cover,
    narrowed,
    verify_list_signature,
)
from certificate_registry.pki.strength import StrongAlgorithms, require_strong_card
from certificate_registry.pki.trust_store import Trust, admit, is_issued_by
from refusals import Code, Refusal

MOST_OTHER_CERTIFICATES = 8
_MOST_PATHS = 16
_ANY_EXTENDED_KEY_USAGE = "2.5.29.37.0"
_TOKYO = ZoneInfo("Asia/Tokyo")
_SIGNING = frozenset({"digital_signature", "non_repudiation"})

# Where several paths lead to a card and all fail, the person is told the most particular reason.
_TELLING_ORDER = (
    *("CERTIFICATE_REVOKED", "CERTIFICATE_EXPIRED", "CERTIFICATE_NOT_YET_VALID", "CERTIFICATE_KEY_WEAK"),
    *("REVOCATION_STATUS_UNKNOWN", "CERTIFICATE_PATH_INVALID"),
)


class RevocationStatus(Enum):
    """What is known of a card that was accepted; one that is revoked never is."""

    GOOD = "good"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RevocationFinding:
    """On what the status rests: the oldest of the lists that were needed. All None where no usable list is held."""

    status: RevocationStatus
    this_update: datetime | None = None
    next_update: datetime | None = None
    list_sha256: bytes | None = None

    def age(self, now: datetime) -> timedelta | None:
        """How old the list is, from its thisUpdate."""
        return None if self.this_update is None else now - self.this_update


@dataclass(frozen=True, slots=True)
class ValidatedCertificate:
    """A certificate that is good. `chain` is in DER, the card first, the pinned CA last."""

    certificate: Certificate
    authority: Authority
    values: CardValues
    chain: tuple[bytes, ...] = field(repr=False)
    revocation: RevocationFinding


@dataclass(frozen=True, slots=True)
class PathRules:
    """What a path has to fulfil besides its CA's own rules; the inputs (c) to (g) of RFC 5280 6.1.1."""

    for_signing: bool = True
    explicit_policy: bool = False
    inhibit_policy_mapping: bool = False
    inhibit_any_policy: bool = False


CARD_RULES = PathRules()


async def validate_certificate(
    certificate: Certificate, others: Sequence[bytes], trust: Trust, now: datetime, rules: PathRules = CARD_RULES
) -> ValidatedCertificate:
    """Validates a card's certificate at `now` (aware), with the certificates that came with it (DER, may be garbage).

    Raises, first what is found first: TOO_MANY_CERTIFICATES; CERTIFICATE_KEY_WEAK; CERTIFICATE_AUTHORITY_UNKNOWN,
    where no pinned key leads to it, whatever the names say; CERTIFICATE_REVOKED, also on the word of a list that has
    become stale; CERTIFICATE_EXPIRED and CERTIFICATE_NOT_YET_VALID with `at` and, as a day in Japan, `date`;
    CERTIFICATE_PATH_INVALID for everything else about the path; REVOCATION_STATUS_UNKNOWN with `cause` (none, stale,
    too old, unusable), only where all else is good and the CA's rule refuses it; CERTIFICATE_NOT_FOR_SIGNING;
    CERTIFICATE_MALFORMED for values that can't be shown. Never suspends: there is nothing to wait for.
    """
    if len(others) > MOST_OTHER_CERTIFICATES:
        raise Refusal("TOO_MANY_CERTIFICATES", Code.INVALID_ARGUMENT, {"most": str(MOST_OTHER_CERTIFICATES)})
    require_strong_card(certificate)
    known = admit(list(_helpful(others)), trust.certificates)
    if not any(is_issued_by(certificate, issuer) for issuer in known):
        raise Refusal("CERTIFICATE_AUTHORITY_UNKNOWN", Code.FAILED_PRECONDITION, {"issuer": certificate.issuer})
    authority, path, finding = await _best_path(certificate, known, trust, now, rules)
    if rules.for_signing:
        require_for_signing(certificate, authority)
    chain = tuple(part.dump() for part in reversed(list(path)))
    return ValidatedCertificate(certificate, authority, read_values(certificate, authority), chain, finding)


def require_for_signing(certificate: Certificate, authority: Authority) -> None:
    """Raises CERTIFICATE_NOT_FOR_SIGNING for a CA, for a key usage without signing, and for another purpose.

    Either digitalSignature or nonRepudiation will do: the private CAs differ in which of them they set. A certificate
    that says nothing about its usage is taken (RFC 5280 4.2.1.3 and 4.2.1.12).
    """
    if certificate.is_authority:
        raise Refusal("CERTIFICATE_NOT_FOR_SIGNING", Code.FAILED_PRECONDITION, {"cause": "basic_constraints"})
    if certificate.key_usage is not None and not certificate.key_usage & _SIGNING:
        raise Refusal("CERTIFICATE_NOT_FOR_SIGNING", Code.FAILED_PRECONDITION, {"cause": "key_usage"})
    accepted, usages = authority.accepted_extended_key_usages, certificate.extended_key_usages
    if accepted and usages is not None and not usages & (accepted | {_ANY_EXTENDED_KEY_USAGE}):
        raise Refusal("CERTIFICATE_NOT_FOR_SIGNING", Code.FAILED_PRECONDITION, {"cause": "extended_key_usage"})


class _OpaqueName(x509.Name):  # type: ignore[misc]  # the library has no types
    """A subject that is compared byte by byte.

    The preparation of RFC 4518 forbids private and newer characters, which names of Japanese companies have (gaiji,
    variation selectors). Nothing is issued by a card, so its subject need not be prepared for comparison.
    """

    @property
    def hashable(self) -> str:
        der: bytes = self.dump()
        return der.hex()


class _Card(x509.Certificate):  # type: ignore[misc]  # the library has no types
    @property
    def subject(self) -> _OpaqueName:
        name: _OpaqueName = _OpaqueName.load(self["tbs_certificate"]["subject"].dump())
        return name


class _Signatures(SignatureValidator):
    """Verifies a narrowed list by the list as it came, everything else as it stands."""

    def __init__(self, lists: dict[bytes, RevocationList]) -> None:
        self._lists = lists

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: keys.PublicKeyInfo,
        signature_algorithm: algos.SignedDigestAlgorithm,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        revocations = self._lists.get(signed_data)
        if revocations is not None and signature == revocations.header["signature"].native:
            verify_list_signature(revocations, public_key_info)
            return
        DEFAULT_SIGNATURE_VALIDATOR.validate_signature(
            signature, signed_data, public_key_info, signature_algorithm, context
        )


async def _best_path(
    certificate: Certificate, known: Sequence[Certificate], trust: Trust, now: datetime, rules: PathRules
) -> tuple[Authority, ValidationPath, RevocationFinding]:
    registry = CertificateRegistry.build(issuer.parsed for issuer in known)
    failures: list[Refusal] = []
    try:
        async for path in PathBuilder(_manager(trust), registry).async_build_paths_lazy(_Card.load(certificate.der)):
            try:
                anchor = _anchor(path, known)
                finding = await _validate(path, anchor, known, trust, now, rules)
                return trust.pinned[anchor.key.sha256], path, finding
            except Refusal as refusal:
                failures.append(refusal)
            if len(failures) == _MOST_PATHS:
                break
    except PathBuildingError as error:
        raise Refusal(
            "CERTIFICATE_AUTHORITY_UNKNOWN", Code.FAILED_PRECONDITION, {"issuer": certificate.issuer}
        ) from error
    raise min(failures, key=lambda refusal: _TELLING_ORDER.index(refusal.reason))


async def _validate(
    path: ValidationPath,
    anchor: Certificate,
    known: Sequence[Certificate],
    trust: Trust,
    now: datetime,
    rules: PathRules,
) -> RevocationFinding:
    authority = trust.pinned[anchor.key.sha256]
    certificates = list(path.iter_certs(include_root=False))
    # A list may be signed by a key of its own, whose certificate can be revoked too (PKITS 4.4.21).
    asked_about = [*certificates, *(issuer.parsed for issuer in known)]
    lists = [held for held in _by_issuers(asked_about, trust) if any(may_cover(held, one) for one in asked_about)]
    fresh = [held for held in lists if freshness(held, authority.revocation, now) is Freshness.FRESH]
    parameters = PKIXValidationParams(
        user_initial_policy_set=authority.required_policies or frozenset({"any_policy"}),
        initial_explicit_policy=rules.explicit_policy or bool(authority.required_policies),
        initial_policy_mapping_inhibit=rules.inhibit_policy_mapping,
        initial_any_policy_inhibit=rules.inhibit_any_policy,
    )
    with_lists = _context(known, trust, now, [(held, narrowed(held, asked_about)) for held in fresh])
    for held in fresh:
        # The library finds no path for a list of the pinned CA itself if that one is not self-signed.
        if is_list_of(held, anchor):
            with_lists.revinfo_manager.record_crl_issuer(held.header, anchor.parsed)  # type: ignore[no-untyped-call]
    try:
        await _run(with_lists, path, parameters)
        return _finding(fresh, certificates[-1], with_lists)
    except InsufficientRevinfoError as error:
        # What remains is validated as if nothing were revoked, so that "unknown" means: all else is good.
        await _run(_context(known, trust, now, None), path, parameters)
        _refuse_listed(certificates, lists, known)
        newest = max((held for held in lists if may_cover(held, certificates[-1])), key=_issued, default=None)
        if authority.revocation.unknown is UnknownStatus.ACCEPT:
            return RevocationFinding(RevocationStatus.UNKNOWN)
        metadata = {"authority": authority.id, "cause": "none"}
        if newest is not None:
            found = freshness(newest, authority.revocation, now)
            # A fresh one that did not do is signed by another key, or speaks of other certificates or reasons.
            metadata["cause"] = "unusable" if found is Freshness.FRESH else found.value
            metadata["this_update"] = newest.this_update.isoformat()
        raise Refusal("REVOCATION_STATUS_UNKNOWN", Code.FAILED_PRECONDITION, metadata) from error


async def _run(context: ValidationContext, path: ValidationPath, parameters: PKIXValidationParams) -> None:
    try:
        await async_validate_path(context, path, parameters)
    except InsufficientRevinfoError:
        raise
    except RevokedError as error:
        metadata = {"at": error.revocation_dt.isoformat(), "certificate": _whose(error)}
        raise Refusal("CERTIFICATE_REVOKED", Code.FAILED_PRECONDITION, metadata) from error
    except ExpiredError as error:
        raise _outside_validity("CERTIFICATE_EXPIRED", error, error.expired_dt) from error
    except NotYetValidError as error:
        raise _outside_validity("CERTIFICATE_NOT_YET_VALID", error, error.valid_from) from error
    except DisallowedAlgorithmError as error:
        raise Refusal("CERTIFICATE_KEY_WEAK", Code.FAILED_PRECONDITION, {"certificate": _whose(error)}) from error
    except PathValidationError as error:
        metadata = {"certificate": _whose(error)}
        raise Refusal("CERTIFICATE_PATH_INVALID", Code.FAILED_PRECONDITION, metadata) from error
    except (*PARSER_ERRORS, InvalidSignature, AssertionError, NotImplementedError) as error:
        # What a trusted CA signed may still be nonsense in a place that is read only here.
        raise Refusal("CERTIFICATE_PATH_INVALID", Code.FAILED_PRECONDITION, {"certificate": "unreadable"}) from error


def _context(
    known: Sequence[Certificate],
    trust: Trust,
    now: datetime,
    lists: Sequence[tuple[RevocationList, crl.CertificateList]] | None,
) -> ValidationContext:
    rule = RevocationCheckingRule.CRL_REQUIRED if lists is not None else RevocationCheckingRule.NO_CHECK
    narrow = [narrowed_list for _, narrowed_list in lists or ()]
    context = ValidationContext(
        trust_manager=_manager(trust),
        certificate_registry=CertificateRegistry.build(issuer.parsed for issuer in known),
        moment=now,
        crls=narrow,
        # Which lists are fresh was decided before; a CA's clock may be a little ahead of ours.
        revinfo_policy=CertRevTrustPolicy(RevocationCheckingPolicy(rule, rule), retroactive_revinfo=True),
        algorithm_usage_policy=StrongAlgorithms(),
        signature_validator=_Signatures({_signed(narrow_list): held for held, narrow_list in lists or ()}),
        time_tolerance=timedelta(0),
    )
    # As of now, and not a point in the past: who stands on a list is revoked, whatever date the entry has.
    context.timing_params = ValidationTimingParams(ValidationTimingInfo(now, now, False), timedelta(0))
    return context


def _manager(trust: Trust) -> SimpleTrustManager:
    # One for each validation: it remembers every name that it was ever asked for.
    return SimpleTrustManager.build(trust_roots=trust.anchors)


def _finding(fresh: Iterable[RevocationList], card: x509.Certificate, context: ValidationContext) -> RevocationFinding:
    newest: dict[bytes, RevocationList] = {}
    for held in fresh:
        proven = context.revinfo_manager.check_crl_issuer(held.header) is not None
        if proven and not held.is_delta and held.issuer_key == card.issuer.hashable:
            newest[held.scope] = max(held, newest.get(held.scope, held), key=_issued)
    oldest = min(newest.values(), key=_issued)
    return RevocationFinding(RevocationStatus.GOOD, oldest.this_update, oldest.next_update, oldest.sha256)


def _refuse_listed(
    certificates: Sequence[x509.Certificate], lists: Sequence[RevocationList], known: Sequence[Certificate]
) -> None:
    # A list that is too old to say "not revoked" still says "revoked".
    for certificate in certificates:
        for held in lists:
            listed = not held.is_delta and held.issuer_key == certificate.issuer.hashable and held.lists(certificate)
            if listed and any(is_list_of(held, issuer) for issuer in known):
                whose = "card" if certificate is certificates[-1] else "authority"
                raise Refusal("CERTIFICATE_REVOKED", Code.FAILED_PRECONDITION, {"certificate": whose})


def _outside_validity(reason: str, error: PathValidationError, at: datetime) -> Refusal:
    if _whose(error) == "card":
        metadata = {"at": at.isoformat(), "date": at.astimezone(_TOKYO).strftime("%Y/%m/%d")}
        return Refusal(reason, Code.FAILED_PRECONDITION, metadata)
    return Refusal("CERTIFICATE_PATH_INVALID", Code.FAILED_PRECONDITION, {"certificate": "authority"})


def _whose(error: PathValidationError) -> str:
    return "card" if error.is_ee_cert else "authority"


def _anchor(path: ValidationPath, known: Sequence[Certificate]) -> Certificate:
    pinned = path.trust_anchor.authority
    key, name = pinned.public_key.dump(), pinned.name.hashable
    return next(one for one in known if one.key.der == key and one.parsed.subject.hashable == name)


def _signed(revocations: crl.CertificateList) -> bytes:
    der: bytes = revocations["tbs_cert_list"].dump()
    return der


def _issued(held: RevocationList) -> datetime:
    return held.this_update


def _by_issuers(certificates: Iterable[x509.Certificate], trust: Trust) -> Iterator[RevocationList]:
    for name in {certificate.issuer.hashable for certificate in certificates}:
        yield from trust.lists.get(name, ())


def _helpful(others: Iterable[bytes]) -> Iterator[Certificate]:
    # A card may hold anything beside its certificate; only CAs and signers of lists can help.
    for der in others:
        try:
            certificate = parse_certificate(der)
            if certificate.is_authority or "crl_sign" in (certificate.key_usage or ()):
                certificate.parsed.subject.hashable  # noqa: B018  # raises where names can't be compared
                yield certificate
        except (Refusal, ValueError):
            continue

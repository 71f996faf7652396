"""Validates a card's certificate path and revocation status (RFC 5280, section 6; CRD-05), without network access.

pyhanko-certvalidator validates the path and decides what a CRL covers. Decided here: which certificates may be part of
a path (`trust_store`), which algorithms are strong enough (`strength`), which CRLs are fresh and what a missing one
means (`revocation_list` and the CA's rule), and the reason of each refusal.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

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
from typing_extensions import override

from certificate_registry.pki.card_authorities import CardAuthority, UnknownStatus
from certificate_registry.pki.certificate import (
    PARSER_ERRORS,
    CardValues,
    Certificate,
    name_issuer,
    parse_certificate,
    read_values,
)
from certificate_registry.pki.revocation_list import (
    Freshness,
    RevocationList,
    assess_freshness,
    is_list_of,
    may_cover,
    narrow_list,
    verify_list_signature,
)
from certificate_registry.pki.standing import Standing, find_standing
from certificate_registry.pki.strength import StrongAlgorithms, require_strong_card
from certificate_registry.pki.trust_store import (
    TrustStore,
    collect_validity,
    find_chained_certificates,
    is_issued_by,
)
from instance_profile.japan_time import JAPAN
from refusals import Code, Refusal

MOST_OTHER_CERTIFICATES = 8
_MOST_PATHS = 16
_ANY_EXTENDED_KEY_USAGE = "2.5.29.37.0"
_SIGNING = frozenset({"digital_signature", "non_repudiation"})

# If all paths to a card fail, the person sees the most specific reason.
_REASON_PRIORITY = (
    *("CERTIFICATE_REVOKED", "CERTIFICATE_EXPIRED", "CERTIFICATE_NOT_YET_VALID", "CERTIFICATE_KEY_WEAK"),
    *("REVOCATION_ACCESS_MISSING", "REVOCATION_STATUS_UNKNOWN", "CERTIFICATE_PATH_INVALID"),
)


class RevocationStatus(StrEnum):
    """Revocation status of an accepted card; a revoked card is never accepted."""

    GOOD = "good"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RevocationFinding:
    """The revocation status and the oldest CRL of the card that it rests on; None if there was no usable CRL.

    `lists` are all CRLs that the path rests on, those of the CAs too. Where the status is unknown they are what is
    known all the same, for example CRLs that have ended; empty if one certificate of the path has none.
    """

    status: RevocationStatus
    this_update: datetime | None = None
    next_update: datetime | None = None
    list_sha256: bytes | None = None
    lists: tuple[RevocationList, ...] = field(default=(), repr=False, compare=False)

    def age(self, now: datetime) -> timedelta | None:
        """Returns the age of the CRL, from its thisUpdate."""
        return None if self.this_update is None else now - self.this_update


@dataclass(frozen=True, slots=True)
class ValidatedCertificate:
    """A valid certificate. `chain` is in DER, the card first, the pinned CA last.

    The same certificate with the same `brought` and the same trust store has the same result while it `stands`;
    `brought` are the certificates (SHA-256) that came with it and could be of use, none of which the trust store has.
    """

    certificate: Certificate
    authority: CardAuthority
    values: CardValues
    chain: tuple[bytes, ...] = field(repr=False)
    revocation: RevocationFinding
    brought: frozenset[bytes]
    stands: Standing


@dataclass(frozen=True, slots=True)
class PathRules:
    """Requirements on a path in addition to the CA's rules: inputs (c) to (g) of RFC 5280, 6.1.1."""

    for_signing: bool = True
    explicit_policy: bool = False
    inhibit_policy_mapping: bool = False
    inhibit_any_policy: bool = False


CARD_RULES = PathRules()


async def validate_certificate(
    certificate: Certificate,
    others: Sequence[bytes],
    trust_store: TrustStore,
    now: datetime,
    rules: PathRules = CARD_RULES,
) -> ValidatedCertificate:
    """Validates a card's certificate at `now` (aware); `others` came with it (DER, possibly garbage).

    Raises, in this order: TOO_MANY_CERTIFICATES; CERTIFICATE_KEY_WEAK; CERTIFICATE_AUTHORITY_UNKNOWN if it is not
    chained to a pinned key, regardless of names; CERTIFICATE_REVOKED, even if only a stale CRL lists it;
    CERTIFICATE_EXPIRED and CERTIFICATE_NOT_YET_VALID with `at` and `date` (a day in Japan); CERTIFICATE_PATH_INVALID
    for any other error of the path; REVOCATION_STATUS_UNKNOWN with `cause` (none, stale, too old, unusable), only if
    everything else is valid and the CA's rule refuses it; REVOCATION_ACCESS_MISSING instead, where the CA's rule says
    that the instance has no access to its CRLs; CERTIFICATE_NOT_FOR_SIGNING; CERTIFICATE_MALFORMED for values that
    can't be displayed. Never suspends: nothing in it waits.
    """
    if len(others) > MOST_OTHER_CERTIFICATES:
        raise Refusal("TOO_MANY_CERTIFICATES", Code.INVALID_ARGUMENT, {"most": str(MOST_OTHER_CERTIFICATES)})
    require_strong_card(certificate)
    known = find_chained_certificates(list(_read_issuers(others)), trust_store.certificates)
    if not any(is_issued_by(certificate, issuer) for issuer in known):
        raise _refuse_authority(certificate)
    authority, path, finding = await _find_valid_path(certificate, known, trust_store, now, rules)
    if rules.for_signing:
        require_for_signing(certificate, authority)
    brought = known[len(trust_store.certificates) :]
    return ValidatedCertificate(
        certificate,
        authority,
        read_values(certificate, authority),
        chain=tuple(part.dump() for part in reversed(list(path))),
        revocation=finding,
        brought=frozenset(one.sha256 for one in brought),
        stands=find_standing(now, trust_store.instants | collect_validity((certificate, *brought))),
    )


def require_for_signing(certificate: Certificate, authority: CardAuthority) -> None:
    """Raises CERTIFICATE_NOT_FOR_SIGNING for a CA, a key usage without signing, or an extended key usage not accepted.

    digitalSignature or nonRepudiation is sufficient: private CAs differ in which one they set. A certificate without a
    usage extension is accepted (RFC 5280, 4.2.1.3 and 4.2.1.12).
    """
    if certificate.is_authority:
        raise Refusal("CERTIFICATE_NOT_FOR_SIGNING", Code.FAILED_PRECONDITION, {"cause": "basic_constraints"})
    if certificate.key_usage is not None and not certificate.key_usage & _SIGNING:
        raise Refusal("CERTIFICATE_NOT_FOR_SIGNING", Code.FAILED_PRECONDITION, {"cause": "key_usage"})
    accepted, usages = authority.accepted_extended_key_usages, certificate.extended_key_usages
    if accepted and usages is not None and not usages & (accepted | {_ANY_EXTENDED_KEY_USAGE}):
        raise Refusal("CERTIFICATE_NOT_FOR_SIGNING", Code.FAILED_PRECONDITION, {"cause": "extended_key_usage"})


class _Signatures(SignatureValidator):
    """Verifies a narrowed CRL by the original one, everything else as the library does."""

    def __init__(self, lists: dict[bytes, RevocationList]) -> None:
        self._lists = lists

    @override
    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: keys.PublicKeyInfo,
        signature_algorithm: algos.SignedDigestAlgorithm,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        revocation_list = self._lists.get(signed_data)
        if revocation_list is not None and signature == revocation_list.header["signature"].native:
            verify_list_signature(revocation_list, public_key_info)
            return
        DEFAULT_SIGNATURE_VALIDATOR.validate_signature(
            signature, signed_data, public_key_info, signature_algorithm, context
        )


async def _find_valid_path(
    certificate: Certificate, known: Sequence[Certificate], trust_store: TrustStore, now: datetime, rules: PathRules
) -> tuple[CardAuthority, ValidationPath, RevocationFinding]:
    registry = CertificateRegistry.build(issuer.parsed for issuer in known)
    builder = PathBuilder(_trust_manager(trust_store), registry)
    failures: list[Refusal] = []
    try:
        async for path in builder.async_build_paths_lazy(certificate.parsed):
            try:
                anchor = _anchor(path, known)
                finding = await _validate(path, anchor, known, trust_store, now, rules)
                return trust_store.pinned[anchor.key.sha256], path, finding
            except Refusal as refusal:
                failures.append(refusal)
            if len(failures) == _MOST_PATHS:
                break
    except PathBuildingError as error:
        raise _refuse_authority(certificate) from error
    raise min(failures, key=lambda refusal: _REASON_PRIORITY.index(refusal.reason))


async def _validate(
    path: ValidationPath,
    anchor: Certificate,
    known: Sequence[Certificate],
    trust_store: TrustStore,
    now: datetime,
    rules: PathRules,
) -> RevocationFinding:
    authority = trust_store.pinned[anchor.key.sha256]
    certificates = list(path.iter_certs(include_root=False))
    # A CRL may be signed with a separate key, whose certificate can be revoked too (PKITS 4.4.21).
    checked = [*certificates, *(issuer.parsed for issuer in known)]
    lists = [one for one in _lists_of_issuers(checked, trust_store) if any(may_cover(one, cert) for cert in checked)]
    fresh = [one for one in lists if assess_freshness(one, authority.revocation, now) is Freshness.FRESH]
    parameters = PKIXValidationParams(
        user_initial_policy_set=authority.required_policies or frozenset({"any_policy"}),
        initial_explicit_policy=rules.explicit_policy or bool(authority.required_policies),
        initial_policy_mapping_inhibit=rules.inhibit_policy_mapping,
        initial_any_policy_inhibit=rules.inhibit_any_policy,
    )
    if not authority.revocation.access:
        # Another reason tells more: it would stand with access, too.
        await _run(_context(known, trust_store, now, None), path, parameters)
        _refuse_revoked(certificates, lists, known)
        raise Refusal("REVOCATION_ACCESS_MISSING", Code.FAILED_PRECONDITION, {"authority": authority.id})
    context = _context(known, trust_store, now, [(one, narrow_list(one, checked)) for one in fresh])
    for revocation_list in fresh:
        # The library finds no path for a CRL of the pinned CA itself unless that CA is self-signed.
        if is_list_of(revocation_list, anchor):
            context.revinfo_manager.record_crl_issuer(  # type: ignore[no-untyped-call]  # the library has no types here
                revocation_list.header, anchor.parsed
            )
    try:
        await _run(context, path, parameters)
        return replace(
            _find_oldest_needed(fresh, certificates[-1], context), lists=_find_lists(certificates, fresh, known)
        )
    except InsufficientRevinfoError as error:
        # Everything else is validated without revocation, so that "unknown" means: everything else is valid.
        await _run(_context(known, trust_store, now, None), path, parameters)
        _refuse_revoked(certificates, lists, known)
        if authority.revocation.unknown is UnknownStatus.ACCEPT:
            return RevocationFinding(RevocationStatus.UNKNOWN, lists=_find_lists(certificates, lists, known))
        newest = max((one for one in lists if may_cover(one, certificates[-1])), key=_this_update, default=None)
        metadata = {"authority": authority.id, "cause": "none"}
        if newest is not None:
            freshness = assess_freshness(newest, authority.revocation, now)
            # A fresh CRL that did not suffice is signed by another key, or covers other certificates or reasons.
            metadata["cause"] = "unusable" if freshness is Freshness.FRESH else freshness.value
            metadata["this_update"] = newest.this_update.isoformat()
        raise Refusal("REVOCATION_STATUS_UNKNOWN", Code.FAILED_PRECONDITION, metadata) from error


async def _run(context: ValidationContext, path: ValidationPath, parameters: PKIXValidationParams) -> None:
    try:
        await async_validate_path(context, path, parameters)
    except InsufficientRevinfoError:
        raise
    except RevokedError as error:
        metadata = {"at": error.revocation_dt.isoformat(), "certificate": _role(error)}
        raise Refusal("CERTIFICATE_REVOKED", Code.FAILED_PRECONDITION, metadata) from error
    except ExpiredError as error:
        raise _outside_validity("CERTIFICATE_EXPIRED", error, error.expired_dt) from error
    except NotYetValidError as error:
        raise _outside_validity("CERTIFICATE_NOT_YET_VALID", error, error.valid_from) from error
    except DisallowedAlgorithmError as error:
        raise Refusal("CERTIFICATE_KEY_WEAK", Code.FAILED_PRECONDITION, {"certificate": _role(error)}) from error
    except PathValidationError as error:
        metadata = {"certificate": _role(error)}
        raise Refusal("CERTIFICATE_PATH_INVALID", Code.FAILED_PRECONDITION, metadata) from error
    except (*PARSER_ERRORS, InvalidSignature, AssertionError, NotImplementedError) as error:
        # A certificate signed by a trusted CA may still be malformed in a part that is parsed only here.
        raise Refusal("CERTIFICATE_PATH_INVALID", Code.FAILED_PRECONDITION, {"certificate": "unreadable"}) from error


def _context(
    known: Sequence[Certificate],
    trust_store: TrustStore,
    now: datetime,
    lists: Sequence[tuple[RevocationList, crl.CertificateList]] | None,
) -> ValidationContext:
    rule = RevocationCheckingRule.CRL_REQUIRED if lists is not None else RevocationCheckingRule.NO_CHECK
    context = ValidationContext(
        trust_manager=_trust_manager(trust_store),
        certificate_registry=CertificateRegistry.build(issuer.parsed for issuer in known),
        moment=now,
        crls=[narrow for _, narrow in lists or ()],
        # Freshness was assessed before; a CA's clock may be slightly ahead of ours.
        revinfo_policy=CertRevTrustPolicy(RevocationCheckingPolicy(rule, rule), retroactive_revinfo=True),
        algorithm_usage_policy=StrongAlgorithms(),
        signature_validator=_Signatures({_signed_part(narrow): whole for whole, narrow in lists or ()}),
        time_tolerance=timedelta(0),
    )
    # Validated as of now: a listed certificate is revoked, regardless of the entry's revocation date.
    context.timing_params = ValidationTimingParams(ValidationTimingInfo(now, now, False), timedelta(0))
    return context


def _trust_manager(trust_store: TrustStore) -> SimpleTrustManager:
    # A new one for each validation: it keeps every name that it was ever asked for.
    return SimpleTrustManager.build(trust_roots=trust_store.anchors)


def _find_oldest_needed(
    fresh: Iterable[RevocationList], card: x509.Certificate, context: ValidationContext
) -> RevocationFinding:
    newest: dict[bytes, RevocationList] = {}
    for revocation_list in fresh:
        is_verified = context.revinfo_manager.check_crl_issuer(revocation_list.header) is not None
        if is_verified and not revocation_list.is_delta and revocation_list.issuer_key == card.issuer.hashable:
            scope = revocation_list.scope
            newest[scope] = max(revocation_list, newest.get(scope, revocation_list), key=_this_update)
    oldest = min(newest.values(), key=_this_update)
    return RevocationFinding(RevocationStatus.GOOD, oldest.this_update, oldest.next_update, oldest.sha256)


def _find_lists(
    certificates: Sequence[x509.Certificate], lists: Sequence[RevocationList], known: Sequence[Certificate]
) -> tuple[RevocationList, ...]:
    # A delta CRL only adds to a whole one, which does not end earlier without it.
    whole = [one for one in lists if not one.is_delta and any(is_list_of(one, issuer) for issuer in known)]
    found: dict[bytes, RevocationList] = {}
    for certificate in certificates:
        covering = {one.scope: one for one in whole if may_cover(one, certificate)}
        if not covering:
            return ()
        found |= covering
    return tuple(found[scope] for scope in sorted(found))


def _refuse_revoked(
    certificates: Sequence[x509.Certificate], lists: Sequence[RevocationList], known: Sequence[Certificate]
) -> None:
    # A CRL that is too old to prove that a certificate is good still proves that a listed one is revoked.
    for certificate in certificates:
        for revocation_list in lists:
            is_whole_list_of_issuer = (
                not revocation_list.is_delta and revocation_list.issuer_key == certificate.issuer.hashable
            )
            if not is_whole_list_of_issuer or not revocation_list.contains(certificate):
                continue
            if any(is_list_of(revocation_list, issuer) for issuer in known):
                role = "card" if certificate is certificates[-1] else "authority"
                raise Refusal("CERTIFICATE_REVOKED", Code.FAILED_PRECONDITION, {"certificate": role})


def _outside_validity(reason: str, error: PathValidationError, at: datetime) -> Refusal:
    if _role(error) == "card":
        metadata = {"at": at.isoformat(), "date": at.astimezone(JAPAN).strftime("%Y/%m/%d")}
        return Refusal(reason, Code.FAILED_PRECONDITION, metadata)
    return Refusal("CERTIFICATE_PATH_INVALID", Code.FAILED_PRECONDITION, {"certificate": "authority"})


def _refuse_authority(certificate: Certificate) -> Refusal:
    """Returns the refusal of a card whose CA the instance does not trust."""
    metadata = {"issuer": certificate.issuer, "issuer_name": name_issuer(certificate)}
    return Refusal("CERTIFICATE_AUTHORITY_UNKNOWN", Code.FAILED_PRECONDITION, metadata)


def _role(error: PathValidationError) -> str:
    return "card" if error.is_ee_cert else "authority"


def _anchor(path: ValidationPath, known: Sequence[Certificate]) -> Certificate:
    pinned = path.trust_anchor.authority
    key, name = pinned.public_key.dump(), pinned.name.hashable
    return next(one for one in known if one.key.der == key and one.parsed.subject.hashable == name)


def _signed_part(revocation_list: crl.CertificateList) -> bytes:
    der: bytes = revocation_list["tbs_cert_list"].dump()
    return der


def _this_update(revocation_list: RevocationList) -> datetime:
    return revocation_list.this_update


def _lists_of_issuers(certificates: Iterable[x509.Certificate], trust_store: TrustStore) -> Iterator[RevocationList]:
    for name in {certificate.issuer.hashable for certificate in certificates}:
        yield from trust_store.lists.get(name, ())


def _read_issuers(others: Iterable[bytes]) -> Iterator[Certificate]:
    # A card may contain any certificates; only CAs and signers of CRLs can be part of a path.
    for der in dict.fromkeys(others):
        try:
            certificate = parse_certificate(der)
            if certificate.is_authority or "crl_sign" in (certificate.key_usage or ()):
                yield certificate
        except Refusal:
            continue

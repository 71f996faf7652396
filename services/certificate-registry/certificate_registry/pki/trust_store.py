"""The trust store of an instance: pinned CA keys, the CA certificates chained to them, and the stored CRLs.

CAs are pinned by key (CRD-05). A certificate belongs to a trusted CA only if a chain of signatures leads from it to a
pinned key; names prove nothing. Certificates that come with a card pass the same test before any path is built, so
that path building never works on invented certificates.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator.authority import CertTrustAnchor, TrustQualifiers, derive_quals_from_cert
from pyhanko_certvalidator.policy_decl import PKIXValidationParams
from pyhanko_certvalidator.sig_validate import DEFAULT_SIGNATURE_VALIDATOR

from certificate_registry.pki.card_authorities import CardAuthority
from certificate_registry.pki.certificate import PARSER_ERRORS, Certificate, parse_certificate
from certificate_registry.pki.revocation_list import ListVersion, RevocationList, find_end, is_list_of, require_newer
from certificate_registry.pki.strength import find_weakness, is_strong
from instance_profile.authority_certificates import AUTHORITY_CURVES
from instance_profile.locators import parse_locator
from refusals import Code, Refusal


@dataclass(frozen=True, slots=True, eq=False)
class TrustStore:
    """Built once by `build_trust_store`; `with_lists` returns a copy with other CRLs.

    `pinned` maps each pinned key to its authority; `certificates` holds all CA certificates chained to a pinned key;
    `lists` maps an issuer's normalized name to its CRLs. `instants` are those with which validation compares its
    moment: begin and end of each of these certificates and CRLs.
    """

    pinned: Mapping[str, CardAuthority]
    certificates: tuple[Certificate, ...]
    anchors: tuple[CertTrustAnchor, ...] = field(repr=False)
    lists: Mapping[str, tuple[RevocationList, ...]] = field(default_factory=dict)
    instants: frozenset[datetime] = field(default=frozenset(), repr=False)

    def with_lists(self, lists: Iterable[RevocationList]) -> "TrustStore":
        """Returns a copy with these CRLs: accepted ones, the newest of each scope."""
        by_issuer: dict[str, tuple[RevocationList, ...]] = {}
        instants = collect_validity(self.certificates)
        rules = [authority.revocation for authority in self.pinned.values()]
        for crl in lists:
            by_issuer[crl.issuer_key] = (*by_issuer.get(crl.issuer_key, ()), crl)
            instants |= {crl.this_update, *(find_end(crl, rule) for rule in rules)}
            if crl.next_update is not None:
                instants.add(crl.next_update)
        return replace(self, lists=by_issuer, instants=frozenset(instants))


def build_trust_store(authorities: Sequence[CardAuthority], lists: Iterable[RevocationList] = ()) -> TrustStore:
    """Builds the trust store from the CAs of a profile.

    `lists` holds the stored CRLs: each passed `accept_revocation_list`, and is the newest of its scope. Raises
    ValueError with the id of the CA for an error in the profile: a pin without a certificate, a pin used twice, a
    certificate not chained to a pinned key, a weak CA key, an invalid locator, an unreadable certificate.
    """
    pinned: dict[str, CardAuthority] = {}
    for authority in authorities:
        for pin in authority.key_sha256:
            if pinned.setdefault(pin, authority) is not authority:
                raise ValueError(f"card authority {authority.id}: key {pin} is pinned by {pinned[pin].id} too")
        for locators in (
            *(authority.company_name, authority.company_address),
            *(authority.holder_name, authority.holder_address),
        ):
            for locator in locators:
                parse_locator(locator)
    certificates = {
        certificate.sha256: (authority, certificate) for authority in authorities for certificate in _parsed(authority)
    }
    anchors = [certificate for _, certificate in certificates.values() if certificate.key.sha256 in pinned]
    missing = set(pinned) - {certificate.key.sha256 for certificate in anchors}
    if missing:
        pin = min(missing)
        raise ValueError(f"card authority {pinned[pin].id}: no certificate with the pinned key {pin}")
    proven = find_chained_certificates([certificate for _, certificate in certificates.values()], anchors)
    for authority, certificate in certificates.values():
        if certificate not in proven:
            raise ValueError(f"card authority {authority.id}: no pinned key vouches for {certificate.subject}")
        if not is_strong(certificate.key, AUTHORITY_CURVES):
            raise ValueError(f"card authority {authority.id}: the key of {certificate.subject} is too weak")
    pins = tuple(_anchor(certificate, pinned[certificate.key.sha256]) for certificate in anchors)
    return TrustStore(pinned, tuple(proven), pins).with_lists(lists)


def collect_validity(certificates: Iterable[Certificate]) -> set[datetime]:
    """Returns the instants at which these certificates begin and end to be valid."""
    return {instant for one in certificates for instant in (one.not_before, one.not_after)}


def find_chained_certificates(candidates: Sequence[Certificate], known: Sequence[Certificate]) -> list[Certificate]:
    """Returns `known` and the candidates whose signatures chain to it, nearest first."""
    chained = list(known)
    unchained = [candidate for candidate in candidates if candidate not in chained]
    # A certificate that is not a CA's can't issue others. The known ones may: their keys are pinned.
    issuers = list(known)
    while issuers:
        issued = [candidate for candidate in unchained if any(is_issued_by(candidate, issuer) for issuer in issuers)]
        chained += issued
        unchained = [candidate for candidate in unchained if candidate not in issued]
        issuers = [candidate for candidate in issued if candidate.is_authority]
    return chained


def is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Returns whether a certificate has this issuer's name and a strong signature by its key.

    The signature is verified first: what the key did not sign may have names that take long to compare.
    """
    algorithm = certificate.parsed["signature_algorithm"]
    try:
        if find_weakness(algorithm) is not None or not is_strong(issuer.key, AUTHORITY_CURVES):
            return False
        DEFAULT_SIGNATURE_VALIDATOR.validate_signature(
            signature=certificate.parsed["signature_value"].native,
            signed_data=certificate.parsed["tbs_certificate"].dump(),
            public_key_info=issuer.parsed.public_key,
            signature_algorithm=algorithm,
        )
    except (InvalidSignature, AssertionError, *PARSER_ERRORS):
        return False
    return bool(certificate.parsed.issuer == issuer.parsed.subject)


def accept_revocation_list(
    fetched: RevocationList, trust_store: TrustStore, stored: ListVersion | None, now: datetime
) -> None:
    """Checks whether a fetched CRL may replace the stored one of its scope (None if there is none).

    Raises CRL_SIGNER_UNKNOWN if no CA of the instance has the CRL's issuer name, CRL_SIGNATURE_INVALID if one has but
    did not sign it, CRL_NOT_YET_VALID, CRL_OLDER_THAN_HELD. Verifying a long CRL takes milliseconds: call it in a
    thread.
    """
    if not any(is_list_of(fetched, certificate) for certificate in trust_store.certificates):
        # Byte for byte: nobody vouches for this name, so it is not prepared.
        issuer = fetched.header.issuer.dump()
        is_known = any(certificate.parsed.subject.dump() == issuer for certificate in trust_store.certificates)
        reason = "CRL_SIGNATURE_INVALID" if is_known else "CRL_SIGNER_UNKNOWN"
        raise Refusal(reason, Code.FAILED_PRECONDITION, {"issuer": fetched.issuer})
    require_newer(fetched, stored, now)


def collect_fetch_urls(trust_store: TrustStore) -> frozenset[str]:
    """Returns the CRL addresses named by the profile, the CA certificates and the stored CRLs.

    Cards name more (`Certificate.crl_urls`). Those are trusted once `validate_certificate` accepted the card or refused
    it with REVOCATION_STATUS_UNKNOWN: in both cases a trusted CA signed them.
    """
    configured = {url for authority in trust_store.pinned.values() for url in authority.revocation.crl_urls}
    in_certificates = {
        url
        for certificate in trust_store.certificates
        if certificate.key.sha256 not in trust_store.pinned
        for url in certificate.crl_urls
    }
    deltas = {url for lists in trust_store.lists.values() for crl in lists for url in crl.delta_urls}
    return frozenset(configured | in_certificates | deltas)


def _parsed(authority: CardAuthority) -> list[Certificate]:
    try:
        return [parse_certificate(der) for der in authority.certificates]
    except Refusal as refusal:
        raise ValueError(f"card authority {authority.id}: a CA certificate can't be read: {refusal}") from refusal


def _anchor(certificate: Certificate, authority: CardAuthority) -> CertTrustAnchor:
    # A pinned key is limited by its certificate's validity, path length and name constraints. Its policies are not
    # applied: CAs do not repeat in their own certificates the policies that they put into cards.
    try:
        derived = derive_quals_from_cert(certificate.parsed)
    except PARSER_ERRORS as error:
        raise ValueError(
            f"card authority {authority.id}: an extension of {certificate.subject} is malformed"
        ) from error
    names = derived.standard_parameters
    limits = TrustQualifiers(
        standard_parameters=None
        if names is None
        else PKIXValidationParams(
            initial_permitted_subtrees=names.initial_permitted_subtrees,
            initial_excluded_subtrees=names.initial_excluded_subtrees,
        ),
        max_path_length=derived.max_path_length,
        max_aa_path_length=derived.max_path_length,
        valid_from=derived.valid_from,
        valid_until=derived.valid_until,
    )
    return CertTrustAnchor(certificate.parsed, limits)

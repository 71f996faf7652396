"""What an instance trusts, made ready for use: pinned CA keys, the CA certificates below them, the lists held.

CAs are pinned by key (CRD-05). A certificate counts as a CA's only if a pinned key signed it, or a key that such a
chain of signatures leads to; a name alone proves nothing. Certificates that come with a card are taken in by the
same rule before any path is built, so that nobody can make the path building work on certificates he invented.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator.authority import CertTrustAnchor, TrustQualifiers, derive_quals_from_cert
from pyhanko_certvalidator.policy_decl import PKIXValidationParams
from pyhanko_certvalidator.sig_validate import DEFAULT_SIGNATURE_VALIDATOR

from certificate_registry.pki.card_authorities import Authority
from certificate_registry.pki.certificate import PARSER_ERRORS, Certificate, parse_certificate, require_locator
from certificate_registry.pki.revocation_list import ListVersion, RevocationList, is_list_of, require_newer
from certificate_registry.pki.strength import AUTHORITY_CURVES, is_strong, weakness
from refusals import Code, Refusal


@dataclass(frozen=True, slots=True, eq=False)
class Trust:
    """Built once by `build_trust`; `with_lists` gives the same trust with other revocation lists.

    `pinned` is the authority of each pinned key, `certificates` all CA certificates that the pins vouch for, `lists`
    the revocation lists by their issuer's name in the form in which names are compared.
    """

    pinned: Mapping[str, Authority]
    certificates: tuple[Certificate, ...]
    anchors: tuple[CertTrustAnchor, ...] = field(repr=False)
    lists: Mapping[str, tuple[RevocationList, ...]] = field(default_factory=dict)

    def with_lists(self, lists: Iterable[RevocationList]) -> "Trust":
        """The same trust with these revocation lists: those that were accepted, of each scope the newest."""
        by_issuer: dict[str, tuple[RevocationList, ...]] = {}
        for held in lists:
            by_issuer[held.issuer_key] = (*by_issuer.get(held.issuer_key, ()), held)
        return replace(self, lists=by_issuer)


def build_trust(authorities: Sequence[Authority], lists: Iterable[RevocationList] = ()) -> Trust:
    """Makes the CAs of a profile ready for use.

    `lists` are those held: checked by `accept_revocation_list` when they came, of each scope the newest. Raises
    ValueError, naming the CA, where the profile is wrong: a pin without its certificate, one pin twice, a certificate
    that no pinned key vouches for, a CA key that is too weak, a locator that is none, a certificate that can't be read.
    """
    pinned: dict[str, Authority] = {}
    for authority in authorities:
        for pin in authority.key_sha256:
            if pinned.setdefault(pin, authority) is not authority:
                raise ValueError(f"card authority {authority.id}: key {pin} is pinned by {pinned[pin].id} too")
        for locators in (
            *(authority.company_name, authority.company_address),
            *(authority.holder_name, authority.holder_address),
        ):
            for locator in locators:
                require_locator(locator)
    certificates = {
        certificate.sha256: (authority, certificate) for authority in authorities for certificate in _parsed(authority)
    }
    anchors = [certificate for _, certificate in certificates.values() if certificate.key.sha256 in pinned]
    missing = set(pinned) - {certificate.key.sha256 for certificate in anchors}
    if missing:
        pin = min(missing)
        raise ValueError(f"card authority {pinned[pin].id}: no certificate with the pinned key {pin}")
    proven = admit([certificate for _, certificate in certificates.values()], anchors)
    for authority, certificate in certificates.values():
        if certificate not in proven:
            raise ValueError(f"card authority {authority.id}: no pinned key vouches for {certificate.subject}")
        if not is_strong(certificate.key, AUTHORITY_CURVES):
            raise ValueError(f"card authority {authority.id}: the key of {certificate.subject} is too weak")
    pins = tuple(_anchor(certificate) for certificate in anchors)
    return Trust(pinned, tuple(proven), pins).with_lists(lists)


def admit(candidates: Sequence[Certificate], known: Sequence[Certificate]) -> list[Certificate]:
    """`known`, and of the candidates those that lead back to it by signatures, nearest first."""
    admitted = list(known)
    waiting = [candidate for candidate in candidates if candidate not in admitted]
    # Only CAs vouch for others; the known ones do so because their keys are pinned.
    issuers = list(known)
    while issuers:
        found = [candidate for candidate in waiting if any(is_issued_by(candidate, issuer) for issuer in issuers)]
        admitted += found
        waiting = [candidate for candidate in waiting if candidate not in found]
        issuers = [candidate for candidate in found if candidate.is_authority]
    return admitted


def is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the issuer's name stands in the certificate and its key signed it, strongly enough."""
    algorithm = certificate.parsed["signature_algorithm"]
    try:
        if certificate.parsed.issuer != issuer.parsed.subject or weakness(algorithm) is not None:
            return False
        if not is_strong(issuer.key, AUTHORITY_CURVES):
            return False
        DEFAULT_SIGNATURE_VALIDATOR.validate_signature(
            signature=certificate.parsed["signature_value"].native,
            signed_data=certificate.parsed["tbs_certificate"].dump(),
            public_key_info=issuer.parsed.public_key,
            signature_algorithm=algorithm,
        )
    except (InvalidSignature, AssertionError, *PARSER_ERRORS):
        return False
    return True


def accept_revocation_list(fetched: RevocationList, trust: Trust, held: ListVersion | None, now: datetime) -> None:
    """Whether a fetched list may take the place of the one held of its scope (None: there is none).

    Raises CRL_SIGNER_UNKNOWN where no CA of the instance has the list's issuer name, CRL_SIGNATURE_INVALID where one
    has but did not sign it, CRL_NOT_YET_VALID and CRL_OLDER_THAN_HELD. With many entries the signature takes some
    milliseconds; call it in a thread.
    """
    named = [certificate for certificate in trust.certificates if certificate.parsed.subject == fetched.header.issuer]
    if not named:
        raise Refusal("CRL_SIGNER_UNKNOWN", Code.FAILED_PRECONDITION, {"issuer": fetched.issuer})
    if not any(is_list_of(fetched, certificate) for certificate in named):
        raise Refusal("CRL_SIGNATURE_INVALID", Code.FAILED_PRECONDITION, {"issuer": fetched.issuer})
    require_newer(fetched, held, now)


def fetch_urls(trust: Trust) -> frozenset[str]:
    """Where lists are to be fetched, as far as the profile and the CA certificates say.

    The cards themselves name further places (`Certificate.crl_urls`), which may be trusted once `validate_certificate`
    accepted the card, or refused it with REVOCATION_STATUS_UNKNOWN: in both cases a trusted CA wrote them.
    """
    configured = {url for authority in trust.pinned.values() for url in authority.revocation.crl_urls}
    in_certificates = {
        url
        for certificate in trust.certificates
        if certificate.key.sha256 not in trust.pinned
        for url in certificate.crl_urls
    }
    changes = {url for lists in trust.lists.values() for held in lists for url in held.delta_urls}
    return frozenset(configured | in_certificates | changes)


def _parsed(authority: Authority) -> list[Certificate]:
    try:
        return [parse_certificate(der) for der in authority.certificates]
    except Refusal as refusal:
        raise ValueError(f"card authority {authority.id}: a CA certificate can't be read: {refusal}") from refusal


def _anchor(certificate: Certificate) -> CertTrustAnchor:
    # A pinned key is limited by what its certificate says of validity, length and names. Its policies are not taken
    # over: CAs don't repeat in their own certificate what they write into cards.
    derived = derive_quals_from_cert(certificate.parsed)
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

"""The Public Key Interoperability Test Suite of NIST (PKITS 1.0.1): path validation gives the expected results.

The expectations are those of the suite's own document, section 4; the certificates come with `cryptography-vectors`.
PKITS_root is the only trusted key, as if it were the CA of an instance. A card's own rules (it must sign, it must not
be a CA) stay out, because the suite has paths that end in a CA.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files

import pytest

from certificate_registry.pki.card_authorities import CardAuthority, RevocationRule
from certificate_registry.pki.certificate import Certificate, parse_certificate
from certificate_registry.pki.path_validation import (
    MOST_OTHER_CERTIFICATES,
    PathRules,
    RevocationStatus,
    validate_certificate,
)
from certificate_registry.pki.revocation_list import RevocationList, parse_revocation_list
from certificate_registry.pki.trust_store import TrustStore, build_trust_store
from refusals import Refusal

# Of the one certificate with a negative serial number, which is refused as expected.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")

NOW = datetime(2026, 4, 1, tzinfo=UTC)
ROOT = "TrustAnchorRootCertificate"

# Valid in the suite, refused on purpose here (docs/limitations.md).
NOT_ACCEPTED_HERE = {
    "ValidDSASignaturesTest4EE": "DSA",
    "ValidDSAParameterInheritanceTest5EE": "DSA",
    "ValidIDPwithindirectCRLTest22EE": "indirect CRL",
    "ValidIDPwithindirectCRLTest24EE": "indirect CRL",
    "ValidIDPwithindirectCRLTest25EE": "indirect CRL",
    "ValidcRLIssuerTest28EE": "indirect CRL",
    "ValidcRLIssuerTest29EE": "indirect CRL",
    "ValidcRLIssuerTest30EE": "indirect CRL",
    "ValidcRLIssuerTest33EE": "indirect CRL",
}

# Sections 4.1 to 4.16, except those below: validity of each path with the default settings of the suite.
DEFAULT_SETTINGS: dict[str, dict[bool, str]] = {
    "4.1 signatures": {
        True: "ValidCertificatePathTest1 ValidDSASignaturesTest4 ValidDSAParameterInheritanceTest5",
        False: "InvalidCASignatureTest2 InvalidEESignatureTest3 InvalidDSASignatureTest6",
    },
    "4.2 validity": {
        True: "Validpre2000UTCnotBeforeDateTest3 ValidGeneralizedTimenotBeforeDateTest4 "
        "ValidGeneralizedTimenotAfterDateTest8",
        False: "InvalidCAnotBeforeDateTest1 InvalidEEnotBeforeDateTest2 InvalidCAnotAfterDateTest5 "
        "InvalidEEnotAfterDateTest6 Invalidpre2000UTCEEnotAfterDateTest7",
    },
    "4.3 name chaining": {
        True: "ValidNameChainingWhitespaceTest3 ValidNameChainingWhitespaceTest4 ValidNameChainingCapitalizationTest5 "
        "ValidNameUIDsTest6 ValidRFC3280MandatoryAttributeTypesTest7 ValidRFC3280OptionalAttributeTypesTest8 "
        "ValidUTF8StringEncodedNamesTest9 ValidRolloverfromPrintableStringtoUTF8StringTest10 "
        "ValidUTF8StringCaseInsensitiveMatchTest11",
        False: "InvalidNameChainingTest1 InvalidNameChainingOrderTest2",
    },
    "4.4 revocation": {
        True: "ValidTwoCRLsTest7 ValidGeneralizedTimeCRLnextUpdateTest13 ValidNegativeSerialNumberTest14 "
        "ValidLongSerialNumberTest16 ValidLongSerialNumberTest17 ValidSeparateCertificateandCRLKeysTest19",
        False: "InvalidMissingCRLTest1 InvalidRevokedCATest2 InvalidRevokedEETest3 InvalidBadCRLSignatureTest4 "
        "InvalidBadCRLIssuerNameTest5 InvalidWrongCRLTest6 InvalidUnknownCRLEntryExtensionTest8 "
        "InvalidUnknownCRLExtensionTest9 InvalidUnknownCRLExtensionTest10 InvalidOldCRLnextUpdateTest11 "
        "Invalidpre2000CRLnextUpdateTest12 InvalidNegativeSerialNumberTest15 InvalidLongSerialNumberTest18 "
        "InvalidSeparateCertificateandCRLKeysTest20 InvalidSeparateCertificateandCRLKeysTest21",
    },
    "4.5 self-issued": {
        True: "ValidBasicSelfIssuedOldWithNewTest1 ValidBasicSelfIssuedNewWithOldTest3 "
        "ValidBasicSelfIssuedNewWithOldTest4 ValidBasicSelfIssuedCRLSigningKeyTest6",
        False: "InvalidBasicSelfIssuedOldWithNewTest2 InvalidBasicSelfIssuedNewWithOldTest5 "
        "InvalidBasicSelfIssuedCRLSigningKeyTest7 InvalidBasicSelfIssuedCRLSigningKeyTest8",
    },
    "4.6 basic constraints": {
        True: "ValidbasicConstraintsNotCriticalTest4 ValidpathLenConstraintTest7 ValidpathLenConstraintTest8 "
        "ValidpathLenConstraintTest13 ValidpathLenConstraintTest14 ValidSelfIssuedpathLenConstraintTest15 "
        "ValidSelfIssuedpathLenConstraintTest17",
        False: "InvalidMissingbasicConstraintsTest1 InvalidcAFalseTest2 InvalidcAFalseTest3 "
        "InvalidpathLenConstraintTest5 InvalidpathLenConstraintTest6 InvalidpathLenConstraintTest9 "
        "InvalidpathLenConstraintTest10 InvalidpathLenConstraintTest11 InvalidpathLenConstraintTest12 "
        "InvalidSelfIssuedpathLenConstraintTest16",
    },
    "4.7 key usage": {
        True: "ValidkeyUsageNotCriticalTest3",
        False: "InvalidkeyUsageCriticalkeyCertSignFalseTest1 InvalidkeyUsageNotCriticalkeyCertSignFalseTest2 "
        "InvalidkeyUsageCriticalcRLSignFalseTest4 InvalidkeyUsageNotCriticalcRLSignFalseTest5",
    },
    "4.8 policies": {
        True: "AllCertificatesNoPoliciesTest2 DifferentPoliciesTest3 OverlappingPoliciesTest6 "
        "AllCertificatesSamePoliciesTest10 AllCertificatesanyPolicyTest11 UserNoticeQualifierTest15 "
        "UserNoticeQualifierTest16 UserNoticeQualifierTest17 UserNoticeQualifierTest19 CPSPointerQualifierTest20",
        False: "DifferentPoliciesTest4 DifferentPoliciesTest5 DifferentPoliciesTest7 DifferentPoliciesTest8 "
        "DifferentPoliciesTest9 DifferentPoliciesTest12",
    },
    "4.9 require explicit policy": {
        True: "ValidrequireExplicitPolicyTest1 ValidrequireExplicitPolicyTest2 ValidrequireExplicitPolicyTest4 "
        "ValidSelfIssuedrequireExplicitPolicyTest6",
        False: "InvalidrequireExplicitPolicyTest3 InvalidrequireExplicitPolicyTest5 "
        "InvalidSelfIssuedrequireExplicitPolicyTest7 InvalidSelfIssuedrequireExplicitPolicyTest8",
    },
    "4.10 policy mappings": {
        True: "ValidPolicyMappingTest9 ValidPolicyMappingTest11 ValidPolicyMappingTest13 ValidPolicyMappingTest14",
        False: "InvalidPolicyMappingTest2 InvalidPolicyMappingTest4 InvalidMappingFromanyPolicyTest7 "
        "InvalidMappingToanyPolicyTest8 InvalidPolicyMappingTest10",
    },
    "4.11 inhibit policy mapping": {
        True: "ValidinhibitPolicyMappingTest2 ValidinhibitPolicyMappingTest4 ValidSelfIssuedinhibitPolicyMappingTest7",
        False: "InvalidinhibitPolicyMappingTest1 InvalidinhibitPolicyMappingTest3 InvalidinhibitPolicyMappingTest5 "
        "InvalidinhibitPolicyMappingTest6 InvalidSelfIssuedinhibitPolicyMappingTest8 "
        "InvalidSelfIssuedinhibitPolicyMappingTest9 InvalidSelfIssuedinhibitPolicyMappingTest10 "
        "InvalidSelfIssuedinhibitPolicyMappingTest11",
    },
    "4.12 inhibit any policy": {
        True: "ValidinhibitAnyPolicyTest2 inhibitAnyPolicyTest3 ValidSelfIssuedinhibitAnyPolicyTest7 "
        "ValidSelfIssuedinhibitAnyPolicyTest9",
        False: "InvalidinhibitAnyPolicyTest1 InvalidinhibitAnyPolicyTest4 InvalidinhibitAnyPolicyTest5 "
        "InvalidinhibitAnyPolicyTest6 InvalidSelfIssuedinhibitAnyPolicyTest8 InvalidSelfIssuedinhibitAnyPolicyTest10",
    },
    "4.13 name constraints": {
        True: "ValidDNnameConstraintsTest1 ValidDNnameConstraintsTest4 ValidDNnameConstraintsTest5 "
        "ValidDNnameConstraintsTest6 ValidDNnameConstraintsTest11 ValidDNnameConstraintsTest14 "
        "ValidDNnameConstraintsTest18 ValidDNnameConstraintsTest19 ValidRFC822nameConstraintsTest21 "
        "ValidRFC822nameConstraintsTest23 ValidRFC822nameConstraintsTest25 ValidDNandRFC822nameConstraintsTest27 "
        "ValidDNSnameConstraintsTest30 ValidDNSnameConstraintsTest32 ValidURInameConstraintsTest34 "
        "ValidURInameConstraintsTest36",
        False: "InvalidDNnameConstraintsTest2 InvalidDNnameConstraintsTest3 InvalidDNnameConstraintsTest7 "
        "InvalidDNnameConstraintsTest8 InvalidDNnameConstraintsTest9 InvalidDNnameConstraintsTest10 "
        "InvalidDNnameConstraintsTest12 InvalidDNnameConstraintsTest13 InvalidDNnameConstraintsTest15 "
        "InvalidDNnameConstraintsTest16 InvalidDNnameConstraintsTest17 InvalidDNnameConstraintsTest20 "
        "InvalidRFC822nameConstraintsTest22 InvalidRFC822nameConstraintsTest24 InvalidRFC822nameConstraintsTest26 "
        "InvalidDNandRFC822nameConstraintsTest28 InvalidDNandRFC822nameConstraintsTest29 "
        "InvalidDNSnameConstraintsTest31 InvalidDNSnameConstraintsTest33 InvalidURInameConstraintsTest35 "
        "InvalidURInameConstraintsTest37 InvalidDNSnameConstraintsTest38",
    },
    "4.14 distribution points": {
        True: "ValiddistributionPointTest1 ValiddistributionPointTest4 ValiddistributionPointTest5 "
        "ValiddistributionPointTest7 ValidNoissuingDistributionPointTest10 ValidonlyContainsCACertsTest13 "
        "ValidonlySomeReasonsTest18 ValidonlySomeReasonsTest19 ValidIDPwithindirectCRLTest22 "
        "ValidIDPwithindirectCRLTest24 ValidIDPwithindirectCRLTest25 ValidcRLIssuerTest28 ValidcRLIssuerTest29 "
        "ValidcRLIssuerTest30 ValidcRLIssuerTest33",
        False: "InvaliddistributionPointTest2 InvaliddistributionPointTest3 InvaliddistributionPointTest6 "
        "InvaliddistributionPointTest8 InvaliddistributionPointTest9 InvalidonlyContainsUserCertsTest11 "
        "InvalidonlyContainsCACertsTest12 InvalidonlyContainsAttributeCertsTest14 InvalidonlySomeReasonsTest15 "
        "InvalidonlySomeReasonsTest16 InvalidonlySomeReasonsTest17 InvalidonlySomeReasonsTest20 "
        "InvalidonlySomeReasonsTest21 InvalidIDPwithindirectCRLTest23 InvalidIDPwithindirectCRLTest26 "
        "InvalidcRLIssuerTest27 InvalidcRLIssuerTest31 InvalidcRLIssuerTest32 InvalidcRLIssuerTest34 "
        "InvalidcRLIssuerTest35",
    },
    "4.15 delta-CRLs": {
        True: "ValiddeltaCRLTest2 ValiddeltaCRLTest5 ValiddeltaCRLTest7 ValiddeltaCRLTest8",
        False: "InvaliddeltaCRLIndicatorNoBaseTest1 InvaliddeltaCRLTest3 InvaliddeltaCRLTest4 InvaliddeltaCRLTest6 "
        "InvaliddeltaCRLTest9 InvaliddeltaCRLTest10",
    },
    "4.16 private extensions": {
        True: "ValidUnknownNotCriticalCertificateExtensionTest1",
        False: "InvalidUnknownCriticalCertificateExtensionTest2",
    },
}


@dataclass(frozen=True)
class Settings:
    """Policies 1 to 6 are NIST-test-policy-1 and so on; no policy means any-policy."""

    policies: tuple[int, ...] = ()
    explicit: bool = False
    inhibit_mapping: bool = False
    inhibit_any: bool = False


# The tests of 4.8, 4.10 and 4.12 that are repeated with other settings.
OTHER_SETTINGS = [
    ("ValidCertificatePathTest1", True, Settings(explicit=True)),
    ("ValidCertificatePathTest1", True, Settings((1,), explicit=True)),
    ("ValidCertificatePathTest1", False, Settings((2,), explicit=True)),
    ("ValidCertificatePathTest1", True, Settings((1, 2), explicit=True)),
    ("AllCertificatesNoPoliciesTest2", False, Settings(explicit=True)),
    ("DifferentPoliciesTest3", False, Settings(explicit=True)),
    ("DifferentPoliciesTest3", False, Settings((1, 2), explicit=True)),
    ("OverlappingPoliciesTest6", True, Settings((1,))),
    ("OverlappingPoliciesTest6", False, Settings((2,))),
    ("AllCertificatesSamePoliciesTest10", True, Settings((1,))),
    ("AllCertificatesSamePoliciesTest10", True, Settings((2,))),
    ("AllCertificatesanyPolicyTest11", True, Settings((1,))),
    ("AllCertificatesSamePoliciesTest13", True, Settings((1,))),
    ("AllCertificatesSamePoliciesTest13", True, Settings((2,))),
    ("AllCertificatesSamePoliciesTest13", True, Settings((3,))),
    ("AnyPolicyTest14", True, Settings((1,))),
    ("AnyPolicyTest14", False, Settings((2,))),
    ("UserNoticeQualifierTest18", True, Settings((1,))),
    ("UserNoticeQualifierTest18", True, Settings((2,))),
    ("ValidPolicyMappingTest1", True, Settings((1,))),
    ("ValidPolicyMappingTest1", False, Settings((2,))),
    ("ValidPolicyMappingTest1", False, Settings(inhibit_mapping=True)),
    ("InvalidPolicyMappingTest2", False, Settings(inhibit_mapping=True)),
    ("ValidPolicyMappingTest3", False, Settings((1,))),
    ("ValidPolicyMappingTest3", True, Settings((2,))),
    ("ValidPolicyMappingTest5", True, Settings((1,))),
    ("ValidPolicyMappingTest5", False, Settings((6,))),
    ("ValidPolicyMappingTest6", True, Settings((1,))),
    ("ValidPolicyMappingTest6", False, Settings((6,))),
    ("ValidPolicyMappingTest12", True, Settings((1,))),
    ("ValidPolicyMappingTest12", True, Settings((2,))),
    ("inhibitAnyPolicyTest3", False, Settings(inhibit_any=True)),
]


def _cases() -> Iterator[tuple[str, bool, Settings]]:
    for section in DEFAULT_SETTINGS.values():
        for valid, names in section.items():
            for name in names.split():
                yield f"{name}EE", valid, Settings()
    for name, valid, settings in OTHER_SETTINGS:
        yield f"{name}EE", valid, settings


@cache
def _certificates() -> dict[str, bytes]:
    return {file.name.removesuffix(".crt"): file.read_bytes() for file in _folder("certs")}


@cache
def _readable() -> dict[str, Certificate]:
    certificates = {}
    for name, der in _certificates().items():
        try:
            certificates[name] = parse_certificate(der)
        except Refusal:
            # The two with inherited DSA parameters and the one with a negative serial number.
            continue
    return certificates


@cache
def _lists() -> tuple[RevocationList, ...]:
    lists = []
    for file in _folder("crls"):
        try:
            lists.append(parse_revocation_list(file.read_bytes()))
        except Refusal as refusal:
            # Indirect lists and those with unknown critical extensions are never stored.
            assert refusal.reason == "CRL_NOT_SUPPORTED", (file.name, refusal)  # noqa: PT017  # not the point here
    return tuple(lists)


def _folder(name: str) -> list:  # type: ignore[type-arg]  # Traversable is not public before Python 3.13
    return list(files("cryptography_vectors").joinpath("x509", "PKITS_data", name).iterdir())


@cache
def _trust_store(settings: Settings) -> TrustStore:
    root = _certificates()[ROOT]
    authority = CardAuthority(
        id="pkits",
        key_sha256=frozenset({parse_certificate(root).key.sha256}),
        certificates=(root,),
        revocation=RevocationRule(most_age=None),
        required_policies=frozenset(f"2.16.840.1.101.3.2.1.48.{number}" for number in settings.policies),
    )
    return build_trust_store([authority], _lists())


def _above(certificate: Certificate) -> list[bytes]:
    # All certificates that may be above one, by names only: what an applicant could send.
    found: dict[str, Certificate] = {}
    waiting = [certificate]
    while waiting:
        below = waiting.pop().parsed.issuer.hashable
        for name, candidate in _readable().items():
            if name not in found and name != ROOT and candidate.parsed.subject.hashable == below:
                found[name] = candidate
                waiting.append(candidate)
    return [candidate.der for candidate in found.values()]


async def _validate(name: str, settings: Settings) -> None:
    certificate = parse_certificate(_certificates()[name])
    others = _above(certificate)
    assert len(others) <= MOST_OTHER_CERTIFICATES
    rules = PathRules(
        for_signing=False,
        explicit_policy=settings.explicit,
        inhibit_policy_mapping=settings.inhibit_mapping,
        inhibit_any_policy=settings.inhibit_any,
    )
    validated = await validate_certificate(certificate, others, _trust_store(settings), NOW, rules)
    assert validated.authority.id == "pkits"
    assert validated.revocation.status is RevocationStatus.GOOD
    assert validated.revocation.this_update is not None


@pytest.mark.parametrize(
    ("name", "settings"), [(name, settings) for name, valid, settings in _cases() if valid], ids=str
)
async def test_valid_path_is_accepted(name: str, settings: Settings) -> None:
    if name in NOT_ACCEPTED_HERE:
        with pytest.raises(Refusal):
            await _validate(name, settings)
    else:
        await _validate(name, settings)


@pytest.mark.parametrize(
    ("name", "settings"), [(name, settings) for name, valid, settings in _cases() if not valid], ids=str
)
async def test_invalid_path_is_refused(name: str, settings: Settings) -> None:
    with pytest.raises(Refusal):
        await _validate(name, settings)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("InvalidEESignatureTest3EE", "CERTIFICATE_AUTHORITY_UNKNOWN"),
        ("InvalidDSASignatureTest6EE", "CERTIFICATE_KEY_WEAK"),
        ("InvalidEEnotBeforeDateTest2EE", "CERTIFICATE_NOT_YET_VALID"),
        ("InvalidEEnotAfterDateTest6EE", "CERTIFICATE_EXPIRED"),
        ("InvalidMissingCRLTest1EE", "REVOCATION_STATUS_UNKNOWN"),
        ("InvalidRevokedCATest2EE", "CERTIFICATE_REVOKED"),
        ("InvalidRevokedEETest3EE", "CERTIFICATE_REVOKED"),
        ("InvalidBadCRLSignatureTest4EE", "REVOCATION_STATUS_UNKNOWN"),
        ("InvalidOldCRLnextUpdateTest11EE", "REVOCATION_STATUS_UNKNOWN"),
        ("InvalidNegativeSerialNumberTest15EE", "CERTIFICATE_MALFORMED"),
        ("InvalidpathLenConstraintTest5EE", "CERTIFICATE_PATH_INVALID"),
        ("DifferentPoliciesTest7EE", "CERTIFICATE_PATH_INVALID"),
        ("InvalidDNnameConstraintsTest2EE", "CERTIFICATE_PATH_INVALID"),
        ("InvaliddeltaCRLTest3EE", "CERTIFICATE_REVOKED"),
        ("InvalidUnknownCriticalCertificateExtensionTest2EE", "CERTIFICATE_PATH_INVALID"),
    ],
)
async def test_refusal_names_the_reason(name: str, reason: str) -> None:
    with pytest.raises(Refusal) as refused:
        await _validate(name, Settings())
    assert refused.value.reason == reason


def test_table_contains_every_path_of_the_suite() -> None:
    ends = {name for name in _certificates() if name.endswith("EE")}
    assert {name for name, _, _ in _cases()} == ends
    assert len(ends) == 223

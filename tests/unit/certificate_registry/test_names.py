"""Names as real CAs write them, and name constraints: whom they refuse, and whom not."""

import ipaddress
from datetime import datetime, timedelta

import pytest
from asn1crypto import core  # type: ignore[import-untyped]  # the library has no types
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.convert.registry import read_card_authorities
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import RevocationStatus, ValidatedCertificate, validate_certificate
from certificate_registry.pki.revocation_list import parse_revocation_list
from certificate_registry.pki.trust_store import accept_revocation_list
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key
from simulators.instance_overlay import card_authority
from tests.support.example_profile import example_profile
from tests.support.printable_strings import write_printable
from tests.unit.certificate_registry.conftest import NOW, CaHierarchy

SINCE = NOW - timedelta(days=1)
_OTHER_NAME = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), core.UTF8String("a@example.jp").dump())


async def _validate(
    root: CertificateAuthority, issuing: CertificateAuthority, card: IssuedCard
) -> ValidatedCertificate:
    trust_store = CaHierarchy(root, issuing).trust_store(root.crl(NOW), issuing.crl(NOW))
    return await validate_certificate(parse_certificate(card.der), (), trust_store, NOW)


@pytest.mark.parametrize("text", ["T&D Construction", "under_score", "a@example.jp", "Star*Trade", 'A "B" #1'])
async def test_printable_string_with_other_ascii_is_read(text: str) -> None:
    key = new_ec_key()
    root = CertificateAuthority.create("Root", key=key, not_before=SINCE)
    card = root.issue(key=new_ec_key(), not_before=SINCE, company_romaji=text)
    changed = IssuedCard(write_printable(card.certificate, key, text), card.key)
    assert b"\x13" + bytes([len(text)]) + text.encode() in changed.der
    validated = await _validate(root, root, changed)
    assert validated.certificate.der == changed.der
    assert parse_certificate(changed.der).parsed.subject.native["organization_name"] == text


def test_ca_with_an_ampersand_in_a_printable_string_passes_the_check_and_starts() -> None:
    key, text = new_ec_key(), "T&D Certification"
    plain = CertificateAuthority.create("Root", organization=text, key=key, not_before=SINCE)
    changed = CertificateAuthority(write_printable(plain.certificate, key, text), key)
    assert changed.der.count(b"\x13" + bytes([len(text)]) + text.encode()) == 2
    profile = example_profile(card_authorities=[card_authority(changed)])
    assert TrustStoreCache(read_card_authorities(profile)).authority_ids == ("test-ca",)


@pytest.mark.parametrize("text", [b"a\x00b", b"a\xe9b", b"a\nb"])
def test_printable_string_with_anything_else_is_refused(text: bytes) -> None:
    key = new_ec_key()
    root = CertificateAuthority.create("a-b", key=key, not_before=SINCE)
    der = root.der.replace(b"\x0c\x03a-b", b"\x13\x03" + text)
    with pytest.raises(Refusal, match="CERTIFICATE_MALFORMED"):
        parse_certificate(der)


async def test_ca_whose_name_cannot_be_prepared_is_compared_byte_by_byte(since: datetime) -> None:
    root = CertificateAuthority.create("外字\ue000認証局", key=new_ec_key(), not_before=since)
    card = root.issue(key=new_ec_key(), not_before=since)
    hierarchy = CaHierarchy(root, root)
    revocation_list = root.crl(NOW - timedelta(hours=1))
    accept_revocation_list(parse_revocation_list(revocation_list), hierarchy.trust_store(), None, NOW)
    trust_store = hierarchy.trust_store(revocation_list)
    validated = await validate_certificate(parse_certificate(card.der), (root.der,), trust_store, NOW)
    assert validated.revocation.status is RevocationStatus.GOOD


class TestNameConstraints:
    """A constraint is about names of its own form; where no certificate has one, it refuses nobody (RFC 5280)."""

    @pytest.mark.parametrize("place", ["root", "issuing"])
    @pytest.mark.parametrize("kind", ["permitted", "excluded"])
    @pytest.mark.parametrize(
        "name",
        [
            _OTHER_NAME,
            x509.DNSName("example.jp"),
            x509.RFC822Name("example.jp"),
            x509.UniformResourceIdentifier(".example.jp"),
            x509.IPAddress(ipaddress.ip_network("10.0.0.0/8")),
            x509.RegisteredID(x509.ObjectIdentifier("2.999.1")),
        ],
        ids=["otherName", "dNSName", "rfc822Name", "URI", "iPAddress", "registeredID"],
    )
    async def test_constraint_that_no_name_meets_refuses_nobody(
        self, name: x509.GeneralName, kind: str, place: str
    ) -> None:
        root, issuing = _constrained(name, kind, place)
        card = issuing.issue(key=new_ec_key(), not_before=SINCE)
        assert (await _validate(root, issuing, card)).revocation.status is RevocationStatus.GOOD

    @pytest.mark.parametrize("place", ["root", "issuing"])
    @pytest.mark.parametrize("kind", ["permitted", "excluded"])
    async def test_constraint_on_a_form_that_cannot_be_compared_refuses_names_of_that_form(
        self, kind: str, place: str
    ) -> None:
        root, issuing = _constrained(_OTHER_NAME, kind, place)
        card = issuing.issue_personal(key=new_ec_key(), not_before=SINCE)
        with pytest.raises(Refusal, match="CERTIFICATE_PATH_INVALID"):
            await _validate(root, issuing, card)

    @pytest.mark.parametrize("place", ["root", "issuing"])
    @pytest.mark.parametrize(("kind", "country"), [("permitted", "US"), ("excluded", "JP")])
    async def test_constraint_that_a_name_violates_refuses(self, kind: str, country: str, place: str) -> None:
        name = x509.DirectoryName(x509.Name([x509.NameAttribute(x509.NameOID.COUNTRY_NAME, country)]))
        root, issuing = _constrained(name, kind, place)
        with pytest.raises(Refusal, match="CERTIFICATE_PATH_INVALID"):
            await _validate(root, issuing, issuing.issue(key=new_ec_key(), not_before=SINCE))


def _constrained(name: x509.GeneralName, kind: str, place: str) -> tuple[CertificateAuthority, CertificateAuthority]:
    constraints = x509.NameConstraints([name], None) if kind == "permitted" else x509.NameConstraints(None, [name])
    root = _authority("Root", None, constraints if place == "root" else None)
    return root, _authority("Issuing", root, constraints if place == "issuing" else None)


def _authority(
    common_name: str, parent: CertificateAuthority | None, constraints: x509.NameConstraints | None
) -> CertificateAuthority:
    plain = CertificateAuthority.create(common_name, parent=parent, key=new_ec_key(), not_before=SINCE)
    if constraints is None:
        return plain
    certificate = plain.certificate
    builder = x509.CertificateBuilder(
        certificate.issuer, certificate.subject, certificate.public_key(), certificate.serial_number
    )
    builder = builder.not_valid_before(SINCE).not_valid_after(certificate.not_valid_after_utc)
    for extension in certificate.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    signer = parent.key if parent else plain.key
    signed = builder.add_extension(constraints, critical=True).sign(signer, hashes.SHA256())
    return CertificateAuthority(signed, plain.key, parent)

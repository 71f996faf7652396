"""CRLs: parsing, freshness, and which one may replace another."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from certificate_registry.convert.registry import read_card_authorities
from certificate_registry.pki.card_authorities import RevocationRule
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import RevocationStatus, validate_certificate
from certificate_registry.pki.revocation_list import (
    Freshness,
    ListVersion,
    RevocationList,
    assess_freshness,
    may_cover,
    parse_revocation_list,
    schedule_fetch,
)
from certificate_registry.pki.trust_store import accept_revocation_list, collect_fetch_urls
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.instance_overlay import card_authority
from tests.support.example_profile import example_profile
from tests.unit.certificate_registry.conftest import CARD_URL, NOW, ROOT_URL, CaHierarchy

HOUR = timedelta(hours=1)
UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.999.8"), b"\x05\x00")


def _point(url: str) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )


def _reason(der: bytes) -> str:
    with pytest.raises(Refusal) as refused:
        parse_revocation_list(der)
    return f"{refused.value.reason} {refused.value.metadata.get('part', '')}".strip()


class TestReading:
    """A list is strict DER without unknown critical extensions."""

    def test_list_has_issuer_version_and_next_update(self, ca: CaHierarchy) -> None:
        ca.issuing.revoked = {5: NOW, 2**157: NOW}
        der = ca.issuing.crl(NOW, number=7)
        held = parse_revocation_list(der)
        assert held.issuer == "CN=Toroku Test Card CA,O=Toroku Test Certification,C=JP"
        assert held.version == ListVersion(7, NOW)
        assert held.next_update == NOW + timedelta(days=2)
        assert (held.size, held.is_delta, held.der) == (2, False, der)

    def test_all_issues_of_one_list_have_one_scope(self, ca: CaHierarchy) -> None:
        first, second = (parse_revocation_list(ca.issuing.crl(NOW)) for _ in range(2))
        of_root = parse_revocation_list(ca.root.crl(NOW))
        of_point = parse_revocation_list(ca.issuing.crl(NOW, extensions=[(_point(CARD_URL), True)]))
        assert first.scope == second.scope
        assert len({first.scope, of_root.scope, of_point.scope}) == 3

    @pytest.mark.parametrize("der", [b"", b"0\x03\x02\x01\x01", b"<html>not found</html>"])
    def test_input_that_is_no_list_is_refused(self, der: bytes) -> None:
        assert _reason(der) == "CRL_MALFORMED"

    def test_certificate_is_refused_as_list(self, ca: CaHierarchy) -> None:
        assert _reason(ca.root.der) == "CRL_MALFORMED"

    def test_trailing_bytes_are_refused(self, ca: CaHierarchy) -> None:
        assert _reason(ca.root.crl(NOW) + b"\n") == "CRL_MALFORMED"

    def test_unknown_critical_extension_is_refused(self, ca: CaHierarchy) -> None:
        der = ca.root.crl(NOW, extensions=[(UNKNOWN_EXTENSION, True)])
        assert _reason(der) == "CRL_NOT_SUPPORTED critical_extension"
        parse_revocation_list(ca.root.crl(NOW, extensions=[(UNKNOWN_EXTENSION, False)]))

    def test_indirect_list_is_refused(self, ca: CaHierarchy) -> None:
        point = x509.IssuingDistributionPoint(None, None, False, False, None, True, False)
        assert _reason(ca.root.crl(NOW, extensions=[(point, True)])) == "CRL_NOT_SUPPORTED indirect"

    def test_list_with_an_unknown_critical_entry_extension_is_refused(self, ca: CaHierarchy) -> None:
        entries = [
            x509.RevokedCertificateBuilder(number, NOW.replace(tzinfo=None), [extension]).build()
            for number, extension in enumerate(
                [
                    x509.Extension(x509.CRLReason.oid, False, x509.CRLReason(x509.ReasonFlags.key_compromise)),
                    # A serial number that looks like a critical extension is not one.
                    x509.Extension(x509.InvalidityDate.oid, False, x509.InvalidityDate(NOW.replace(tzinfo=None))),
                    x509.Extension(UNKNOWN_EXTENSION.oid, True, UNKNOWN_EXTENSION),
                ],
                start=0x0101FF,
            )
        ]
        spoilt, sound = self._with(ca.root, entries), self._with(ca.root, entries[:2])
        assert _reason(spoilt) == "CRL_NOT_SUPPORTED entry_extension"
        assert parse_revocation_list(sound).size == 2

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_damaged_input_is_refused_or_parsed(self, data: st.DataObject) -> None:
        der = bytearray(DAMAGED)
        for _ in range(data.draw(st.integers(1, 3))):
            der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
        try:
            assert parse_revocation_list(bytes(der)).size <= 20
        except Refusal as refusal:
            assert refusal.reason.startswith("CRL_")  # noqa: PT017  # either outcome is right, no other is

    def _with(self, authority: CertificateAuthority, entries: list[x509.RevokedCertificate]) -> bytes:
        builder = x509.CertificateRevocationListBuilder(authority.certificate.subject, NOW, NOW + HOUR, [], entries)
        return builder.sign(authority.key, SHA256()).public_bytes(Encoding.DER)


def _damaged() -> bytes:
    authority = CertificateAuthority.create(key=new_ec_key())
    authority.revoked = {number: NOW for number in range(1, 12)}
    return authority.crl(NOW)


DAMAGED = _damaged()


class TestFreshness:
    """Fresh until nextUpdate, and not older than the CA's rule allows."""

    @pytest.mark.parametrize(
        ("age", "most_age", "expected"),
        [
            (timedelta(), timedelta(hours=48), Freshness.FRESH),
            (timedelta(hours=36), timedelta(hours=36), Freshness.FRESH),
            (timedelta(hours=36, seconds=1), timedelta(hours=36), Freshness.TOO_OLD),
            (timedelta(hours=48), None, Freshness.FRESH),
            (timedelta(hours=48, seconds=1), None, Freshness.STALE),
            (timedelta(hours=48, seconds=1), timedelta(hours=1), Freshness.STALE),
        ],
    )
    def test_freshness_depends_on_age_and_next_update(
        self, ca: CaHierarchy, age: timedelta, most_age: timedelta | None, expected: Freshness
    ) -> None:
        held = parse_revocation_list(ca.root.crl(NOW))
        assert assess_freshness(held, RevocationRule(most_age=most_age), NOW + age) is expected

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [({}, Freshness.FRESH), ({"most_age_hours": 48}, Freshness.TOO_OLD)],
        ids=["no rule", "48 h"],
    )
    def test_list_of_friday_counts_on_monday_unless_the_profile_says_otherwise(
        self, ca: CaHierarchy, rule: dict[str, int], expected: Freshness
    ) -> None:
        entry = card_authority(ca.issuing)
        entry["revocation"] |= rule
        (authority,) = read_card_authorities(example_profile(card_authorities=[entry]))
        friday = datetime(2026, 4, 3, 8, 0, tzinfo=UTC)
        held = parse_revocation_list(ca.issuing.crl(friday, valid_for=timedelta(hours=96)))
        monday = friday + timedelta(hours=64)
        assert assess_freshness(held, authority.revocation, monday) is expected
        assert assess_freshness(held, authority.revocation, friday + timedelta(hours=97)) is Freshness.STALE


class TestAccepting:
    """A fetched list is accepted if a trusted CA signed it and it is not older than the stored one."""

    def _refusal(self, der: bytes, ca: CaHierarchy, held: ListVersion | None = None) -> str:
        with pytest.raises(Refusal) as refused:
            accept_revocation_list(parse_revocation_list(der), ca.trust_store(), held, NOW)
        return refused.value.reason

    def test_list_of_each_ca_is_accepted(self, ca: CaHierarchy) -> None:
        for authority in (ca.root, ca.issuing):
            accept_revocation_list(parse_revocation_list(authority.crl(NOW)), ca.trust_store(), None, NOW)

    def test_stale_list_is_accepted_if_it_is_newer(self, ca: CaHierarchy) -> None:
        stale = parse_revocation_list(ca.root.crl(NOW - timedelta(days=30)))
        accept_revocation_list(stale, ca.trust_store(), ListVersion(0, NOW - timedelta(days=31)), NOW)

    def test_list_of_an_unknown_ca_is_refused(self, ca: CaHierarchy) -> None:
        stranger = CertificateAuthority.create("Stranger", key=new_ec_key())
        assert self._refusal(stranger.crl(NOW), ca) == "CRL_SIGNER_UNKNOWN"

    def test_list_by_the_wrong_signer_is_refused(self, ca: CaHierarchy) -> None:
        assert self._refusal(ca.issuing.crl(NOW, signed_by=new_ec_key()), ca) == "CRL_SIGNATURE_INVALID"
        assert self._refusal(ca.issuing.crl(NOW, signed_by=ca.root.key), ca) == "CRL_SIGNATURE_INVALID"

    def test_altered_entry_is_refused(self, ca: CaHierarchy) -> None:
        ca.issuing.revoked = {0x1234567890: NOW}
        der = ca.issuing.crl(NOW).replace(bytes.fromhex("1234567890"), bytes.fromhex("1234567891"))
        assert self._refusal(der, ca) == "CRL_SIGNATURE_INVALID"

    def test_list_from_the_future_is_refused(self, ca: CaHierarchy) -> None:
        assert self._refusal(ca.root.crl(NOW + timedelta(minutes=6)), ca) == "CRL_NOT_YET_VALID"
        accept_revocation_list(
            parse_revocation_list(ca.root.crl(NOW + timedelta(minutes=5))), ca.trust_store(), None, NOW
        )

    @pytest.mark.parametrize(
        ("number", "issued", "held", "accepted"),
        [
            (8, NOW, ListVersion(7, NOW - HOUR), True),
            (7, NOW, ListVersion(7, NOW), True),
            (8, NOW, ListVersion(None, NOW - HOUR), True),
            (6, NOW, ListVersion(7, NOW - HOUR), False),
            (8, NOW - HOUR, ListVersion(7, NOW), False),
            (8, NOW - HOUR, ListVersion(None, NOW), False),
        ],
    )
    def test_number_and_time_never_decrease(
        self, ca: CaHierarchy, number: int, issued: datetime, held: ListVersion, accepted: bool
    ) -> None:
        der = ca.root.crl(issued, number=number)
        if accepted:
            accept_revocation_list(parse_revocation_list(der), ca.trust_store(), held, NOW)
        else:
            assert self._refusal(der, ca, held) == "CRL_OLDER_THAN_HELD"


class TestDistributionPoints:
    """A CA may partition its list; every card names its partition."""

    async def test_partition_for_other_cards_does_not_count(self, ca: CaHierarchy, since: datetime) -> None:
        card = parse_certificate(ca.issuing.issue(key=new_ec_key(), not_before=since).der)
        own = ca.issuing.crl(since, extensions=[(_point(CARD_URL), True)])
        other = ca.issuing.crl(since, extensions=[(_point("http://crl.example/others.crl"), True)])
        assert may_cover(parse_revocation_list(own), card.parsed)
        assert not may_cover(parse_revocation_list(other), card.parsed)
        root = ca.root.crl(since)
        with pytest.raises(Refusal) as refused:
            await validate_certificate(card, [], ca.trust_store(root, other), NOW)
        assert refused.value.metadata["cause"] == "none"
        validated = await validate_certificate(card, [], ca.trust_store(root, other, own), NOW)
        assert validated.revocation.list_sha256 == parse_revocation_list(own).sha256

    async def test_delta_list_counts_once_it_is_stored(self, ca: CaHierarchy, since: datetime) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since)
        freshest = x509.FreshestCRL(
            [x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example/delta.crl")], None, None, None)]
        )
        base = ca.issuing.crl(since, number=10, extensions=[(freshest, False)])
        before = ca.issuing.crl(since, number=11, extensions=[(x509.DeltaCRLIndicator(10), True)])
        ca.issuing.revoke(card, NOW)
        after = ca.issuing.crl(since, number=12, extensions=[(x509.DeltaCRLIndicator(10), True)])
        certificate, root = parse_certificate(card.der), ca.root.crl(since)
        trust_store = ca.trust_store(root, base, before)
        assert "http://crl.example/delta.crl" in collect_fetch_urls(trust_store)
        validated = await validate_certificate(certificate, [], trust_store, NOW)
        assert validated.revocation.status is RevocationStatus.GOOD
        with pytest.raises(Refusal) as refused:
            await validate_certificate(certificate, [], ca.trust_store(root, base, after), NOW)
        assert refused.value.reason == "CERTIFICATE_REVOKED"
        assert parse_revocation_list(before).is_delta


def test_fetch_urls_are_those_of_the_profile_and_the_cas(ca: CaHierarchy) -> None:
    rule = RevocationRule(crl_urls=("http://mirror.example/cards.crl",))
    # The issuing CA's certificate names the address of the root's list; cards name that of the issuing CA's.
    assert collect_fetch_urls(ca.trust_store(revocation=rule)) == {"http://mirror.example/cards.crl", ROOT_URL}


class TestNextFetch:
    """At the refresh time, when the next issue is due, and soon again after a failure."""

    RULE = RevocationRule(refresh=HOUR)

    @pytest.mark.parametrize(
        ("next_update", "pause"),
        [
            (NOW + timedelta(days=1), HOUR),
            (NOW + timedelta(minutes=20), timedelta(minutes=20)),
            (NOW + timedelta(seconds=3), timedelta(minutes=1)),
            (NOW - timedelta(days=1), timedelta(minutes=5)),
            (None, timedelta(minutes=5)),
        ],
    )
    def test_pause_after_a_success(self, next_update: datetime | None, pause: timedelta) -> None:
        assert schedule_fetch(self.RULE, NOW, next_update) == NOW + pause

    @pytest.mark.parametrize(("failures", "minutes"), [(1, 1), (2, 2), (4, 8), (7, 60), (10_000, 60)])
    def test_pause_after_failures(self, failures: int, minutes: int) -> None:
        assert schedule_fetch(self.RULE, NOW, NOW + HOUR, failures) == NOW + timedelta(minutes=minutes)


async def test_large_list_is_not_parsed_again_for_a_lookup(ca: CaHierarchy, since: datetime) -> None:
    card = parse_certificate(ca.issuing.issue(key=new_ec_key(), not_before=since).der)
    ca.issuing.revoked = dict.fromkeys(range(2**157, 2**157 + 5_000), NOW)
    held: list[RevocationList] = [parse_revocation_list(der) for der in ca.lists()]
    trust_store = ca.trust_store().with_lists(held)
    await validate_certificate(card, [], trust_store, NOW)
    assert held[1].size == 5_000
    assert len(held[1].header.dump()) < 1_000, "what the path validation gets is the list without its entries"

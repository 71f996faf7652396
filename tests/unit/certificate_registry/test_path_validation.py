"""Which cards are accepted, and the reasons for refusing the others (CRD-05)."""

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding

from certificate_registry.pki.card_authorities import CardAuthority, RevocationRule, UnknownStatus
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import (
    MOST_OTHER_CERTIFICATES,
    RevocationFinding,
    RevocationStatus,
    ValidatedCertificate,
    validate_certificate,
)
from certificate_registry.pki.revocation_list import parse_revocation_list
from certificate_registry.pki.trust_store import TrustStore, build_trust_store, find_chained_certificates
from refusals import Refusal
from simulators.certificate_authorities import (
    CARD_KEY_USAGE,
    CARD_POLICY,
    CertificateAuthority,
    IssuedCard,
    new_ec_key,
    new_rsa_key,
)
from tests.unit.certificate_registry.conftest import NOW, CaHierarchy

ACCEPT = RevocationRule(unknown=UnknownStatus.ACCEPT)


async def _validate(
    card: IssuedCard, trust_store: TrustStore, at: datetime = NOW, others: tuple[bytes, ...] = ()
) -> ValidatedCertificate:
    return await validate_certificate(parse_certificate(card.der), others, trust_store, at)


async def _refusal(
    card: IssuedCard, trust_store: TrustStore, at: datetime = NOW, others: tuple[bytes, ...] = ()
) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await _validate(card, trust_store, at, others)
    return refused.value


async def test_valid_card_is_accepted_with_its_displayed_values(
    ca: CaHierarchy, since: datetime, rsa_keys: list[rsa.RSAPrivateKey]
) -> None:
    card = ca.issuing.issue(key=rsa_keys[2], not_before=since)
    lists = ca.lists()
    validated = await _validate(card, ca.trust_store(*lists))
    assert validated.certificate.sha256 == card.sha256
    assert validated.authority.id == "test-ca"
    assert validated.values.company_name == "登録建設株式会社"
    assert validated.chain == (card.der, ca.issuing.der, ca.root.der)
    held = parse_revocation_list(lists[1])
    assert validated.revocation == RevocationFinding(
        RevocationStatus.GOOD, held.this_update, held.next_update, held.sha256
    )
    assert validated.revocation.age(NOW) == timedelta(hours=1)
    # The path rests on the root's CRL too.
    assert {one.sha256 for one in validated.revocation.lists} == {parse_revocation_list(der).sha256 for der in lists}


async def test_my_number_card_is_accepted(ca: CaHierarchy, since: datetime) -> None:
    card = ca.issuing.issue_personal(key=new_ec_key(), not_before=since)
    assert (await _validate(card, ca.trust_store(*ca.lists()))).values.company_name is None


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()])
async def test_card_and_ca_with_elliptic_curves_are_accepted(since: datetime, curve: ec.EllipticCurve) -> None:
    root = CertificateAuthority.create("EC", key=new_ec_key(curve), not_before=since)
    card = root.issue(key=new_ec_key(curve), not_before=since)
    trust_store = CaHierarchy(root, root).trust_store(root.crl(since))
    assert (await _validate(card, trust_store)).revocation.status is RevocationStatus.GOOD


async def test_issuing_ca_can_be_pinned_itself(ca: CaHierarchy, since: datetime) -> None:
    card = ca.issuing.issue(key=new_ec_key(), not_before=since)
    pins = {"key_sha256": frozenset({ca.issuing.key_sha256}), "certificates": (ca.issuing.der,)}
    validated = await _validate(card, ca.trust_store(ca.issuing.crl(since), **pins))
    assert validated.chain == (card.der, ca.issuing.der)


async def test_intermediate_ca_from_the_card_is_used(ca: CaHierarchy, since: datetime) -> None:
    card = ca.issuing.issue(key=new_ec_key(), not_before=since)
    trust_store = ca.trust_store(*ca.lists(), certificates=(ca.root.der,))
    assert (await _refusal(card, trust_store)).reason == "CERTIFICATE_AUTHORITY_UNKNOWN"
    validated = await _validate(card, trust_store, others=(b"garbage", ca.issuing.der))
    assert validated.chain[1] == ca.issuing.der


async def test_card_belongs_to_the_ca_that_issued_it(ca: CaHierarchy, since: datetime) -> None:
    other = CertificateAuthority.create("Other CA", key=new_ec_key(), not_before=since)
    second = CardAuthority("second", frozenset({other.key_sha256}), (other.der,), revocation=ACCEPT)
    trust_store = build_trust_store([ca.authority(revocation=ACCEPT), second])
    for issuer, expected in ((ca.issuing, "test-ca"), (other, "second")):
        validated = await _validate(issuer.issue(key=new_ec_key(), not_before=since), trust_store)
        assert validated.authority.id == expected


class TestUnknownAuthority:
    """CAs are pinned by key, not by name."""

    async def test_card_of_an_unknown_ca_is_refused(self, ca: CaHierarchy, since: datetime) -> None:
        stranger = CertificateAuthority.create("Stranger", key=new_ec_key(), not_before=since)
        refusal = await _refusal(stranger.issue(key=new_ec_key(), not_before=since), ca.trust_store(*ca.lists()))
        assert refusal.reason == "CERTIFICATE_AUTHORITY_UNKNOWN"
        assert refusal.metadata == {
            "issuer": "CN=Stranger,O=Toroku Test Certification,C=JP",
            "issuer_name": "Stranger",
        }

    async def test_ca_with_the_right_name_and_another_key_is_refused(self, ca: CaHierarchy, since: datetime) -> None:
        root = CertificateAuthority.create("Toroku Test Root", key=new_rsa_key(), not_before=since)
        issuing = CertificateAuthority.create("Toroku Test Card CA", parent=root, key=new_rsa_key(), not_before=since)
        card = issuing.issue(key=new_ec_key(), not_before=since)
        for others in ((), (issuing.der, root.der)):
            refusal = await _refusal(card, ca.trust_store(*ca.lists(), revocation=ACCEPT), others=others)
            assert refusal.reason == "CERTIFICATE_AUTHORITY_UNKNOWN"

    async def test_forged_card_with_name_and_key_identifier_of_the_ca_is_refused(
        self, ca: CaHierarchy, since: datetime
    ) -> None:
        forger = CertificateAuthority(ca.issuing.certificate, new_rsa_key())
        card = forger.issue(key=new_ec_key(), not_before=since)
        trust_store = ca.trust_store(*ca.lists(), revocation=ACCEPT)
        assert (await _refusal(card, trust_store, others=(ca.issuing.der,))).reason == "CERTIFICATE_AUTHORITY_UNKNOWN"

    async def test_card_cannot_act_as_a_ca(
        self, ca: CaHierarchy, since: datetime, rsa_keys: list[rsa.RSAPrivateKey]
    ) -> None:
        holder = ca.issuing.issue(key=rsa_keys[2], not_before=since)
        sub_ca = CertificateAuthority(holder.certificate, holder.key)
        card = sub_ca.issue(key=new_ec_key(), not_before=since)
        trust_store = ca.trust_store(*ca.lists(), revocation=ACCEPT)
        assert (await _refusal(card, trust_store, others=(holder.der,))).reason == "CERTIFICATE_AUTHORITY_UNKNOWN"

    async def test_self_signed_card_is_refused(self, ca: CaHierarchy, since: datetime) -> None:
        own = CertificateAuthority.create(key=new_ec_key(), not_before=since)
        card = IssuedCard(own.certificate, own.key)
        assert (await _refusal(card, ca.trust_store(), others=(own.der,))).reason == "CERTIFICATE_AUTHORITY_UNKNOWN"

    async def test_invented_certificates_do_not_reach_path_building(self, ca: CaHierarchy, since: datetime) -> None:
        # Eight CAs of one name that issued each other would make about 100,000 paths.
        key = new_ec_key()
        invented = [CertificateAuthority.create("Same", key=key, not_before=since) for _ in range(8)]
        trust_store = ca.trust_store(*ca.lists())
        candidates = [parse_certificate(authority.der) for authority in invented]
        assert find_chained_certificates(candidates, trust_store.certificates) == list(trust_store.certificates)
        card = ca.issuing.issue(key=new_ec_key(), not_before=since)
        others = tuple(authority.der for authority in invented)
        assert (await _validate(card, trust_store, others=others)).chain[1] == ca.issuing.der

    async def test_too_many_certificates_are_refused(self, ca: CaHierarchy, since: datetime) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since)
        refusal = await _refusal(card, ca.trust_store(), others=(b"",) * (MOST_OTHER_CERTIFICATES + 1))
        assert (refusal.reason, refusal.metadata) == ("TOO_MANY_CERTIFICATES", {"most": "8"})


class TestValidity:
    """From the first to the last second, both included."""

    async def test_expired_card_is_refused(self, ca: CaHierarchy) -> None:
        end = NOW + timedelta(days=30)
        card = ca.issuing.issue(key=new_ec_key(), not_before=NOW, not_after=end)
        trust_store = ca.trust_store(*ca.lists(end))
        await _validate(card, trust_store, end)
        refusal = await _refusal(card, trust_store, end + timedelta(seconds=1))
        assert refusal.reason == "CERTIFICATE_EXPIRED"
        assert refusal.metadata == {"at": "2026-05-01T03:00:00+00:00", "date": "2026/05/01"}

    async def test_card_that_is_not_valid_yet_is_refused(self, ca: CaHierarchy) -> None:
        start = datetime.fromisoformat("2026-04-01T15:00:00+00:00")
        card = ca.issuing.issue(key=new_ec_key(), not_before=start)
        trust_store = ca.trust_store(*ca.lists(start))
        await _validate(card, trust_store, start)
        refusal = await _refusal(card, trust_store, start - timedelta(seconds=1))
        assert refusal.reason == "CERTIFICATE_NOT_YET_VALID"
        assert refusal.metadata["date"] == "2026/04/02", "the day in Japan"

    async def test_expiry_is_reported_before_unknown_status(self, ca: CaHierarchy) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=NOW - timedelta(days=9), not_after=NOW - timedelta(days=1))
        for rule in (RevocationRule(), ACCEPT):
            assert (await _refusal(card, ca.trust_store(revocation=rule))).reason == "CERTIFICATE_EXPIRED"

    async def test_expired_ca_makes_the_path_invalid(self, since: datetime) -> None:
        root = CertificateAuthority.create(key=new_ec_key(), not_before=since, not_after=NOW)
        card = root.issue(key=new_ec_key(), not_before=since)
        trust_store = CaHierarchy(root, root).trust_store(root.crl(since), root.crl(NOW))
        await _validate(card, trust_store, NOW)
        refusal = await _refusal(card, trust_store, NOW + timedelta(seconds=1))
        assert (refusal.reason, refusal.metadata) == ("CERTIFICATE_PATH_INVALID", {"certificate": "authority"})


class TestRevocation:
    """Listed cards, and missing or unusable lists."""

    async def test_revoked_card_is_refused(self, ca: CaHierarchy, since: datetime) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since)
        ca.issuing.revoke(card, NOW - timedelta(hours=2))
        refusal = await _refusal(card, ca.trust_store(*ca.lists()))
        assert refusal.reason == "CERTIFICATE_REVOKED"
        assert refusal.metadata == {"at": "2026-04-01T01:00:00+00:00", "certificate": "card"}

    async def test_revocation_with_a_future_date_counts_at_once(self, ca: CaHierarchy, since: datetime) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since)
        ca.issuing.revoke(card, NOW + timedelta(days=1))
        assert (await _refusal(card, ca.trust_store(*ca.lists()))).reason == "CERTIFICATE_REVOKED"

    async def test_cards_of_a_revoked_ca_are_refused(self, ca: CaHierarchy, since: datetime) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since)
        ca.root.revoke(ca.issuing.certificate, NOW - timedelta(hours=2))
        refusal = await _refusal(card, ca.trust_store(*ca.lists()))
        assert (refusal.reason, refusal.metadata["certificate"]) == ("CERTIFICATE_REVOKED", "authority")

    @pytest.mark.parametrize("unknown", UnknownStatus)
    async def test_stale_list_still_revokes(self, ca: CaHierarchy, since: datetime, unknown: UnknownStatus) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since)
        ca.issuing.revoke(card, NOW - timedelta(days=9))
        trust_store = ca.trust_store(*ca.lists(NOW - timedelta(days=8)), revocation=RevocationRule(unknown=unknown))
        refusal = await _refusal(card, trust_store)
        assert (refusal.reason, refusal.metadata) == ("CERTIFICATE_REVOKED", {"certificate": "card"})

    @pytest.mark.parametrize(
        ("held", "rule", "cause"),
        [
            ("none", RevocationRule(), "none"),
            ("root only", RevocationRule(), "none"),
            ("fresh", RevocationRule(most_age=timedelta(minutes=59)), "too old"),
            ("old", RevocationRule(), "stale"),
            ("by another key", RevocationRule(), "unusable"),
        ],
    )
    async def test_rule_of_the_ca_decides_on_unknown_status(
        self, ca: CaHierarchy, since: datetime, held: str, rule: RevocationRule, cause: str
    ) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since)
        fresh = ca.lists()
        lists = {
            "none": [],
            "root only": fresh[:1],
            "fresh": fresh,
            "old": ca.lists(NOW - timedelta(days=8)),
            "by another key": [fresh[0], ca.issuing.crl(NOW, signed_by=new_rsa_key())],
        }[held]
        refusal = await _refusal(card, ca.trust_store(*lists, revocation=rule))
        assert refusal.reason == "REVOCATION_STATUS_UNKNOWN"
        assert refusal.metadata["authority"] == "test-ca"
        assert refusal.metadata["cause"] == cause
        accepting = RevocationRule(UnknownStatus.ACCEPT, rule.most_age)
        validated = await _validate(card, ca.trust_store(*lists, revocation=accepting))
        assert validated.revocation.status is RevocationStatus.UNKNOWN

    async def test_ca_whose_lists_are_not_accessible_has_no_valid_card(self, ca: CaHierarchy, since: datetime) -> None:
        trust_store = ca.trust_store(*ca.lists(), revocation=RevocationRule(access=False))
        good = ca.issuing.issue(key=new_ec_key(), not_before=since)
        refusal = await _refusal(good, trust_store)
        assert (refusal.reason, refusal.metadata) == ("REVOCATION_ACCESS_MISSING", {"authority": "test-ca"})
        expired = ca.issuing.issue(key=new_ec_key(), not_before=since, not_after=NOW - timedelta(days=1))
        assert (await _refusal(expired, trust_store)).reason == "CERTIFICATE_EXPIRED"
        ca.issuing.revoke(good, NOW - timedelta(hours=2))
        revoking = ca.trust_store(*ca.lists(), revocation=RevocationRule(access=False))
        assert (await _refusal(good, revoking)).reason == "CERTIFICATE_REVOKED"

    async def test_invalid_path_is_reported_before_unknown_status(self, ca: CaHierarchy, since: datetime) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since, policies=["2.999.7"])
        trust_store = ca.trust_store(required_policies=frozenset({CARD_POLICY}))
        assert (await _refusal(card, trust_store)).reason == "CERTIFICATE_PATH_INVALID"

    async def test_list_from_a_slightly_fast_clock_is_used(self, ca: CaHierarchy, since: datetime) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since)
        validated = await _validate(card, ca.trust_store(ca.root.crl(NOW), ca.issuing.crl(NOW + timedelta(minutes=2))))
        assert validated.revocation.age(NOW) == timedelta(minutes=-2)

    async def test_revoked_card_among_many_is_found(self, ca: CaHierarchy, since: datetime) -> None:
        cards = [ca.issuing.issue(key=new_ec_key(), not_before=since) for _ in range(3)]
        for number in range(2**80, 2**80 + 500):
            ca.issuing.revoked[number] = NOW
        ca.issuing.revoke(cards[1], NOW)
        trust_store = ca.trust_store(*ca.lists())
        for card in (cards[0], cards[2]):
            await _validate(card, trust_store)
        assert (await _refusal(cards[1], trust_store)).reason == "CERTIFICATE_REVOKED"


class TestStrength:
    """RSA from 2048 bits, P-256, P-384, SHA-256."""

    @pytest.mark.parametrize("name", ["SHA1", "MD5"])
    async def test_weak_hash_is_refused(self, ca: CaHierarchy, since: datetime, name: str) -> None:
        weak = getattr(hashes, name)()
        card = ca.issuing.issue(key=new_ec_key(), not_before=since, hash_algorithm=weak)
        refusal = await _refusal(card, ca.trust_store(*ca.lists(), revocation=ACCEPT))
        assert (refusal.reason, refusal.metadata) == ("CERTIFICATE_KEY_WEAK", {"signature": f"{name.lower()}_rsa"})

    async def test_short_rsa_key_is_refused(self, ca: CaHierarchy, since: datetime) -> None:
        card = ca.issuing.issue(key=new_rsa_key(1024), not_before=since)
        refusal = await _refusal(card, ca.trust_store(*ca.lists()))
        assert (refusal.reason, refusal.metadata) == ("CERTIFICATE_KEY_WEAK", {"key": "RSA 1024"})

    @pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP192R1(), ec.BrainpoolP256R1(), ec.SECP521R1()])
    async def test_other_curves_are_refused(self, ca: CaHierarchy, since: datetime, curve: ec.EllipticCurve) -> None:
        card = ca.issuing.issue(key=new_ec_key(curve), not_before=since)
        assert (await _refusal(card, ca.trust_store(*ca.lists()))).reason == "CERTIFICATE_KEY_WEAK"

    async def test_intermediate_ca_with_a_short_key_is_refused(self, ca: CaHierarchy, since: datetime) -> None:
        weak = CertificateAuthority.create("Weak", parent=ca.root, key=new_rsa_key(1024), not_before=since)
        card = weak.issue(key=new_ec_key(), not_before=since)
        trust_store = ca.trust_store(*ca.lists(), revocation=ACCEPT)
        assert (await _refusal(card, trust_store, others=(weak.der,))).reason == "CERTIFICATE_AUTHORITY_UNKNOWN"


class TestUse:
    """The certificate must be for signing."""

    @pytest.mark.parametrize("usage", ["digital_signature", "content_commitment"])
    async def test_either_signing_usage_is_accepted(self, ca: CaHierarchy, since: datetime, usage: str) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since, key_usage=[usage])
        await _validate(card, ca.trust_store(*ca.lists()))

    async def test_certificate_for_encryption_is_refused(self, ca: CaHierarchy, since: datetime) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since, key_usage=["key_agreement"])
        refusal = await _refusal(card, ca.trust_store(*ca.lists()))
        assert (refusal.reason, refusal.metadata) == ("CERTIFICATE_NOT_FOR_SIGNING", {"cause": "key_usage"})

    async def test_ca_certificate_is_refused(self, ca: CaHierarchy) -> None:
        refusal = await _refusal(IssuedCard(ca.issuing.certificate, ca.issuing.key), ca.trust_store(*ca.lists()))
        assert (refusal.reason, refusal.metadata) == ("CERTIFICATE_NOT_FOR_SIGNING", {"cause": "basic_constraints"})

    @pytest.mark.parametrize(
        ("usages", "accepted"),
        [
            ((CARD_KEY_USAGE, "1.3.6.1.5.5.7.3.2"), True),
            (("2.5.29.37.0",), True),
            ((), True),
            (("1.3.6.1.5.5.7.3.1",), False),
        ],
    )
    async def test_extended_key_usage_must_be_accepted_by_the_profile(
        self, ca: CaHierarchy, since: datetime, usages: tuple[str, ...], accepted: bool
    ) -> None:
        card = ca.issuing.issue(key=new_ec_key(), not_before=since, extended_key_usages=usages)
        trust_store = ca.trust_store(*ca.lists(), accepted_extended_key_usages=frozenset({CARD_KEY_USAGE}))
        if accepted:
            await _validate(card, trust_store)
        else:
            refusal = await _refusal(card, trust_store)
            assert (refusal.reason, refusal.metadata) == (
                *("CERTIFICATE_NOT_FOR_SIGNING", {"cause": "extended_key_usage"}),
            )

    async def test_policies_required_by_the_profile_are_checked(self, ca: CaHierarchy, since: datetime) -> None:
        # The CA's own certificate has no policies, like many; it is pinned, so they are not required of it.
        pins = {"key_sha256": frozenset({ca.issuing.key_sha256}), "certificates": (ca.issuing.der,)}
        trust_store = ca.trust_store(ca.issuing.crl(since), required_policies=frozenset({CARD_POLICY}), **pins)
        await _validate(ca.issuing.issue(key=new_ec_key(), not_before=since), trust_store)
        refusal = await _refusal(
            ca.issuing.issue(key=new_ec_key(), not_before=since, policies=["2.999.7"]), trust_store
        )
        assert refusal.reason == "CERTIFICATE_PATH_INVALID"

    async def test_unknown_critical_extension_is_refused(self, ca: CaHierarchy, since: datetime) -> None:
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.999.8"), b"\x05\x00")
        card = ca.issuing.issue(key=new_ec_key(), not_before=since, extensions=[(extension, True)])
        assert (await _refusal(card, ca.trust_store(*ca.lists()))).reason == "CERTIFICATE_PATH_INVALID"

    async def test_path_length_of_a_ca_is_checked(self, ca: CaHierarchy, since: datetime) -> None:
        third = CertificateAuthority.create("Third", parent=ca.issuing, key=new_ec_key(), not_before=since)
        card = third.issue(key=new_ec_key(), not_before=since)
        trust_store = ca.trust_store(*ca.lists(), third.crl(since))
        assert (await _refusal(card, trust_store, others=(third.der,))).reason == "CERTIFICATE_PATH_INVALID"


@pytest.mark.parametrize("name", ["外字\ue000商事", "𠮷野家\U000e0100", "鷗\u9fef", "\U00030edd"])
async def test_rare_characters_in_the_subject_are_accepted(ca: CaHierarchy, since: datetime, name: str) -> None:
    card = ca.issuing.issue(key=new_ec_key(), company=name, company_romaji=name, not_before=since)
    assert (await _validate(card, ca.trust_store(*ca.lists()))).values.company_name == name


async def test_further_card_certificates_are_ignored(ca: CaHierarchy, since: datetime) -> None:
    card, other = (ca.issuing.issue(key=new_ec_key(), company_romaji="\ue000", not_before=since) for _ in range(2))
    await _validate(card, ca.trust_store(*ca.lists()), others=(other.der, card.der))


async def test_reencoded_signature_has_the_same_signed_part(since: datetime) -> None:
    root = CertificateAuthority.create("EC", key=new_ec_key(), not_before=since)
    card = root.issue(key=new_ec_key(), not_before=since)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    r, s = utils.decode_dss_signature(card.certificate.signature)
    twin = utils.encode_dss_signature(r, order - s)
    at = card.der.rindex(card.certificate.signature)
    tail = b"\x03" + bytes([len(twin) + 1]) + b"\x00" + twin
    body = card.der[4 : at - 3] + tail
    second = x509.load_der_x509_certificate(b"\x30\x82" + len(body).to_bytes(2, "big") + body)
    trust_store = CaHierarchy(root, root).trust_store(root.crl(since))
    first_found = await _validate(card, trust_store)
    second_found = await _validate(IssuedCard(second, card.key), trust_store)
    assert second.public_bytes(Encoding.DER) != card.der
    assert first_found.certificate.sha256 != second_found.certificate.sha256
    assert first_found.certificate.tbs_sha256 == second_found.certificate.tbs_sha256


class TestProfile:
    """An error in the profile is reported at the start, with the id of the CA."""

    def _wrong(self, *authorities: CardAuthority) -> str:
        with pytest.raises(ValueError, match=r"^card authority ") as wrong:
            build_trust_store(authorities)
        return str(wrong.value)

    def test_pin_without_certificate_is_an_error(self, ca: CaHierarchy) -> None:
        assert "no certificate with the pinned key" in self._wrong(ca.authority(certificates=(ca.issuing.der,)))

    def test_certificate_not_chained_to_a_pin_is_an_error(self, ca: CaHierarchy) -> None:
        stranger = CertificateAuthority.create("Stranger", key=new_ec_key())
        message = self._wrong(ca.authority(certificates=(ca.root.der, stranger.der)))
        assert "no pinned key vouches for CN=Stranger" in message

    def test_key_pinned_for_two_cas_is_an_error(self, ca: CaHierarchy) -> None:
        assert "is pinned by test-ca too" in self._wrong(ca.authority(), ca.authority(id="second"))

    def test_weak_ca_key_is_an_error(self) -> None:
        weak = CertificateAuthority.create("Weak", key=new_rsa_key(1024))
        assert "is too weak" in self._wrong(CardAuthority("weak", frozenset({weak.key_sha256}), (weak.der,)))

    def test_unreadable_ca_certificate_is_an_error(self, ca: CaHierarchy) -> None:
        assert "can't be read" in self._wrong(ca.authority(certificates=(ca.root.der, b"nothing")))

    def test_invalid_locator_is_an_error(self, ca: CaHierarchy) -> None:
        with pytest.raises(ValueError, match="is not a locator"):
            build_trust_store([ca.authority(company_name=("subject.company",))])

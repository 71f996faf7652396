"""What of the media on this PC can be used, and why the rest can't."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509  # type: ignore[import-untyped]  # it has no type hints
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from card_agent.diagnosis.cards import look_at_media
from card_agent.diagnosis.findings import count_problems
from card_agent.media import inventory
from card_agent.media.found import FoundCertificate, FoundMedium
from card_agent.media.inventory import Issuer, MediaSources, find_media, judge_certificate, list_usable
from card_agent.media.module_tokens import ModuleToken
from card_agent.media.one_certificate import OneCertificate
from card_agent.media.pkcs11 import Pkcs11Module, TokenInModule
from card_agent.media.pkcs12 import Pkcs12File
from card_agent.media.token import TokenCertificate
from card_agent.signing.card_choice import Candidate, choose_candidate, list_candidates
from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, IssuedCard, new_ec_key, new_rsa_key
from tests.support.scripted_person import ScriptedPerson

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create("Toroku Test CA", key=new_ec_key())


@pytest.fixture(scope="module")
def stranger() -> CertificateAuthority:
    return CertificateAuthority.create("Strange CA", key=new_ec_key())


def issuer_of(authority: CertificateAuthority, *, with_key: bool = True, name: bytes | None = None) -> Issuer:
    extension = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    identifier = extension.value.digest if with_key else b""
    return Issuer("test-ca", name or authority.certificate.subject.public_bytes(), identifier)


def certificate_of(card: IssuedCard) -> TokenCertificate:
    return TokenCertificate(card.der, "9A", ())


def judge(card: IssuedCard, issuers: Sequence[Issuer], now: datetime = NOW) -> tuple[str, str]:
    found = judge_certificate(certificate_of(card), issuers, now)
    return found.authority, found.refusal.reason if found.refusal is not None else ""


def test_ca_is_told_by_its_key(authority: CertificateAuthority, stranger: CertificateAuthority) -> None:
    card = authority.issue(key=new_ec_key())
    assert judge(card, [issuer_of(stranger), issuer_of(authority)]) == ("test-ca", "")
    # The name of the right CA, and the key of another one.
    imitation = CertificateAuthority.create("Toroku Test CA", key=new_ec_key())
    assert judge(imitation.issue(key=new_ec_key()), [issuer_of(authority)]) == ("", "CERTIFICATE_AUTHORITY_UNKNOWN")


def test_ca_without_a_key_identifier_is_told_by_its_name(authority: CertificateAuthority) -> None:
    card = authority.issue(key=new_ec_key())
    assert judge(card, [issuer_of(authority, with_key=False)]) == ("test-ca", "")
    names = {"country_name": "JP", "organization_name": "Toroku Test Certification", "common_name": "Toroku Test CA"}
    printable = asn1_x509.Name.build(names, use_printable=True).dump()
    # The same characters in another kind of string are the same name.
    assert printable != authority.certificate.subject.public_bytes()
    by_name = issuer_of(authority, with_key=False, name=printable)
    assert judge(card, [by_name]) == ("test-ca", "")


def test_ca_above_the_one_on_the_card_counts(authority: CertificateAuthority) -> None:
    below = CertificateAuthority.create("CA below", parent=authority, key=new_ec_key())
    card = below.issue(key=new_ec_key())
    certificate = TokenCertificate(card.der, "9A", (below.der,))
    assert judge_certificate(certificate, [issuer_of(authority)], NOW).authority == "test-ca"
    assert judge(card, [issuer_of(authority)]) == ("", "CERTIFICATE_AUTHORITY_UNKNOWN")


def test_every_ca_may_be_right_where_none_is_known(authority: CertificateAuthority) -> None:
    assert judge(authority.issue(key=new_ec_key()), []) == ("", "")


def test_certificate_is_refused_outside_its_validity_and_for_its_key_and_use(authority: CertificateAuthority) -> None:
    year = timedelta(days=365)
    issuers = [issuer_of(authority)]
    expired = authority.issue(key=new_ec_key(), not_before=NOW - 2 * year, not_after=NOW - year)
    assert judge(expired, issuers) == ("test-ca", "CERTIFICATE_EXPIRED")
    assert judge(expired, issuers, NOW - year - timedelta(days=1)) == ("test-ca", "")
    early = authority.issue(key=new_ec_key(), not_before=NOW + year, not_after=NOW + 2 * year)
    assert judge(early, issuers) == ("test-ca", "CERTIFICATE_NOT_YET_VALID")
    odd = authority.issue(key=new_ec_key(ec.SECP521R1()))
    assert judge(odd, issuers) == ("test-ca", "CARD_KEY_NOT_SUPPORTED")
    weak = authority.issue(key=new_rsa_key(1024))
    assert judge(weak, issuers) == ("test-ca", "CARD_KEY_NOT_SUPPORTED")
    for_encryption = authority.issue(key=new_ec_key(), key_usage=("key_agreement",))
    assert judge(for_encryption, issuers) == ("test-ca", "CERTIFICATE_NOT_FOR_SIGNING")


def test_card_that_two_ways_lead_to_is_offered_once(authority: CertificateAuthority, tmp_path: Path) -> None:
    card = FoundCertificate(certificate_of(authority.issue(key=new_ec_key())))
    medium = Pkcs12File(tmp_path)
    found = [FoundMedium("reader", medium, (card,)), FoundMedium("module", medium, (card,))]
    assert [medium.place for medium, _ in list_usable(found)] == ["reader"]


def test_files_are_found_without_their_password_or_with_the_reason(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    good, other, missing = tmp_path / "証明書.p12", tmp_path / "other.p12", tmp_path / "missing.p12"
    good.write_bytes(authority.issue(key=new_ec_key()).pkcs12(b"secret"))
    other.write_bytes(b"no certificate file")
    found = find_media(MediaSources(files=(good, other, missing), readers=False), [], NOW)
    reasons = [each.refusal.reason if each.refusal else "" for each in found]
    assert reasons == ["", "CARD_FILE_UNREADABLE", "CARD_FILE_NOT_FOUND"]
    assert [each.place for each in found] == [str(good), str(other), str(missing)]
    assert [candidate.place for candidate in list_candidates(found)] == [str(good)]


def test_expired_card_is_a_candidate_only_where_there_is_no_better_one(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    expired = FoundCertificate(
        certificate_of(authority.issue(key=new_ec_key())), refusal=Refusal("CERTIFICATE_EXPIRED")
    )
    good = FoundCertificate(certificate_of(authority.issue(key=new_ec_key())))
    medium = Pkcs12File(tmp_path)
    old, new = FoundMedium("old", medium, (expired,)), FoundMedium("new", medium, (good,))
    assert [candidate.place for candidate in list_candidates([old, new])] == ["new"]
    # The server says what to do with it.
    assert [candidate.place for candidate in list_candidates([old])] == ["old"]


def test_several_certificates_of_one_card_are_candidates_apart(authority: CertificateAuthority, tmp_path: Path) -> None:
    cards = [FoundCertificate(certificate_of(authority.issue(key=new_ec_key()))) for _ in range(2)]
    candidates = list_candidates([FoundMedium("reader", Pkcs12File(tmp_path), tuple(cards))])
    chosen = [candidate.medium for candidate in candidates]
    assert [medium.der for medium in chosen if isinstance(medium, OneCertificate)] == [
        card.certificate.der for card in cards
    ]


@pytest.mark.parametrize(
    ("reasons", "raised"),
    [
        (("CARD_NOT_INSERTED", "CARD_NOT_INSERTED"), "CARD_NOT_INSERTED"),
        (("CARD_NOT_INSERTED", "CARD_UNREADABLE"), "CARD_UNREADABLE"),
        (("CARD_READER_NOT_FOUND", "CARD_FILE_NOT_FOUND"), "CARD_FILE_NOT_FOUND"),
        (("SMART_CARD_SERVICE_NOT_RUNNING",), "SMART_CARD_SERVICE_NOT_RUNNING"),
        ((), "CARD_READER_NOT_FOUND"),
    ],
)
def test_nothing_to_choose_from_is_refused_with_the_reason_that_helps_most(reasons: Sequence[str], raised: str) -> None:
    found = [FoundMedium(f"reader {number}", None, refusal=Refusal(each)) for number, each in enumerate(reasons)]
    with pytest.raises(Refusal) as refused:
        list_candidates(found)
    assert refused.value.reason == raised
    if raised == "CARD_NOT_INSERTED":
        assert refused.value.metadata["reader"] == "reader 0 / reader 1"


def test_cards_with_the_same_serial_number_are_told_apart_by_their_places(
    authority: CertificateAuthority, stranger: CertificateAuthority, tmp_path: Path
) -> None:
    cards = [ca.issue(key=new_ec_key(), serial=4711) for ca in (authority, stranger)]
    other = authority.issue(key=new_ec_key(), serial=4712)
    candidates = [
        Candidate(f"reader {number}", Pkcs12File(tmp_path / str(number)), certificate_of(card))
        for number, card in enumerate([*cards, other])
    ]
    person = ScriptedPerson({"certificate": "reader 1"})
    assert choose_candidate(candidates, person) == Pkcs12File(tmp_path / "1")
    assert person.chosen_from["certificate"] == ["reader 0", "reader 1", "4712"]


def test_card_that_only_a_module_knows_is_found_there(
    authority: CertificateAuthority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = FoundCertificate(certificate_of(authority.issue(key=new_ec_key())))
    module = Pkcs11Module(tmp_path / "module.so")
    token = TokenInModule(module, token=ModuleToken(0, "Reader 00", "Card", "1", "Model", 0), pin_first=False)
    refused = Refusal("CARD_NOT_SUPPORTED", metadata={"status": "6A82"})
    readers = [FoundMedium("Reader 00 00", None, refusal=refused), FoundMedium("Other 01", None, refusal=refused)]
    monkeypatch.setattr(inventory, "_look_into_readers", lambda: readers)
    monkeypatch.setattr(Pkcs11Module, "list_media", lambda _: (FoundMedium("Card (Reader 00)", token, (card,)),))
    found = find_media(MediaSources(modules=(module.path,)), [], NOW)
    reasons = [each.refusal.reason if each.refusal else "" for each in found]
    assert reasons == ["CARD_USED_BY_MODULE", "CARD_NOT_SUPPORTED", ""]
    assert [candidate.medium for candidate in list_candidates(found)] == [token]
    assert count_problems([look_at_media(found)]) == 1

"""What the trust in a stored card rests on: limits, and what has cards judged anew."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509

from certificate_registry.domain.trust import (
    TrustLimits,
    TrustPath,
    assess_limits,
    create_path,
    hash_grounds,
    hash_issuer_key,
)
from certificate_registry.pki.card_authorities import CardAuthority, RevocationRule, UnknownStatus, hash_rules
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import validate_certificate
from certificate_registry.pki.revocation_list import RevocationList, parse_revocation_list
from simulators.certificate_authorities import new_ec_key
from tests.unit.certificate_registry.conftest import NOW, CaHierarchy

RULES = b"rules"
_ONLY_CAS = x509.IssuingDistributionPoint(None, None, False, True, None, False, False)


def index(*lists: bytes) -> Mapping[bytes, Sequence[RevocationList]]:
    """Returns the lists by the hash of their issuer."""
    found: dict[bytes, list[RevocationList]] = {}
    for der in lists:
        one = parse_revocation_list(der)
        found.setdefault(hash_issuer_key(one.issuer_key), []).append(one)
    return found


@pytest.fixture
async def path(ca: CaHierarchy, since: datetime) -> TrustPath:
    card = parse_certificate(ca.issuing.issue(key=new_ec_key(), not_before=since).der)
    created, _ = create_path(await validate_certificate(card, (), ca.trust_store(*ca.lists()), NOW), NOW)
    return created


def grounds(path: TrustPath, now: datetime, *lists: bytes, rules: bytes = RULES) -> bytes:
    """Returns the hash of the grounds with these CRLs."""
    held = index(*lists)
    by_scope = {one.scope: one for some in held.values() for one in some}
    rule = RevocationRule()
    return hash_grounds(path, assess_limits(path, by_scope, rule, now), held, rule, rules, now)


async def test_cards_of_a_ca_share_a_path(ca: CaHierarchy, since: datetime) -> None:
    trust_store = ca.trust_store(*ca.lists())
    paths = set()
    for _ in range(2):
        card = parse_certificate(ca.issuing.issue(key=new_ec_key(), not_before=since).der)
        paths.add(create_path(await validate_certificate(card, (), trust_store, NOW), NOW)[0])
    (path,) = paths
    assert (path.authority, len(path.issuers), len(path.authorities), len(path.lists)) == ("test-ca", 2, 1, 2)


def test_earliest_list_of_the_path_is_what_is_known(ca: CaHierarchy, path: TrustPath) -> None:
    lists = [ca.root.crl(NOW - timedelta(days=20), valid_for=timedelta(days=30)), ca.issuing.crl(NOW)]
    held = {one.scope: one for one in map(parse_revocation_list, lists)}
    rule = RevocationRule(grace=timedelta(hours=5))
    until = NOW + timedelta(days=2)
    expected = TrustLimits(NOW - timedelta(days=20), until, until + timedelta(hours=5))
    assert assess_limits(path, held, rule, NOW) == expected
    accepting = replace(rule, unknown=UnknownStatus.ACCEPT)
    assert assess_limits(path, held, accepting, NOW) == replace(expected, trusted_until=None)
    ended = NOW - timedelta(days=10)
    assert assess_limits(path, held, replace(rule, most_age=timedelta(days=10)), NOW).lists_until == ended


def test_grace_of_a_path_without_lists_begins_once(path: TrustPath) -> None:
    rule, bare = RevocationRule(), replace(path, lists=())
    first = assess_limits(bare, {}, rule, NOW)
    assert first == TrustLimits(None, None, NOW + rule.grace)
    assert assess_limits(bare, {}, rule, NOW + timedelta(days=1), first.trusted_until) == first


def test_newer_list_alone_has_no_card_judged_anew(ca: CaHierarchy, path: TrustPath) -> None:
    before = grounds(path, NOW, *ca.lists())
    ca.issuing.revoke(ca.issuing.issue(key=new_ec_key()))
    later = NOW + timedelta(hours=9)
    assert grounds(path, later, *ca.lists(later)) == before
    # A list that ended a moment ago: the next one is on its way.
    assert grounds(path, NOW + timedelta(hours=47, minutes=30), *ca.lists()) == before


def test_cards_are_judged_anew_when_what_they_rest_on_changes(ca: CaHierarchy, path: TrustPath) -> None:
    lists = ca.lists()
    before = grounds(path, NOW, *lists)
    changed = {
        "rules": grounds(path, NOW, *lists, rules=b"others"),
        "ended": grounds(path, NOW + timedelta(hours=49), *lists),
        "ca expired": grounds(replace(path, valid_until=NOW - timedelta(days=1)), NOW, *lists),
        "another list": grounds(path, NOW, *lists, ca.root.crl(NOW, extensions=[(_ONLY_CAS, True)])),
    }
    ca.root.revoke(ca.issuing.certificate)
    changed["ca revoked"] = grounds(path, NOW, *ca.lists())
    assert len({before, *changed.values()}) == len(changed) + 1
    ca.root.revoked.clear()
    assert grounds(path, NOW, *ca.lists()) == before


@pytest.mark.parametrize(
    "change",
    [
        {"key_sha256": frozenset({"0" * 64})},
        {"certificates": (b"other",)},
        {"revocation": RevocationRule(unknown=UnknownStatus.ACCEPT)},
        {"revocation": RevocationRule(most_age=timedelta(hours=48))},
        {"revocation": RevocationRule(grace=timedelta())},
        {"required_policies": frozenset({"2.999.1"})},
        {"accepted_extended_key_usages": frozenset({"2.999.1"})},
        {"id": "other"},
    ],
)
def test_rules_are_others_when_trust_may_be(change: dict[str, object]) -> None:
    authority = CardAuthority(id="ca", key_sha256=frozenset({"1" * 64, "2" * 64}), certificates=(b"a", b"b"))
    assert hash_rules([authority]) != hash_rules([replace(authority, **change)])  # type: ignore[arg-type]  # the case says what
    same = replace(authority, certificates=(b"b", b"a"), revocation=RevocationRule(refresh=timedelta(minutes=5)))
    assert hash_rules([authority]) == hash_rules([same])


async def test_list_of_cas_only_is_not_what_a_card_rests_on(ca: CaHierarchy, since: datetime) -> None:
    card = parse_certificate(ca.issuing.issue(key=new_ec_key(), not_before=since).der)
    old = ca.issuing.crl(NOW - timedelta(days=90), valid_for=timedelta(days=100), extensions=[(_ONLY_CAS, True)])
    lists = ca.lists()
    validated = await validate_certificate(card, (), ca.trust_store(*lists, old), NOW)
    expected = {parse_revocation_list(der).sha256 for der in lists}
    assert {one.sha256 for one in validated.revocation.lists} == expected

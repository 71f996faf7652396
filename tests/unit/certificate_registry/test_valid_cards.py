"""A validation is kept while nothing that it rests on can have changed, and strangers do not push anybody out."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from certificate_registry.adapters.valid_cards import ValidCards
from certificate_registry.domain.valid_card import ValidCard, create_valid_card
from certificate_registry.pki.card_authorities import RevocationRule, UnknownStatus
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import ValidatedCertificate, validate_certificate
from certificate_registry.pki.trust_store import TrustStore
from refusals import Refusal
from simulators.certificate_authorities import IssuedCard, new_ec_key
from tests.unit.certificate_registry.conftest import NOW, CaHierarchy

SECOND = timedelta(seconds=1)


async def find_valid(
    card: IssuedCard, trust_store: TrustStore, *others: bytes, now: datetime = NOW
) -> ValidatedCertificate:
    return await validate_certificate(parse_certificate(card.der), others, trust_store, now)


async def judge(card: IssuedCard, trust_store: TrustStore, *others: bytes) -> ValidCard:
    return create_valid_card(await find_valid(card, trust_store, *others), NOW)


@pytest.mark.parametrize("unknown", UnknownStatus)
async def test_validation_that_stands_says_what_a_new_one_would_say(
    ca: CaHierarchy, since: datetime, unknown: UnknownStatus
) -> None:
    rule = RevocationRule(unknown=unknown, most_age=timedelta(hours=7))
    lists = [
        ca.root.crl(NOW - timedelta(hours=2), valid_for=timedelta(hours=9)),
        ca.issuing.crl(NOW - timedelta(hours=1), valid_for=timedelta(hours=4)),
    ]
    trust_store = ca.trust_store(*lists, revocation=rule)
    card = ca.issuing.issue(key=new_ec_key(), not_before=since, not_after=NOW + timedelta(hours=30))

    async def validate(now: datetime) -> ValidatedCertificate | None:
        try:
            return await find_valid(card, trust_store, now=now)
        except Refusal:
            return None

    validated = await find_valid(card, trust_store)
    assert (validated.stands.after, validated.stands.before) == (NOW - timedelta(hours=1), NOW + timedelta(hours=3))
    answers = set()
    for end in {*trust_store.instants, validated.certificate.not_before, validated.certificate.not_after}:
        moments = (end - SECOND, end, end + SECOND)
        at_end = [await validate(moment) for moment in moments]
        for first in filter(None, at_end):
            for moment, again in zip(moments, at_end, strict=True):
                if first.stands.covers(moment):
                    assert again == first
        answers |= {answer is not None and answer.revocation.status for answer in at_end}
    # Each end was seen to change an answer.
    assert answers >= ({False, "good"} if unknown is UnknownStatus.REFUSE else {False, "good", "unknown"})


async def test_card_is_found_again_while_its_validation_stands(ca: CaHierarchy, since: datetime) -> None:
    trust_store, cards = ca.trust_store(*ca.lists()), ValidCards()
    card = ca.issuing.issue(key=new_ec_key(), not_before=since)
    assert cards.find(card.sha256, (), trust_store, NOW) is None
    valid = await judge(card, trust_store)
    cards.keep(valid, trust_store)
    # The CA between card and pin is known anyway, and so is another one of the same request.
    for others in ((), (ca.issuing.der,), (ca.issuing.der, ca.root.der)):
        assert cards.find(card.sha256, others, trust_store, NOW + SECOND) is valid
    assert cards.find(card.sha256, (), trust_store, valid.stands.before - SECOND) is valid
    assert cards.find(card.sha256, (), trust_store, valid.stands.before) is None
    assert cards.find(card.sha256, (), trust_store, valid.stands.after) is None
    assert cards.find(bytes(32), (), trust_store, NOW) is None


async def test_other_certificates_of_a_card_make_another_validation(ca: CaHierarchy, since: datetime) -> None:
    # The instance knows the root only: the card brings along what is between them.
    trust_store, cards = ca.trust_store(*ca.lists(), certificates=(ca.root.der,)), ValidCards()
    card = ca.issuing.issue(key=new_ec_key(), not_before=since)
    cards.find(card.sha256, (), trust_store, NOW)
    # What is no use for a path makes no difference.
    valid = await judge(card, trust_store, ca.issuing.der, b"garbage")
    cards.keep(valid, trust_store)
    assert cards.find(card.sha256, (ca.issuing.der,), trust_store, NOW) is valid
    assert cards.find(card.sha256, (), trust_store, NOW) is None


async def test_another_list_ends_all_that_was_known(ca: CaHierarchy, since: datetime) -> None:
    trust_store, cards = ca.trust_store(*ca.lists()), ValidCards()
    card = ca.issuing.issue(key=new_ec_key(), not_before=since)
    cards.find(card.sha256, (), trust_store, NOW)
    valid = await judge(card, trust_store)
    cards.keep(valid, trust_store)
    newer = ca.trust_store(*ca.lists())
    assert cards.find(card.sha256, (), newer, NOW) is None
    # What was validated by the lists of before comes too late.
    cards.keep(valid, trust_store)
    cards.keep_presented(valid, trust_store)
    assert cards.find(card.sha256, (), newer, NOW) is None


async def test_strangers_push_out_strangers_only(ca: CaHierarchy, since: datetime) -> None:
    trust_store, cards = ca.trust_store(*ca.lists()), ValidCards(most_proven=2, most_presented=2)
    valid = await judge(ca.issuing.issue(key=new_ec_key(), not_before=since), trust_store)

    def card_of(number: int) -> ValidCard:
        return replace(valid, card=replace(valid.card, certificate_sha256=bytes([number]) * 32))

    def list_known() -> list[int]:
        return [number for number in range(9) if cards.find(bytes([number]) * 32, (), trust_store, NOW)]

    assert list_known() == []
    cards.keep(card_of(0), trust_store)
    cards.keep(card_of(1), trust_store)
    for number in (2, 3, 4, 0):
        cards.keep_presented(card_of(number), trust_store)
    assert list_known() == [0, 1, 3, 4]
    # Whoever signs takes the place of the one that was used longest ago, and none of a stranger's.
    cards.keep(card_of(0), trust_store)
    cards.keep(card_of(4), trust_store)
    assert list_known() == [0, 3, 4]

"""ICカード更新 on the Saitama profile over gRPC: what stops, what goes on, and who may not renew."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority
from tests.support.changing_contractor import ChangingContractor
from tests.support.registered_contractor import mailbox_of, register_everywhere
from tests.support.renewing_contractor import RenewingContractor
from tests.support.running_instance import COMPANY_COMPARED_AT, RunningInstance
from toroku.certificate.v1 import card_pb2, user_lookup_pb2

GOOD = user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD
REPLACED = user_lookup_pb2.ResolveUserResponse.VERDICT_CARD_REPLACED
NOT_REGISTERED = user_lookup_pb2.ResolveUserResponse.VERDICT_NOT_REGISTERED


async def refuse(renewal: RenewingContractor) -> Refusal:
    """Returns the refusal of a renewal whose two cards are in."""
    with pytest.raises(Refusal) as refused:
        await renewal.prepare()
    return refused.value


@pytest.mark.requirement("REN-01")
async def test_both_cards_are_shown_and_the_new_one_takes_the_old_ones_place(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    renewal = RenewingContractor.of(contractor, instance.issue_successor(contractor))
    await renewal.enter()

    shown = await renewal.prepare()
    assert shown.old_card.certificate_sha256 == renewal.old.sha256
    assert shown.new_card.certificate_sha256 == renewal.new.sha256
    assert shown.company.bidder_id == contractor.bidder_id
    result = await renewal.renew()

    assert result.registration.certificate_sha256 == renewal.new.sha256
    assert result.registration.origin == card_pb2.REGISTRATION_ORIGIN_RENEWAL
    assert await instance.mail_to(contractor.card_contact.mail_address, about="更新")


@pytest.mark.requirement("REN-03", "met")
async def test_old_card_stops_at_once_and_contacts_carry_over(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    renewal = RenewingContractor.of(contractor, instance.issue_successor(contractor))

    await renewal.whole()

    old, new = await instance.resolve(contractor), await instance.resolve(contractor, card=renewal.new)
    assert (old.verdict, old.replaced_by) == (REPLACED, renewal.new.sha256)
    assert (new.verdict, new.bidder_id, new.predecessor) == (GOOD, contractor.bidder_id, contractor.card.sha256)
    renewed = instance.contractor(card=renewal.new, bidder=instance.bidder_of(contractor))
    await instance.poll(partial(instance.contact, renewed, "card"), lambda found: found == contractor.card_contact)
    registered = await ChangingContractor.of(renewed).see()
    assert registered.card_contact.contact == contractor.card_contact


@pytest.mark.requirement("REN-04", "met")
@pytest.mark.parametrize("propagate", [True, False])
async def test_user_chooses_whether_the_other_agencies_follow(instance: RunningInstance, propagate: bool) -> None:
    contractor = await register_everywhere(instance)
    others = instance.other_agencies(contractor)
    renewal = RenewingContractor.of(contractor, instance.issue_successor(contractor), propagate=propagate)

    await renewal.whole()

    for agency in others:
        if propagate:
            new = await instance.poll(
                partial(instance.resolve, contractor, agency, renewal.new), lambda answer: answer.verdict == GOOD
            )
            assert new.predecessor == contractor.card.sha256
            assert (await instance.resolve(contractor, agency)).verdict == REPLACED
        else:
            assert (await instance.resolve(contractor, agency)).verdict == GOOD
            assert (await instance.resolve(contractor, agency, renewal.new)).verdict == NOT_REGISTERED
    if not propagate:
        # The old card is renewed there on its own, by the card that is registered elsewhere meanwhile.
        await RenewingContractor.of(contractor, renewal.new, agency=others[0], propagate=False).whole()
        assert (await instance.resolve(contractor, others[0], renewal.new)).verdict == GOOD
        assert (await instance.resolve(contractor, others[0])).verdict == REPLACED


@pytest.mark.requirement("REN-02")
@pytest.mark.parametrize(
    ("new_card", "reason"),
    [
        ({"company": "別名建設株式会社"}, "CARD_COMPANY_DIFFERS"),
        ({"address": "埼玉県川越市元町一丁目3番1号"}, "CARD_ADDRESS_DIFFERS"),
    ],
)
async def test_card_of_changed_company_data_is_sent_to_the_right_operation(
    instance: RunningInstance, new_card: dict[str, str], reason: str
) -> None:
    # Not at the agency that holds the company of each card against the roster's, and refuses it for that.
    contractor = instance.contractor(agency=instance.profile.agencies[0].code)
    await contractor.whole()
    details = {"company": instance.bidder_of(contractor).name} | new_card
    renewal = RenewingContractor.of(contractor, instance.ca.issue(**details))  # type: ignore[arg-type]
    await renewal.enter()

    assert (await refuse(renewal)).reason == reason
    assert (await instance.resolve(contractor)).verdict == GOOD


@pytest.mark.requirement("REN-02")
async def test_card_that_is_not_registered_or_has_expired_is_not_renewed(instance: RunningInstance) -> None:
    stranger = instance.contractor()
    renewal = RenewingContractor.of(stranger, instance.issue_successor(stranger))
    with pytest.raises(Refusal) as refused:
        await renewal.log_in_old()
    assert refused.value.reason == "CARD_NOT_REGISTERED_HERE"

    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = instance.ca.issue(not_before=yesterday - timedelta(days=700), not_after=yesterday)
    with pytest.raises(Refusal) as refused:
        await replace(renewal, old=expired).log_in_old()
    assert refused.value.reason == "CERTIFICATE_EXPIRED"


@pytest.mark.requirement("REN-02")
async def test_new_card_that_is_registered_already_is_refused(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.whole()
    second = instance.contractor(bidder=instance.bidder_of(contractor), agency=contractor.agency)
    await second.whole()
    renewal = RenewingContractor.of(contractor, second.card)
    await renewal.log_in_old()
    with pytest.raises(Refusal) as refused:
        await renewal.log_in_new()
    assert refused.value.reason == "CARD_ALREADY_REGISTERED"
    assert (await instance.resolve(contractor)).verdict == GOOD


@pytest.mark.requirement("REN-02")
async def test_new_card_of_another_bidder_is_refused(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.whole()
    new_card = instance.issue_successor(contractor)
    other = instance.contractor(card=new_card)
    while other.agency in (contractor.agency, COMPANY_COMPARED_AT):
        other = instance.contractor(card=new_card)
    await other.whole()
    for agency in instance.other_agencies(other):
        if agency != COMPANY_COMPARED_AT:
            await instance.poll(partial(instance.resolve, other, agency), lambda answer: answer.verdict == GOOD)
    renewal = RenewingContractor.of(contractor, new_card)
    with pytest.raises(Refusal) as refused:
        await renewal.whole()
    assert refused.value.reason in ("CARD_BOUND_TO_ANOTHER_BIDDER", "CARD_ALREADY_REGISTERED")
    assert (await instance.resolve(contractor)).verdict == GOOD
    assert (await instance.resolve(other)).verdict == GOOD


async def test_card_of_an_unknown_authority_is_refused(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.whole()
    stranger = CertificateAuthority.create("Another CA").issue(company=instance.bidder_of(contractor).name)
    renewal = RenewingContractor.of(contractor, stranger)
    await renewal.log_in_old()
    with pytest.raises(Refusal) as refused:
        await renewal.log_in_new()
    assert refused.value.reason == "CERTIFICATE_AUTHORITY_UNKNOWN"


async def test_of_two_renewals_of_one_card_at_one_time_one_is_carried_out(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    renewals = [RenewingContractor.of(contractor, instance.issue_successor(contractor)) for _ in range(2)]
    for renewal in renewals:
        await renewal.enter()
        await renewal.prepare()

    outcomes = await asyncio.gather(*(renewal.renew() for renewal in renewals), return_exceptions=True)

    refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert [refusal.reason for refusal in refusals] == ["CARD_REPLACED"]
    verdicts = [(await instance.resolve(contractor, card=renewal.new)).verdict for renewal in renewals]
    assert sorted(verdicts) == sorted([GOOD, NOT_REGISTERED])
    assert (await instance.resolve(contractor)).verdict == REPLACED


async def test_repeated_renewal_gives_the_same_result(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    renewal = RenewingContractor.of(contractor, instance.issue_successor(contractor))
    result = await renewal.whole()
    result.ClearField("history_receipt")

    again = await renewal.renew()
    again.ClearField("history_receipt")
    assert again == result

    fresh = RenewingContractor.of(contractor, renewal.new, request_id=renewal.request_id)
    await fresh.log_in_new(resume=renewal.request_id)
    fetched = await fresh.result()
    fetched.ClearField("history_receipt")
    assert fetched == result


async def test_card_whose_key_the_old_card_did_not_name_is_refused(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    renewal = RenewingContractor.of(contractor, instance.issue_successor(contractor))
    await renewal.enter()
    await renewal.prepare()
    other = RenewingContractor.of(contractor, renewal.new)

    def sign_with_another_key(request: object) -> None:
        vouched = b"toroku successor key v1\x00" + renewal.new.sha256 + renewal.request_id.encode()
        request.successor_signature = other.successor.sign(vouched)  # type: ignore[attr-defined]

    with pytest.raises(Refusal) as refused:
        await renewal.renew(sign_with_another_key)

    assert refused.value.reason == "SUCCESSOR_SIGNATURE_INVALID"
    assert (await instance.resolve(contractor)).verdict == GOOD


@pytest.mark.requirement("ENT-04", "met")
async def test_card_of_two_categories_is_renewed_in_each_of_them(instance: RunningInstance) -> None:
    works = instance.contractor()
    await works.whole()
    # An agency that does not compare the company: the roster of goods has another bidder.
    goods = instance.contractor(card=works.card, agency=instance.profile.agencies[0].code, category="goods")
    await goods.whole()
    renewal = RenewingContractor.of(works, instance.issue_successor(works))

    await renewal.whole()

    assert (await instance.resolve(works)).verdict == REPLACED
    assert (await instance.resolve(goods)).verdict == GOOD
    assert (await instance.resolve(goods, card=renewal.new)).verdict == NOT_REGISTERED

    await RenewingContractor.of(goods, renewal.new).whole()

    assert (await instance.resolve(goods)).verdict == REPLACED
    for contractor in (works, goods):
        answer = await instance.resolve(contractor, card=renewal.new)
        assert (answer.verdict, answer.bidder_id) == (GOOD, contractor.bidder_id)


async def test_change_after_a_renewal_is_of_the_new_card(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    renewal = RenewingContractor.of(contractor, instance.issue_successor(contractor))
    await renewal.whole()
    renewed = instance.contractor(card=renewal.new, bidder=instance.bidder_of(contractor))
    await instance.poll(partial(instance.contact, renewed, "card"), lambda found: found is not None)
    new_contact = mailbox_of(contractor, "after-renewal")

    await ChangingContractor.of(renewed).whole(card_contact=new_contact)

    assert await instance.contact(renewed, "card") == new_contact
    change = ChangingContractor.of(contractor)
    await change.begin()
    with pytest.raises(Refusal) as refused:
        await change.log_in()
    assert refused.value.reason == "CARD_REPLACED"

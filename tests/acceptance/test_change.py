"""変更 on the Saitama profile over gRPC: what is registered, what a change does at each agency, and from when."""

from datetime import UTC, timedelta
from functools import partial

import pytest

from refusals import Refusal
from tests.support.changing_contractor import ChangingContractor
from tests.support.registered_contractor import mailbox_of, register_everywhere
from tests.support.running_instance import RunningInstance
from toroku.certificate.v1 import user_lookup_pb2

GOOD = user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD


@pytest.mark.requirement("CHG-05")
async def test_change_shows_what_is_registered(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)

    registered = await ChangingContractor.of(contractor).see()

    assert registered.company.bidder_id == contractor.bidder_id
    assert registered.card.certificate_sha256 == contractor.card.sha256
    assert registered.card_contact.contact == contractor.card_contact
    assert registered.representative_contact.contact == contractor.representative_contact
    assert set(registered.other_agencies) == set(instance.other_agencies(contractor))
    assert registered.registration.agency == contractor.agency


@pytest.mark.requirement("CHG-01")
async def test_changed_contacts_count_and_both_addresses_are_told(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    new_contact = mailbox_of(contractor, "new-card")

    receipt = await ChangingContractor.of(contractor).whole(card_contact=new_contact)

    assert list(receipt.changed_fields) == ["card_contact.mail_address"]
    assert receipt.card_contact == new_contact
    assert receipt.representative_contact == contractor.representative_contact
    assert await instance.contact(contractor, "card") == new_contact
    assert await instance.contact(contractor, "representative") == contractor.representative_contact
    for address in (contractor.card_contact.mail_address, new_contact.mail_address):
        mail = await instance.mail_to(address, about="変更")
        text = mail.get_body().get_content()  # type: ignore[union-attr]
        assert "連絡先メールアドレス" in text
        # Whoever reads the old mailbox may have nothing to do with the company any more.
        assert new_contact.mail_address not in text


@pytest.mark.requirement("CHG-01")
async def test_representative_contact_changes_for_all_cards_of_the_bidder(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    second = instance.contractor(bidder=instance.bidder_of(contractor), agency=contractor.agency)
    await second.whole()
    new_contact = mailbox_of(contractor, "new-daihyo")

    await ChangingContractor.of(contractor).whole(representative_contact=new_contact)

    registered = await ChangingContractor.of(second).see()
    assert registered.representative_contact.contact == new_contact
    assert registered.card_contact.contact == second.card_contact


@pytest.mark.requirement("CHG-02", "met")
async def test_change_without_propagation_leaves_the_other_agencies_as_they_were(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    others = instance.other_agencies(contractor)
    here, everywhere = mailbox_of(contractor, "here"), mailbox_of(contractor, "everywhere")

    await ChangingContractor.of(contractor, propagate=False).whole(card_contact=here)

    assert await instance.contact(contractor, "card") == here
    for agency in others:
        assert await instance.contact(contractor, "card", agency) == contractor.card_contact
    registered = await ChangingContractor.of(contractor).see()
    assert set(registered.agencies_with_earlier_contacts) == set(others)

    await ChangingContractor.of(contractor).whole(card_contact=everywhere)

    for agency in (contractor.agency, *others):
        assert await instance.contact(contractor, "card", agency) == everywhere


@pytest.mark.requirement("CHG-03", "met")
async def test_tender_keeps_the_contact_of_its_moment(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    new_contact = mailbox_of(contractor, "later")

    receipt = await ChangingContractor.of(contractor).whole(card_contact=new_contact)

    counts_from = receipt.counts_from.ToDatetime(tzinfo=UTC)
    before = counts_from - timedelta(milliseconds=1)
    assert await instance.contact(contractor, "card", as_of=before) == contractor.card_contact
    assert await instance.contact(contractor, "card", as_of=counts_from) == new_contact


async def test_second_of_two_changes_at_one_time_is_told(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    first, second = ChangingContractor.of(contractor), ChangingContractor.of(contractor)
    for change, name in ((first, "first"), (second, "second")):
        await change.see()
        change.type_in(card_contact=mailbox_of(contractor, name))
        await change.prepare()
    await first.submit()

    with pytest.raises(Refusal) as refused:
        await second.submit()

    assert refused.value.reason == "CONTACT_CHANGED_MEANWHILE"
    assert refused.value.metadata["section"] == "card_contact"
    assert (await instance.contact(contractor, "card")) == mailbox_of(contractor, "first")


async def test_change_without_a_difference_is_refused(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    change = ChangingContractor.of(contractor)
    await change.see()
    with pytest.raises(Refusal) as refused:
        await change.prepare()
    assert refused.value.reason == "NOTHING_CHANGED"


async def test_repeated_change_gives_the_same_receipt(instance: RunningInstance) -> None:
    contractor = await register_everywhere(instance)
    change = ChangingContractor.of(contractor)
    receipt = await change.whole(card_contact=mailbox_of(contractor, "once"))
    receipt.ClearField("history_receipt")

    again = await change.submit()

    again.ClearField("history_receipt")
    assert again == receipt


@pytest.mark.requirement("ENT-04")
async def test_card_of_two_categories_is_changed_in_each_of_them(instance: RunningInstance) -> None:
    works = instance.contractor()
    await works.whole()
    # An agency that does not compare the company: the roster of goods has another bidder.
    goods = instance.contractor(card=works.card, agency=instance.profile.agencies[0].code, category="goods")
    await goods.whole()
    new_contact = mailbox_of(works, "works-only")
    await instance.poll(partial(instance.contact, works, "card"), lambda found: found is not None)

    await ChangingContractor.of(works).whole(card_contact=new_contact)

    await instance.poll(partial(instance.contact, works, "card"), lambda found: found == new_contact)
    await instance.poll(partial(instance.contact, goods, "card"), lambda found: found == goods.card_contact)

    goods_contact = mailbox_of(goods, "goods-only")
    await ChangingContractor.of(goods).whole(card_contact=goods_contact)

    assert await instance.contact(goods, "card") == goods_contact
    assert await instance.contact(works, "card") == new_contact

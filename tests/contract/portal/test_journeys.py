"""Journeys through the portal, over two replicas: what a person sees at each step."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.contractor import contact_of
from tests.support.example_profile import OTHER_BIDDER, WORKS
from tests.support.person_in_memory import PersonInMemory, write_contact, write_contacts, write_search
from tests.support.services.portal import RunningPortal


async def search(portal: RunningPortal) -> PersonInMemory:
    """Returns a new person at the form of a registration."""
    contractor, person = portal.front_door.contractor(), await portal.come()
    await person.log_in("registration", contractor)
    await person.send(write_search(contractor))
    return person


async def change(portal: RunningPortal) -> PersonInMemory:
    """Returns a person with a registered card at the form of a change."""
    contractor, person = portal.front_door.contractor(), await portal.come()
    await portal.front_door.register(contractor)
    await person.log_in("change", contractor)
    return person


@pytest.mark.requirement("REG-01")
async def test_card_is_registered(portal: RunningPortal) -> None:
    person = await search(portal)
    await person.send(write_contacts())
    await person.send()
    done = await person.sign()

    assert "登録が完了しました。" in done.read()
    assert len(portal.front_door.cards.outcomes) == 1


@pytest.mark.requirement("REG-06")
async def test_receipt_is_reached_again_from_the_menu_until_the_log_out(portal: RunningPortal) -> None:
    person = await search(portal)
    await person.send(write_contacts())
    await person.send()
    done = await person.sign()
    menu = await person.browser.get(done.find_link("/menu$"))
    receipt = await person.browser.get(menu.find_link("/result$"))
    assert "登録が完了しました。" in receipt.read()
    await person.browser.post("/log-out", {})
    menu = await person.browser.get(menu.address)

    assert "控え" not in menu.read()


@pytest.mark.requirement("REN-01")
@pytest.mark.requirement("REN-04")
async def test_card_is_renewed(portal: RunningPortal) -> None:
    contractor, person = portal.front_door.contractor(), await portal.come()
    await portal.front_door.register(contractor)
    await person.log_in("renewal", contractor)
    await person.sign()
    await person.use_card(portal.front_door.card())
    await person.sign()
    await person.send({"propagate": "1"})
    done = await person.sign()

    assert "ICカードの更新が完了しました。" in done.read()
    assert "他の調達機関への反映 反映する" in done.read()


async def test_choice_not_to_propagate_a_change_is_kept(portal: RunningPortal) -> None:
    person = await change(portal)
    await person.send({"card_contact.telephone": "048-111-2222"})
    assert "他の調達機関への反映 反映しない" in person.page.read()
    await person.send()
    done = await person.sign()

    assert "変更が完了しました。" in done.read()
    assert "ICカード利用部署情報 telephone" in done.read()


@pytest.mark.requirement("CHG-05")
async def test_change_shows_what_is_registered(portal: RunningPortal) -> None:
    person = await change(portal)
    shown = person.page.list_values()

    for section, person_name in (("card_contact", "土木 一郎"), ("representative_contact", "代表 花子")):
        assert shown[f"{section}.person_name"] == person_name
        assert shown[f"{section}.telephone"] == "048-000-0000"
    assert "登録建設株式会社" in person.page.read()


@pytest.mark.requirement("REN-05")
async def test_advice_names_the_operation_that_is_right_for_the_card(portal: RunningPortal) -> None:
    contractor, person = portal.front_door.contractor(), await portal.come()
    page = await person.log_in("advice", contractor)
    assert "適した操作: 登録" in page.read()
    await portal.front_door.register(contractor)
    page = await person.log_in("advice", contractor)

    assert "適した操作: 変更" in page.read()


@pytest.mark.requirement("LIF-06", "met")
async def test_with_little_validity_left_the_person_is_told_to_ask_about_paper(portal: RunningPortal) -> None:
    now = portal.front_door.clock()
    card = portal.front_door.card(not_before=now - timedelta(days=700), not_after=now + timedelta(days=20))
    person = await portal.come()
    page = await person.log_in("advice", portal.front_door.contractor(card))

    assert "調達機関に連絡して、紙で応札可能か相談してください" in page.read()


async def test_change_of_nothing_is_said_and_changes_nothing(portal: RunningPortal) -> None:
    person = await change(portal)
    page = await person.send()

    assert page.address.endswith("/form")
    assert "登録済みの内容と同じです" in page.read()
    assert portal.front_door.contacts.calls["CommitChange"] == 0


async def test_who_was_overtaken_loses_nothing_and_sees_the_newest_values_beside_its_own(portal: RunningPortal) -> None:
    person = await change(portal)
    card = person.card
    assert card is not None
    await person.send({"card_contact.telephone": "048-111-2222", "card_contact.department": "営業部"})
    newest = contact_of("土木 一郎", telephone="048-333-4444")
    portal.front_door.contacts.add_version((card.sha256, WORKS), newest, brought_by=card.sha256)
    page = await person.send()

    assert page.address.endswith("/form")
    assert page.list_values()["card_contact.telephone"] == "048-111-2222"
    assert page.list_values()["card_contact.department"] == "営業部"
    assert "現在の登録内容：048-333-4444" in page.read()
    await person.send()
    await person.send()
    assert "変更が完了しました。" in (await person.sign()).read()


async def test_address_of_a_correction_leads_back_with_everything_typed(portal: RunningPortal) -> None:
    person = await search(portal)
    page = await person.send(write_contacts())
    link = page.find_link("#card_contact.telephone$")
    person.page = await person.browser.get(link.partition("#")[0])

    assert person.page.list_values()["card_contact.telephone"] == "048-000-0000"
    page = await person.send({"card_contact.telephone": "048-765-4321"})
    assert page.address.endswith("/check")
    assert "048-765-4321" in page.read()


@pytest.mark.requirement("REG-04")
async def test_value_is_corrected_even_when_the_act_waits_for_its_signature(portal: RunningPortal) -> None:
    person = await search(portal)
    await person.send(write_contacts())
    form = person.page.find_link("#card_contact.telephone$").partition("#")[0]
    assert (await person.send()).address.endswith("/act")
    person.page = await person.browser.get(form)
    await person.send({"card_contact.telephone": "048-765-4321"})
    page = await person.send()

    assert page.address.endswith("/act"), page.read()
    done = await person.sign()
    assert "登録が完了しました。" in done.read()
    assert "048-765-4321" in done.read()


async def test_change_is_corrected_even_when_the_act_waits_for_its_signature(portal: RunningPortal) -> None:
    person = await change(portal)
    form = person.page.address
    await person.send({"card_contact.telephone": "048-111-2222"})
    assert (await person.send()).address.endswith("/act")
    person.page = await person.browser.get(form)
    await person.send({"card_contact.telephone": "048-765-4321"})
    page = await person.send()

    assert page.address.endswith("/act"), page.read()
    assert "048-765-4321" in (await person.sign()).read()


@pytest.mark.requirement("REN-04")
async def test_choice_is_changed_even_when_the_act_of_a_renewal_waits_for_its_signature(portal: RunningPortal) -> None:
    contractor, person = portal.front_door.contractor(), await portal.come()
    await portal.front_door.register(contractor)
    await person.log_in("renewal", contractor)
    await person.sign()
    await person.use_card(portal.front_door.card())
    check = await person.sign()
    await person.send({"propagate": "1"})
    person.page = await person.browser.get(check.address)
    fields = {name: value for name, value in person.page.list_values().items() if name != "propagate"}
    person.page = await person.browser.post(person.page.find_action(), fields | {"answer": "ok"})
    done = await person.sign()

    assert "ICカードの更新が完了しました。" in done.read()
    assert "他の調達機関への反映 反映しない" in done.read()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("card_contact.mail_address", "", "card_contact.mail_address"),
        ("card_contact.mail_address", "だれか@example.jp", "card_contact.mail_address"),
        ("card_contact.telephone", "048-ABC", "card_contact.telephone"),
        ("card_contact.postal_code", "12345", "card_contact.postal_code"),
        ("card_contact.department", "課" * 61, "card_contact.department"),
        ("representative_contact.person_name", "", "representative_contact.person_name"),
        ("representative_contact.address", "一行目\n二行目", "representative_contact.address"),
        ("card_contact.address", "あ" * 61, "card_contact.address"),
        ("card_contact.person_name", "あ" * 21, "card_contact.person_name"),
        ("card_contact.person_name", "山田\x00太郎", "card_contact.person_name"),
        ("card_contact.person_name", "山田\r\nBcc: everybody@example.com", "card_contact.person_name"),
        ("card_contact.postal_code", "１２３-４５６７", "card_contact.postal_code"),
        ("card_contact.telephone", "０４８-０００-００００", "card_contact.telephone"),
        ("card_contact.mail_address", "a" * 95 + "@b.example", "card_contact.mail_address"),
    ],
)
async def test_wrong_value_is_said_at_its_field_and_first_with_a_link(
    portal: RunningPortal, field: str, value: str, words: str
) -> None:
    person = await search(portal)
    page = await person.send(write_contacts() | {field: value})

    assert page.address.endswith("/form")
    assert f'<a href="#{words}">' in page.body
    assert f'id="{words}-problem"' in page.body
    assert page.list_values()["card_contact.fax"] == contact_of("").fax
    assert portal.front_door.cards.calls["Register"] == 0


async def test_registered_card_is_told_what_to_do_instead(portal: RunningPortal) -> None:
    contractor, person = portal.front_door.contractor(), await portal.come()
    await portal.front_door.register(contractor)
    page = await person.log_in("registration", contractor)

    assert page.address.endswith("/refused")
    assert "照会番号" in page.read()
    assert page.find_link("/menu$") == "/agencies/prefecture/works/menu"


async def test_card_that_an_officer_has_to_see_asks_for_it_and_keeps_its_number(portal: RunningPortal) -> None:
    contractor, person = portal.front_door.contractor(), await portal.come()
    await person.log_in("registration", contractor)
    portal.front_door.bidders.needs_officer = "HOLDER_NEEDS_OFFICER"
    page = await person.send(write_search(contractor))

    assert page.address.endswith("/approval")
    page = await person.send({"mail_address": "koji@contractor.example"})
    assert "担当者に確認を依頼しました。" in page.read()


async def test_other_card_at_a_new_log_in_finds_nothing_of_the_first_ones(portal: RunningPortal) -> None:
    person = await search(portal)
    portal.front_door.clock.japan(10, 15)
    await person.look()
    await person.use_card(portal.front_door.card())
    page = await person.sign()

    assert page.address.endswith("/search")


async def test_two_tabs_do_two_operations(portal: RunningPortal) -> None:
    first = await search(portal)
    contractor = replace(portal.front_door.contractor(), bidder_id=OTHER_BIDDER, company_name="別の建設株式会社")
    portal.front_door.bidders.add(OTHER_BIDDER, contractor.company_name, contractor.password)
    second = replace(first, card=None)
    await second.log_in("registration", contractor)
    await second.send(write_search(contractor))
    await first.send(write_contacts())
    page = await second.send(write_contacts() | write_contact("card_contact", contact_of("別の 人")))

    assert contractor.company_name in page.read()
    assert "別の 人" in page.read()
    await first.send()
    assert "登録が完了しました。" in (await first.sign()).read()
    await second.send()
    assert "登録が完了しました。" in (await second.sign()).read()

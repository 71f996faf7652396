"""登録, 変更 and ICカード更新 as a person does them in a browser: real portal, agent, reader, card and instance."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from instance_profile.name_pieces import spell_out
from tests.support.card_reader import CardReader
from tests.support.person_at_portal import Desk, new_contractor
from tests.support.person_at_toroku import (
    PersonAtToroku,
    person_at_toroku,
    write_contact,
    write_search,
)
from tests.support.running_instance import RunningInstance
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse

GOOD = ResolveUserResponse.VERDICT_GOOD
CARD_REPLACED = ResolveUserResponse.VERDICT_CARD_REPLACED
PIN = "246810"


@pytest_asyncio.fixture(loop_scope="session")
async def person(instance: RunningInstance, browser: Browser, reader: CardReader) -> AsyncIterator[PersonAtToroku]:
    """A person whose agent has opened the portal."""
    async with person_at_toroku(instance, browser) as person:
        yield person


@pytest.mark.requirement("REG-01", "met")
@pytest.mark.requirement("REG-02")
@pytest.mark.requirement("REG-03")
@pytest.mark.requirement("REG-04", "met")
@pytest.mark.requirement("REG-06")
@pytest.mark.requirement("REG-08")
@pytest.mark.requirement("CRD-01")
@pytest.mark.requirement("CRD-04")
@pytest.mark.requirement("QUA-07")
@pytest.mark.requirement("ENT-11")
async def test_card_is_registered_by_the_manuals_way_from_the_entry_to_the_receipt(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    desk.insert(contractor.card, PIN)

    await person.choose(contractor.agency, contractor.category)
    await person.examine("menu")
    await person.begin("registration")
    await person.examine("hop-card")
    await person.use_card()
    await person.log_in(PIN)
    await person.examine("search")
    await person.fill_in(write_search(contractor, spell_out(contractor.company_name)))
    await person.press()
    await person.examine("form")
    await person.fill_in(write_contact("representative_contact", contractor.representative_contact))
    await person.fill_in(write_contact("card_contact", contractor.card_contact))
    await person.press()
    await person.examine("check")
    check = await person.read()
    for contact in (contractor.card_contact, contractor.representative_contact):
        assert [value for _, value in contact.ListFields() if value not in check] == []
    assert f"証明書シリアル番号\n{contractor.card.certificate.serial_number} (10進)" in check
    assert "CN=Toroku Test Issuing CA" in check
    assert f"{contractor.card.certificate.not_valid_after_utc:%Y/%m/}" in check
    assert "証明書に記載なし" in check
    assert "御社の企業名称であることを確認してください。" in check
    # Back keeps what was typed.
    await person.press("back")
    await person.page.wait_for_url("**/form")
    fax = await person.page.input_value("[name='card_contact.fax']")
    assert fax == contractor.card_contact.fax
    await person.press()
    # A value is corrected and nothing is lost on the way.
    await person.page.click("a[href$='/form#card_contact.telephone']")
    await person.fill_in({"card_contact.telephone": "048-765-4321"})
    await person.press()
    assert "048-765-4321" in await person.read()
    assert contractor.card_contact.person_name in await person.read()
    # Also when the act already waits for its signature.
    await person.press()
    await person.page.wait_for_url("**/act")
    await person.page.goto(person.page.url.replace("/act", "/form"))
    await person.fill_in({"card_contact.telephone": "048-765-4322"})
    await person.press()
    await person.page.wait_for_url("**/check")
    await person.press()
    await person.sign()
    await person.examine("result")

    assert "登録が完了しました。" in await person.read()
    answer = await instance.resolve(contractor)
    assert (answer.verdict, answer.bidder_id) == (GOOD, contractor.bidder_id)
    paper = await person.print_receipt("print")
    assert contractor.company_name in paper
    assert contractor.card_contact.mail_address in paper
    assert contractor.representative_contact.person_name in paper
    assert "null" not in paper


@pytest.mark.requirement("CHG-01", "met")
@pytest.mark.requirement("CHG-02")
@pytest.mark.requirement("CHG-05", "met")
async def test_contact_is_changed(instance: RunningInstance, person: PersonAtToroku, desk: Desk) -> None:
    contractor = new_contractor(instance)
    await contractor.whole()
    desk.insert(contractor.card, PIN)

    await person.choose(contractor.agency, contractor.category)
    await person.begin("change")
    await person.use_card()
    await person.log_in(PIN)
    await person.examine("change-form")
    # Who only wants to look sees all that is registered.
    for section in ("card_contact", "representative_contact"):
        for name, value in write_contact(section, getattr(contractor, section)).items():
            assert await person.page.input_value(f"[name='{name}']") == value
    assert contractor.company_name in await person.read()
    await person.fill_in({"card_contact.telephone": "048-111-2222"})
    await person.press()
    await person.examine("change-check")
    assert f"{contractor.card.certificate.serial_number} (10進)" in await person.read()
    await person.press()
    await person.sign()
    await person.examine("change-result")

    contact = await instance.contact(contractor, "card")
    assert contact is not None
    assert contact.telephone == "048-111-2222"
    assert "048-111-2222" in await person.print_receipt("change-print")
    assert await instance.mail_to(contractor.card_contact.mail_address, "変更")


@pytest.mark.requirement("REN-01")
@pytest.mark.requirement("REN-03")
@pytest.mark.requirement("CRD-04")
async def test_card_is_renewed_by_one_swap(instance: RunningInstance, person: PersonAtToroku, desk: Desk) -> None:
    contractor = new_contractor(instance)
    await contractor.whole()
    successor = instance.issue_successor(contractor)
    desk.insert(contractor.card, PIN)

    await person.choose(contractor.agency, contractor.category)
    await person.begin("renewal")
    await person.use_card()
    await person.log_in(PIN)
    await person.sign()
    desk.insert(successor, "135792")
    await person.use_card()
    await person.log_in("135792")
    await person.examine("renewal-check")
    check = await person.read()
    for card in (contractor.card, successor):
        serial = card.certificate.serial_number
        assert f"{serial} (10進) / {serial:X} (16進)" in check
    assert "証明書シリアル番号はICカードのシリアル番号ではありません。" in check
    assert instance.agency_name(contractor.agency) in check
    await person.press()
    await person.sign()
    await person.examine("renewal-result")

    assert "ICカードの更新が完了しました。" in await person.read()
    assert (await instance.resolve(contractor)).verdict == CARD_REPLACED


@pytest.mark.requirement("REN-05", "met")
async def test_advice_says_what_is_right_for_the_card(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    desk.insert(contractor.card, PIN)

    await person.choose(contractor.agency, contractor.category)
    await person.begin("advice")
    await person.use_card()
    await person.log_in(PIN)
    await person.examine("advice")

    assert "適した操作: 登録" in await person.read()

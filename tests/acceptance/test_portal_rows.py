"""What the pages of 登録 and 変更 show and keep, as their requirement rows read."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from instance_profile.name_pieces import spell_out
from tests.support.card_reader import CardReader
from tests.support.contractor import Contractor
from tests.support.person_at_portal import Desk, new_contractor
from tests.support.person_at_toroku import PersonAtToroku, person_at_toroku, write_contact, write_search
from tests.support.running_instance import RunningInstance

PIN = "246810"


@pytest_asyncio.fixture(loop_scope="session")
async def person(instance: RunningInstance, browser: Browser, reader: CardReader) -> AsyncIterator[PersonAtToroku]:
    """A person whose agent has opened the portal."""
    async with person_at_toroku(instance, browser) as person:
        yield person


async def begin(person: PersonAtToroku, desk: Desk, contractor: Contractor, operation: str) -> None:
    """Goes to the first page of an operation after the log-in."""
    desk.insert(contractor.card, PIN)
    await person.choose(contractor.agency, contractor.category)
    await person.begin(operation)
    await person.use_card()
    await person.log_in(PIN)


@pytest.mark.requirement("QUA-01", "met")
async def test_who_is_not_on_the_roster_reads_what_to_check(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    await begin(person, desk, contractor, "registration")
    await person.fill_in(write_search(contractor, spell_out(contractor.company_name)) | {"bidder_id": "9999999999"})
    await person.press()

    said = await person.page.inner_text(".problem")
    assert "資格審査情報が登録されていません" in said
    for check in (
        "正しい調達機関",
        "工事・物品の選択",
        "「商号又は名称」以外は、すべて半角英数字",
        "数字の0（ゼロ）と大文字のO（オー）",
        "数字の1（イチ）と小文字のl（エル）と大文字のI（アイ）",
        "更新した当日は利用者登録は行えません",
    ):
        assert check in said, said
    answer = await instance.resolve(contractor)
    assert not answer.bidder_id


@pytest.mark.requirement("REG-04", "met")
@pytest.mark.requirement("CRD-04")
async def test_check_shows_all_values_and_the_card_and_back_keeps_what_was_typed(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    await begin(person, desk, contractor, "registration")
    await person.fill_in(write_search(contractor, spell_out(contractor.company_name)))
    await person.press()
    typed = write_contact("representative_contact", contractor.representative_contact)
    typed |= write_contact("card_contact", contractor.card_contact)
    await person.fill_in(typed)
    await person.press()

    page, certificate = await person.read(), contractor.card.certificate
    for value in typed.values():
        assert value in page
    assert str(certificate.serial_number) in page
    assert re.search(r"証明書有効期限\s+\d{4}/\d\d/\d\d", page), page
    assert "証明書発行者" in page
    assert "null" not in page
    assert "企業情報及びICカードの企業名称が、御社の企業名称であることを確認してください。" in page

    await person.press("back")
    for name, value in typed.items():
        assert await person.page.input_value(f"[name='{name}']") == value


@pytest.mark.requirement("CHG-05", "met")
async def test_change_shows_what_is_registered_and_changes_nothing_by_being_looked_at(
    instance: RunningInstance, person: PersonAtToroku, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    await contractor.whole()
    await begin(person, desk, contractor, "change")

    registered = write_contact("representative_contact", contractor.representative_contact)
    registered |= write_contact("card_contact", contractor.card_contact)
    for name, value in registered.items():
        assert await person.page.input_value(f"[name='{name}']") == value
    assert contractor.company_name in await person.read()
    await person.page.click("text=ログアウト")
    await person.page.click("main button")
    await person.expect_title("終了画面")
    assert await instance.contact(contractor, "card") == contractor.card_contact

"""The portal's pages from システム入口 to the menu, and those around it, as a person in a browser meets them."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request, Route, expect

from instance_profile.model import Profile
from tests.support.accessibility import list_violations
from tests.support.portal_alone import find_saitamas_own, portal_alone, read_saitama

# A Friday at 10:05:30 and a Saturday in Japan.
OPEN = datetime(2026, 11, 27, 1, 5, 30, tzinfo=UTC)
CLOSED = datetime(2026, 11, 28, 1, 5, tzinfo=UTC)
WORKS, GOODS = "建設工事、設計・調査・測量、土木施設維持管理", "物品等"
CHOSEN = "/agencies/saitama-prefecture/works"
PAGES = ("/", "/choice", CHOSEN, f"{CHOSEN}/top", f"{CHOSEN}/menu", f"{CHOSEN}/guide", "/agent", "/log-out", "/end")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def saitama(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The origin of Saitama's portal on a Friday morning."""
    async with portal_alone(tmp_path_factory.mktemp("saitama"), read_saitama(), OPEN) as origin:
        yield origin


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A tab of a new person."""
    context = await browser.new_context(ignore_https_errors=True, locale="ja-JP")
    yield await context.new_page()
    await context.close()


async def read(page: Page) -> str:
    """Returns what is on the screen."""
    return await page.inner_text("main")


async def choose(page: Page, agency: str, category: str) -> None:
    """Chooses agency and category by their names."""
    await page.select_option("#agency", label=agency)
    await page.click(f"button:has-text('{category}')")


def make_one_agency(*categories: str) -> Profile:
    """Returns Saitama's profile with its prefecture alone."""
    (prefecture,) = [each for each in find_saitamas_own("agencies") if each["code"] == "saitama-prefecture"]
    own = [each for each in find_saitamas_own("categories") if each["code"] in categories]
    return read_saitama(agencies=[prefecture | {"categories": list(categories)}], categories=own, roster_mappings=[])


@pytest.mark.requirement("ENT-12", "met")
@pytest.mark.requirement("ENT-02")
async def test_way_leads_from_the_entry_by_choice_and_top_screen_to_the_menu(page: Page, saitama: str) -> None:
    await page.goto(f"{saitama}/")
    await page.click(".doors a[href='/choice']")
    assert await page.locator("#agency option").count() == len(find_saitamas_own("agencies"))
    assert [name.strip() for name in await page.locator(".categories button").all_inner_texts()] == [
        f"◎{WORKS}",
        f"◎{GOODS}",
    ]
    await choose(page, "埼玉県", WORKS)
    await expect(page.locator("h1")).to_have_text("利用者登録／電子入札選択画面（受注者）")
    await page.click(".links >> text=利用者登録")
    await expect(page.locator("h1")).to_have_text("受注者トップ画面")
    await page.click(".links >> text=利用者登録処理")
    await expect(page.locator("h1")).to_have_text("利用者登録メニュー")


@pytest.mark.requirement("ENT-01", "met")
@pytest.mark.parametrize("categories", [("works",), ("works", "goods")])
async def test_where_there_is_one_agency_nobody_chooses_it(
    page: Page, tmp_path: Path, categories: tuple[str, ...]
) -> None:
    async with portal_alone(tmp_path, make_one_agency(*categories), OPEN) as origin:
        await page.goto(f"{origin}/")
        await page.click(".doors a[href='/choice']")
        assert await page.locator("#agency").count() == 0
        if len(categories) > 1:
            assert "業務区分を選択してください。" in await read(page)
            assert await list_violations(page) == []
            await page.click(f"button:has-text('{WORKS}')")

        await expect(page.locator(".chosen")).to_contain_text(f"埼玉県 – {WORKS}")
        assert page.url == f"{origin}{CHOSEN}"


@pytest.mark.requirement("ENT-03")
async def test_category_that_the_agency_does_not_offer_is_refused_where_it_is_chosen(page: Page, saitama: str) -> None:
    (agency, *_) = [each for each in find_saitamas_own("agencies") if "goods" not in each["categories"]]
    await page.goto(f"{saitama}/choice")
    await choose(page, agency["name"]["ja"], GOODS)

    assert "選択した調達機関では、この業務区分の利用者登録はできません。" in await read(page)
    assert "別の調達機関または業務区分を選択してください。" in await read(page)
    assert (await page.title()).startswith("エラー：")
    assert await page.locator("#agency option:checked").inner_text() == agency["name"]["ja"]
    assert await list_violations(page) == []
    await page.goto(f"{saitama}/agencies/{agency['code']}/goods/menu")
    assert "操作を続けられません" in await read(page)


@pytest.mark.requirement("ENT-06", "met")
async def test_menu_and_guide_say_what_each_operation_is_for_and_when_not_to_renew(page: Page, saitama: str) -> None:
    await page.goto(f"{saitama}{CHOSEN}/menu")
    assert await page.locator("section.item button[name=operation]").all_inner_texts() == [
        "登録",
        "変更",
        "ICカード更新",
        "どの操作がよいか調べる",
    ]
    for button, purpose in (
        ("registration", "新規取得したICカードの登録"),
        ("change", "担当者が交代したとき"),
        ("renewal", "有効期限満了に備えて"),
    ):
        item = page.locator("section.item", has=page.locator(f"button[value={button}]"))
        await item.locator("summary").click()
        assert purpose in await item.inner_text()
    renewal = page.locator("section.item", has=page.locator("button[value=renewal]"))
    for case in ("更新漏れのため", "権限委譲をおこなった場合", "有効期限が切れている", "認証局が異なる場合"):
        assert case in await renewal.inner_text()

    await page.click("text=利用者登録の案内を見る")
    assert "※通常は使用しない機能です。※" in await read(page)
    assert "「利用者登録」と「ICカード更新」の違い" in await read(page)
    await page.click("main >> text=戻る")
    await expect(page.locator("h1")).to_have_text("利用者登録メニュー")


@pytest.mark.requirement("ENT-05")
async def test_closed_menu_says_when_it_opens_and_still_gives_advice(page: Page, tmp_path: Path) -> None:
    async with portal_alone(tmp_path, read_saitama(), CLOSED) as origin:
        await page.goto(f"{origin}{CHOSEN}/menu")

        assert (
            await page.locator("p.closed").all_inner_texts()
            == ["現在は受付時間外です。次の受付開始：2026年11月30日(月) 8時30分"] * 3
        )
        for operation in ("registration", "change", "renewal"):
            assert await page.is_disabled(f"button[value={operation}]")
        assert await page.is_enabled("button[value=advice]")
        assert await list_violations(page) == []


async def test_entry_says_the_hours_of_each_system(page: Page, saitama: str) -> None:
    await page.goto(f"{saitama}/")

    hours = await page.locator(".doors .hours").all_inner_texts()
    assert hours == ["24時間（早朝を除く）", "8時30分～23時00分", "平日の8時30分～20時00分"]


@pytest.mark.requirement("ENT-09")
async def test_every_page_has_the_servers_date_and_time_in_its_header(page: Page, saitama: str) -> None:
    for address in PAGES:
        await page.goto(f"{saitama}{address}")
        assert "2026年11月27日" in await page.inner_text("header time"), address
        assert "10時05分" in await page.inner_text("header time"), address


@pytest.mark.requirement("ENT-08")
async def test_help_desk_stands_on_every_page_and_the_chat_where_there_is_one(
    page: Page, saitama: str, tmp_path: Path
) -> None:
    desk: dict[str, Any] = find_saitamas_own("help_desk")
    for address in (*PAGES, "/nowhere"):
        await page.goto(f"{saitama}{address}")
        footer = await page.inner_text("footer")
        for words in (desk["name"]["ja"], desk["telephone"], desk["mail_address"], desk["hours"]["ja"]):
            assert words in footer, address
        assert "チャット" not in footer

    chat = "https://chat.example.lg.jp/"
    async with portal_alone(tmp_path, read_saitama(help_desk=desk | {"chat_url": chat}), OPEN) as origin:
        for address in PAGES:
            await page.goto(f"{origin}{address}")
            assert await page.get_attribute("footer >> text=チャット", "href") == chat, address


@pytest.mark.requirement("ENT-10", "met")
@pytest.mark.parametrize("before", [CHOSEN, "/end?operation=registration", "/end?operation=renewal"])
async def test_bidding_leads_to_the_agencys_system_as_a_fresh_entry(page: Page, saitama: str, before: str) -> None:
    came: list[Request] = []

    async def answer(route: Route) -> None:
        came.append(route.request)
        await route.fulfill(body="電子入札")

    bidding = read_saitama().bidding_url
    assert bidding is not None
    await page.route(f"{bidding}**", answer)
    await page.goto(f"{saitama}{before}")
    await page.click(".links >> text=電子入札")
    await page.wait_for_url(f"{bidding}**")

    (request,) = came
    # Nothing of what was done here goes along.
    assert (request.method, request.url) == ("GET", bidding)
    assert not {"referer", "cookie"} & set(await request.all_headers())


@pytest.mark.parametrize(
    ("operation", "what_follows"),
    [
        ("registration", "登録完了のメールが届きます"),
        ("change", "変更完了のメールが届きます"),
        ("renewal", "更新完了のメールが届きます"),
    ],
)
async def test_end_says_what_follows_the_operation(page: Page, saitama: str, operation: str, what_follows: str) -> None:
    await page.goto(f"{saitama}/end?operation={operation}")

    assert "この画面は「×」で閉じてください" in await read(page)
    assert what_follows in await read(page)
    assert "「電子入札システム」に入り直してください" in await read(page)


@pytest.mark.parametrize(
    ("fragment", "title"),
    [
        ("protocol=0&instance=saitama", "カードエージェントが古い版です"),
        ("instance=saitama", "カードエージェントが古い版です"),
        ("protocol=1&instance=elsewhere", "別のシステムのカードエージェントです"),
    ],
)
async def test_agent_that_is_too_old_or_another_instances_has_its_page(
    page: Page, saitama: str, fragment: str, title: str
) -> None:
    await page.goto(f"{saitama}/start#port=40000&handoff={'a' * 43}&{fragment}")

    await expect(page.locator("h1")).to_have_text(title)
    assert "カードエージェント" in await read(page)
    assert await list_violations(page) == []


async def test_all_pages_can_be_used_by_everybody_in_both_languages(page: Page, saitama: str) -> None:
    for address in PAGES:
        for language in ("ja", "en"):
            await page.goto(f"{saitama}{address}?language={language}")
            assert await list_violations(page) == [], (address, language)

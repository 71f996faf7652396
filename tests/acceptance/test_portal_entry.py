"""From the doors to the menu, as a person without a card walks there: Saitama's screens, in their order and words."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from instance_profile.model import Profile
from tests.support.person_at_toroku import find_origin
from tests.support.running_instance import RunningInstance

PREFECTURE = "saitama-prefecture"
MENU = f"/agencies/{PREFECTURE}/works/menu"


@pytest_asyncio.fixture(loop_scope="session")
async def page(instance: RunningInstance, browser: Browser) -> AsyncIterator[Page]:
    """A tab of a new person, at the first page."""
    context = await browser.new_context(ignore_https_errors=True, locale="ja-JP", base_url=find_origin(instance))
    page = await context.new_page()
    await page.goto("/")
    yield page
    await context.close()


def find_category_names(profile: Profile, agency: str) -> list[str]:
    """Returns the names of an agency's categories."""
    return [profile.category(code).name.ja for code in profile.agency(agency).categories]


@pytest.mark.requirement("ENT-01")
@pytest.mark.requirement("ENT-02")
@pytest.mark.requirement("ENT-10")
@pytest.mark.requirement("ENT-12", "met")
async def test_person_goes_from_the_doors_to_the_menu_by_agency_category_and_top_screen(
    instance: RunningInstance, page: Page
) -> None:
    await page.click(".doors a[href='/choice']")
    options = await page.locator("#agency option").all_inner_texts()
    assert options == [agency.name.ja for agency in instance.profile.agencies]
    buttons = await page.locator("button[name=category]").all_inner_texts()
    assert [button.lstrip("◎") for button in buttons] == [each.name.ja for each in instance.profile.categories]

    await page.select_option("#agency", PREFECTURE)
    await page.click("button[name=category][value=works]")
    await expect(page.locator("h1")).to_have_text("利用者登録／電子入札選択画面（受注者）")
    bidding = page.locator(".links a", has_text="電子入札")
    assert await bidding.get_attribute("href") == instance.profile.bidding_url
    top = page.locator(".links a", has_text="利用者登録")
    assert await top.get_attribute("href") == f"/agencies/{PREFECTURE}/works/top"
    await top.click()
    await expect(page.locator("h1")).to_have_text("受注者トップ画面")
    await page.click(".links a:has-text('利用者登録処理')")
    await expect(page).to_have_url(f"{find_origin(instance)}{MENU}")


@pytest.mark.requirement("ENT-03")
async def test_category_that_the_agency_does_not_offer_is_said_at_the_choice(
    instance: RunningInstance, page: Page
) -> None:
    agency = instance.agency_without("goods")
    await page.goto("/choice")
    await page.select_option("#agency", agency)
    await page.click("button[name=category][value=goods]")

    assert "この業務区分の利用者登録はできません" in await page.inner_text(".problem")
    assert await page.input_value("#agency") == agency
    assert await page.evaluate("document.activeElement.className") == "problem"


@pytest.mark.requirement("ENT-06", "met")
async def test_menu_says_what_each_operation_is_for_and_when_not_to_use_it(
    instance: RunningInstance, page: Page
) -> None:
    await page.goto(MENU)
    assert await page.locator("button[name=operation]").all_inner_texts() == [
        *(guide.name.ja for guide in instance.profile.operations),
        "どの操作がよいか調べる",
    ]
    await page.locator("summary").evaluate_all("folded => folded.forEach(each => each.click())")
    menu = await page.inner_text("main")
    for guide in instance.profile.operations:
        assert guide.what_for.ja in menu, guide.operation
        if guide.not_for is not None:
            assert guide.not_for.ja in menu, guide.operation
    for reason in ("新規申請をした場合", "権限委譲をおこなった場合", "有効期限が切れている場合", "認証局が異なる場合"):
        assert reason in menu, reason

    await page.click(f"a[href='/agencies/{PREFECTURE}/works/guide']")
    guide_page = await page.inner_text("main")
    for difference in instance.profile.renewal_differences:
        for text in (difference.aspect.ja, difference.registration.ja, difference.renewal.ja):
            assert text in guide_page, text
    await page.click("main a.button")
    await expect(page).to_have_url(f"{find_origin(instance)}{MENU}")


@pytest.mark.requirement("ENT-08")
@pytest.mark.requirement("ENT-09")
@pytest.mark.parametrize(
    "address", ["/", "/choice", f"/agencies/{PREFECTURE}/works/top", MENU, "/agent?why=old", "/end", "/nowhere"]
)
async def test_every_screen_has_the_help_desk_and_the_servers_date_and_time(
    instance: RunningInstance, page: Page, address: str
) -> None:
    await page.goto(address)

    desk, footer = instance.profile.help_desk, await page.inner_text("footer")
    for text in (desk.name.ja, desk.telephone, desk.hours.ja, desk.mail_address, desk.url or ""):
        assert text in footer, text
    await expect(page.locator("header time")).to_contain_text("年")
    assert "時" in await page.inner_text("header time")


@pytest.mark.requirement("ENT-05")
async def test_each_door_has_its_own_hours(instance: RunningInstance, page: Page) -> None:
    doors = page.locator(".doors > li")
    names = await doors.locator("h2").all_inner_texts()
    hours = await doors.locator(".hours").all_inner_texts()

    assert len(names) == len(instance.profile.neighbouring_systems) + 1
    shown = dict(zip(names, hours, strict=True))
    for system in instance.profile.neighbouring_systems:
        assert shown[system.name.ja] == system.hours.ja

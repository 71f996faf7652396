"""What the script of the portal's pages does by itself: ten minutes without use, states of other agencies, paper."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qs

from playwright.async_api import Browser, Page, Route, expect

from portal.pages.gate import HEADERS
from portal.pages.render import render, script, style_sheet
from tests.support.portal_samples import PAGES, PROFILE
from tests.support.waiting import wait_until

ORIGIN = "https://portal.example"
FILES = {"/page.css": (style_sheet(), "text/css"), "/portal.js": (script(), "text/javascript")}
LASTS = timedelta(minutes=9, seconds=40)


@dataclass(slots=True)
class Tab:
    """A tab whose time a test moves, at a page that a server in the test serves."""

    page: Page
    # What was sent to be kept, and what is answered: seconds that are left, or None for a server that is away.
    kept: list[Mapping[str, str]] = field(default_factory=list)
    seconds_left: int | None = int(LASTS.total_seconds())
    loads: int = 0

    async def has_kept(self) -> bool:
        """Returns whether something was sent to be kept."""
        return bool(self.kept)

    async def wait(self, minutes: float) -> None:
        """Lets time pass; what the page does meanwhile has begun."""
        await self.page.clock.run_for(round(minutes * 60_000))


@asynccontextmanager
async def tab_at(browser: Browser, *names: str) -> AsyncIterator[Tab]:
    """Opens a page; each further load shows the next one of the names, and the last one again."""
    context = await browser.new_context(locale="ja-JP")
    await context.add_init_script("window.print = () => { window.printed = (window.printed || 0) + 1; }")
    tab = Tab(await context.new_page())

    async def answer(route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN)
        if path in FILES:
            body, kind = FILES[path]
            await route.fulfill(body=body, content_type=kind)
        elif route.request.method == "POST":
            fields = parse_qs(route.request.post_data or "", keep_blank_values=True)
            tab.kept.append({name: values[0] for name, values in fields.items()})
            left = json.dumps({"ends_in_seconds": tab.seconds_left})
            await route.fulfill(body=left, status=200 if tab.seconds_left is not None else 503)
        else:
            view = PAGES[names[min(tab.loads, len(names) - 1)]]
            tab.loads += 1
            headers = {**HEADERS, "Content-Type": "text/html; charset=utf-8"}
            await route.fulfill(body=render(view, PROFILE, "ja"), headers=headers)

    await tab.page.route("**/*", answer)
    await tab.page.clock.install()
    await tab.page.goto(f"{ORIGIN}/page")
    try:
        yield tab
    finally:
        await context.close()


async def test_two_minutes_before_the_end_a_warning_prolongs_the_log_in(browser: Browser) -> None:
    async with tab_at(browser, "form") as tab:
        soon = tab.page.locator(".soon")
        await tab.wait(7.5)
        await expect(soon).to_be_hidden()
        await tab.wait(0.3)
        await expect(soon).to_contain_text("まもなく自動的にログアウトします。")
        await soon.locator("button").click()
        await expect(soon).to_be_hidden()
        await tab.wait(7.5)

        await expect(soon).to_be_hidden()
        assert [fields["version"] for fields in tab.kept] == ["3"]


async def test_where_prolonging_fails_the_page_says_so(browser: Browser) -> None:
    async with tab_at(browser, "form") as tab:
        tab.seconds_left = None
        await tab.wait(8)
        await tab.page.click(".soon button")

        await expect(tab.page.locator(".failed")).to_contain_text("延長できませんでした。")


async def test_who_types_stays_logged_in_and_what_was_typed_is_kept(browser: Browser) -> None:
    async with tab_at(browser, "search") as tab:
        await tab.page.fill("[name=bidder_id]", "1000000001")
        await tab.page.fill("[name=password]", "Ab3dE6gH")
        await tab.wait(0.5)
        await wait_until(tab.has_kept)

        assert tab.kept[0]["bidder_id"] == "1000000001"
        assert "password" not in tab.kept[0]


async def test_at_the_end_the_last_words_are_kept_and_the_page_is_loaded_anew(browser: Browser) -> None:
    async with tab_at(browser, "form", "registration: card, problem") as tab:
        tab.seconds_left = 0
        await tab.wait(9.6)
        async with tab.page.expect_event("load"):
            await tab.wait(0.2)

        assert tab.loads == 2
        assert "card_contact.telephone" in tab.kept[-1]


async def test_states_of_other_agencies_are_updated_in_place_until_all_are_done(browser: Browser) -> None:
    async with tab_at(browser, "result, agencies under way", "result, agencies refused and waiting") as tab:
        states = tab.page.locator("#agencies .states")
        await expect(states).to_contain_text("反映中")
        await tab.wait(0.05)
        await expect(states).to_contain_text("反映されません。")

        await expect(tab.page.locator("#agencies .moving")).to_have_count(0)
        assert tab.loads == 2
        await tab.wait(1)
        assert tab.loads == 2


async def test_person_stops_the_updates(browser: Browser) -> None:
    async with tab_at(browser, "result, agencies under way") as tab:
        await tab.page.click("text=自動更新を止める")
        await tab.wait(1)

        assert tab.loads == 1


async def test_receipt_is_printed_when_its_window_opens(browser: Browser) -> None:
    async with tab_at(browser, "print") as tab:
        assert await tab.page.evaluate("window.printed") == 1

"""Every page of the agent in Chromium: for everybody, on every screen and on paper, and no browser keeps the PIN."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, async_playwright

from card_agent.local_page.render import render, render_end, render_start, style_sheet
from tests.support.accessibility import list_violations
from tests.support.page_samples import FRAME, PAGES
from tests.support.password_manager import offers_to_save

ORIGIN = "http://127.0.0.1:50000"
POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
# The same elements in both languages: these in English stand for the others.
IN_ENGLISH = ("choose a certificate", "wrong PIN", "start")
PIN, OK = "#pin", "button[value=ok]"


def list_pages() -> dict[str, str]:
    """Returns the HTML of each page by its name; the way back stays where it is, to be looked at."""
    pages = {name: render(view, "ja") for name, view in PAGES.items()}
    pages |= {f"{name}, in English": render(PAGES[name], "en") for name in IN_ENGLISH}
    pages["busy"] = render_start(FRAME, "ja")
    pages["refused after busy"] = render_start(FRAME, "ja") + render_end(PAGES["wrong PIN"], "ja")
    return {name: page.replace('http-equiv="refresh"', 'http-equiv="x"') for name, page in pages.items()}


@asynccontextmanager
async def tab_with_pages(browser: Browser, width: int = 1024) -> AsyncIterator[tuple[Page, dict[str, str], list[str]]]:
    """Opens a tab in which the pages are served at their names, and yields them with what the browser complains of."""
    context = await browser.new_context(viewport={"width": width, "height": 768})
    page, pages, complaints = await context.new_page(), list_pages(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))

    async def answer(route: Route) -> None:
        name = route.request.url.removeprefix(f"{ORIGIN}/").replace("%20", " ")
        if name == "page.css":
            await route.fulfill(body=style_sheet(), content_type="text/css")
        else:
            headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY}
            await route.fulfill(body=pages[name], headers=headers)

    await page.route("**/*", answer)
    try:
        yield page, pages, complaints
    finally:
        await context.close()


async def test_pages_are_accessible(browser: Browser) -> None:
    async with tab_with_pages(browser) as (page, pages, complaints):
        broken: dict[str, list[str]] = {}
        for name in pages:
            await page.goto(f"{ORIGIN}/{name}")
            broken[name] = await list_violations(page)
    assert {name: rules for name, rules in broken.items() if rules} == {}
    assert complaints == []


async def test_pages_fit_a_narrow_screen_and_the_double_size_of_text(browser: Browser) -> None:
    async with tab_with_pages(browser, width=320) as (page, pages, _):
        wide = set[str]()
        for name in pages:
            await page.goto(f"{ORIGIN}/{name}")
            for width, size in ((320, "100%"), (640, "200%")):
                await page.set_viewport_size({"width": width, "height": 768})
                await page.evaluate(f"document.documentElement.style.fontSize = '{size}'")
                if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    wide.add(f"{name} at {width}")
    assert wide == set()


async def test_keyboard_reaches_everything_in_the_order_of_the_page_and_shows_where_it_is(browser: Browser) -> None:
    async with tab_with_pages(browser) as (page, _, _):
        await page.goto(f"{ORIGIN}/log-in")
        reached, outlines = [], set[str]()
        for _ in range(7):
            await page.keyboard.press("Tab")
            reached.append(await page.evaluate("document.activeElement.innerText || document.activeElement.name"))
            outlines.add(await page.evaluate("getComputedStyle(document.activeElement).outlineWidth"))
    assert reached == [
        "English",
        "使用するICカード",
        "署名するデータの全項目",
        "pin",
        "person_in_charge",
        "OK",
        "キャンセル",
    ]
    assert outlines == {"4px"}


async def test_what_is_wrong_has_the_focus_and_leads_to_the_field(browser: Browser) -> None:
    async with tab_with_pages(browser) as (page, _, _):
        for name in ("wrong PIN", "refused after busy"):
            await page.goto(f"{ORIGIN}/{name}")
            await page.wait_for_function("document.activeElement.getAttribute('role') === 'alert'")
        assert not await page.is_visible(".busy")
        await page.click(".problem a")
        assert await page.evaluate("document.activeElement.id") == "pin"


async def test_pin_is_not_shown_while_it_is_typed(browser: Browser) -> None:
    async with tab_with_pages(browser) as (page, _, _):
        await page.goto(f"{ORIGIN}/log-in")
        shown = await page.locator(PIN).screenshot()
        pictures = set[bytes]()
        for typed in ("246810", "wwwwww"):
            await page.fill(PIN, typed)
            pictures.add(await page.locator(PIN).screenshot(caret="hide"))
        assert len(pictures) == 1
        assert shown not in pictures
        assert not await page.is_visible(".unmasked")


async def test_second_click_of_a_double_click_on_the_link_before_answers_nothing(browser: Browser) -> None:
    async with tab_with_pages(browser) as (page, _, _):
        await page.goto(f"{ORIGIN}/act")
        at_first = (
            "([button]) => { const [wake] = button.getAnimations(); wake.pause(); wake.currentTime = 400;"
            " const then = getComputedStyle(button).pointerEvents; wake.finish();"
            " return [then, getComputedStyle(button).pointerEvents] }"
        )
        await page.wait_for_selector(OK)
        button = await page.query_selector(OK)
        assert await page.evaluate(at_first, [button]) == ["none", "auto"]


async def test_paper_has_what_is_folded_away_and_no_buttons(browser: Browser) -> None:
    async with tab_with_pages(browser) as (page, _, _):
        await page.goto(f"{ORIGIN}/act")
        await page.emulate_media(media="print")
        assert await page.locator("details dd").first.is_visible()
        assert not await page.is_visible(OK)


@pytest.mark.parametrize(("field", "offered"), [('type="text"', False), ('type="password"', True)])
async def test_browser_does_not_offer_to_save_the_pin_as_it_would_a_password(
    tmp_path: Path, field: str, offered: bool
) -> None:
    html = render(PAGES["log-in"], "ja").replace('name="pin" type="text"', f'name="pin" {field}')
    async with async_playwright() as playwright:
        assert await offers_to_save(playwright, tmp_path, html, PIN) is offered

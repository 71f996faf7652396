"""Every page of the portal in Chromium: for everybody, by keyboard, large, narrow, in other colours and on paper."""

import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, Route

from portal.pages.gate import HEADERS
from portal.pages.render import render, script, style_sheet
from tests.support.accessibility import list_violations
from tests.support.portal_samples import COMPANY_NAME, CONTACT, IN_ENGLISH, PAGES, PROFILE

ORIGIN = "https://portal.example"
# What a person types or reads: header, content and footer, in the order of the page.
REACHABLE = "a[href], button:not([disabled]), input:not([type=hidden]), select, summary, [tabindex='0']"
MOST_BYTES = 100_000
FILES = {"/page.css": (style_sheet(), "text/css"), "/portal.js": (script(), "text/javascript")}
# Where the pictures of all states are left, to be looked at.
PICTURES = Path(__file__).parents[2] / "build" / "portal" / "states"
RECEIPTS = ("print", "change print")


def list_pages() -> dict[str, str]:
    """Returns the HTML of each page by its name; what prints, looks again or goes on by itself stays."""
    pages = {name: render(view, PROFILE, "ja") for name, view in PAGES.items()}
    pages |= {f"{name}, in English": render(PAGES[name], PROFILE, "en") for name in IN_ENGLISH}
    # As a browser without JavaScript shows it.
    pages["relay"] = pages["relay"].replace("noscript>", "div>").replace('id="relay"', "")
    moving = re.compile("data-refresh-seconds|data-follow-seconds|data-print")
    return {name: moving.sub("data-x", page) for name, page in pages.items()}


@asynccontextmanager
async def tab_with_pages(
    browser: Browser, width: int = 1024, colours: Literal["active", "none"] = "none"
) -> AsyncIterator[tuple[Page, dict[str, str], list[str]]]:
    """Opens a tab in which the pages are served at their names, and yields them with what the browser asks and says.

    The last are its complaints, and the addresses of everything but pages, style sheet and script that it asks for.
    """
    context = await browser.new_context(viewport={"width": width, "height": 768}, forced_colors=colours)
    # In place of the browser's own dialogue for paper.
    await context.add_init_script("window.print = () => undefined;")
    page, pages, complaints = await context.new_page(), list_pages(), list[str]()
    # The summary of what is wrong has the focus already when the browser comes to its `autofocus`.
    page.on("console", lambda message: None if "Autofocus" in message.text else complaints.append(message.text))

    async def answer(route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN).replace("%20", " ")
        if path in FILES:
            body, kind = FILES[path]
            await route.fulfill(body=body, content_type=kind)
        elif path.lstrip("/") in pages:
            headers = {**HEADERS, "Content-Type": "text/html; charset=utf-8"}
            await route.fulfill(body=pages[path.lstrip("/")], headers=headers)
        else:
            complaints.append(f"asked for {route.request.url}")
            await route.abort()

    await page.route("**/*", answer)
    try:
        yield page, pages, complaints
    finally:
        await context.close()


async def open_page(page: Page, name: str) -> None:
    """Opens a page."""
    await page.goto(f"{ORIGIN}/{name}")


async def test_pages_are_accessible_and_ask_no_other_host(browser: Browser) -> None:
    async with tab_with_pages(browser) as (page, pages, complaints):
        broken: dict[str, list[str]] = {}
        for name in pages:
            await open_page(page, name)
            broken[name] = await list_violations(page)
            await page.screenshot(path=PICTURES / f"{name.replace(': ', ' ')}.png", full_page=True)
    assert {name: rules for name, rules in broken.items() if rules} == {}
    assert complaints == []


async def test_pages_fit_a_narrow_screen_and_the_double_size_of_text(browser: Browser) -> None:
    # Text that its own box hides; what is only heard, and what a person typed, is not meant.
    find_cut = """() => [...document.querySelectorAll('main *, header *, footer *')].filter(each =>
        !each.closest('.heard') && !['INPUT', 'SELECT', 'TEXTAREA'].includes(each.tagName) &&
        ['hidden', 'clip'].includes(getComputedStyle(each).overflowX) && each.scrollWidth > each.clientWidth
    ).map(each => each.outerHTML.slice(0, 80))"""
    async with tab_with_pages(browser, width=320) as (page, pages, _):
        faults: dict[str, object] = {}
        for name in pages:
            await open_page(page, name)
            for width, size in ((320, "100%"), (1024, "200%"), (640, "200%")):
                await page.set_viewport_size({"width": width, "height": 768})
                await page.evaluate(f"document.documentElement.style.fontSize = '{size}'")
                scrolls = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
                if scrolls or (cut := await page.evaluate(find_cut)):
                    faults[f"{name} at {width}"] = "scrolls" if scrolls else cut
    assert faults == {}


async def test_keyboard_reaches_everything_in_the_order_of_the_page_and_shows_where_it_is(browser: Browser) -> None:
    mark = f"[...document.querySelectorAll({REACHABLE!r})].forEach((each, place) => each.dataset.place = place)"
    look = """() => { const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
        return [at.dataset.place ?? '', `${style.outlineStyle} ${style.outlineWidth}`,
            box.left >= 0 && box.width > 0] }"""
    async with tab_with_pages(browser) as (page, _, _):
        faults: dict[str, object] = {}
        # Where something is wrong, that has the focus first: the next test.
        for name in [name for name, view in PAGES.items() if view.trouble is None]:
            await open_page(page, name)
            await page.evaluate(mark)
            shown = await page.evaluate(
                "[...document.querySelectorAll('[data-place]')].filter(e => e.checkVisibility()).length"
            )
            reached = list[object]()
            for _ in range(shown):
                await page.keyboard.press("Tab")
                place, outline, on_screen = await page.evaluate(look)
                reached.append(place)
                if (outline, on_screen) != ("solid 4px", True):
                    faults[f"{name}, {place}"] = (outline, on_screen)
            if reached != [str(place) for place in sorted(int(str(place)) for place in reached)] or reached[0] != "0":
                faults[name] = reached
            # No trap: the next one leads out of the page.
            await page.keyboard.press("Tab")
            if (await page.evaluate(look))[0] not in ("", "0"):
                faults[f"{name}, end"] = "the focus stays"
    assert faults == {}


async def test_what_is_wrong_has_the_focus_before_everything_and_leads_to_its_field(browser: Browser) -> None:
    async with tab_with_pages(browser) as (page, _, _):
        wrong = [name for name, view in PAGES.items() if view.trouble is not None]
        assert len(wrong) > 12
        for name in wrong:
            await open_page(page, name)
            await page.wait_for_function("document.activeElement.matches('.problem')")
            assert await page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "4px", name
            comes_first = "document.querySelector('.problem').compareDocumentPosition(document.querySelector('h1')) & 4"
            assert await page.evaluate(comes_first), name
            assert (await page.title()).startswith("エラー："), name
        for name, field in (("search, two wrong fields", "name"), ("choice, not offered", "agency")):
            await open_page(page, name)
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await page.wait_for_function(f"document.activeElement.id === '{field}'")
            described = await page.get_attribute(f"#{field}", "aria-describedby") or ""
            assert f"{field}-problem" in described.split()
            assert await page.inner_text(f"#{field}-problem")


async def test_skip_link_comes_first_and_leads_past_the_header(browser: Browser) -> None:
    async with tab_with_pages(browser) as (page, _, _):
        await open_page(page, "search")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.className") == "skip"
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.id") == "name"


async def test_buttons_fields_focus_and_what_is_wrong_are_seen_in_forced_colours(browser: Browser) -> None:
    frames = """() => [...document.querySelectorAll(
        'main button, main .button, main input:not([type=hidden], [type=checkbox]), main select, .problem, .done'
    )].filter(each => each.checkVisibility()).filter(each => {
        const {borderTopStyle, borderTopWidth, borderTopColor, backgroundColor} = getComputedStyle(each);
        return borderTopStyle !== 'solid' || parseFloat(borderTopWidth) === 0 || borderTopColor === backgroundColor;
    }).map(each => each.outerHTML.slice(0, 80))"""
    async with tab_with_pages(browser, colours="active") as (page, pages, _):
        unseen: dict[str, list[str]] = {}
        for name in pages:
            await open_page(page, name)
            unseen[name] = await page.evaluate(frames)
        assert {name: elements for name, elements in unseen.items() if elements} == {}
        await open_page(page, "search, two wrong fields")
        assert await page.evaluate("matchMedia('(forced-colors: active)').matches")
        await page.focus("main button.first")
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Tab")
        seen = """(({outlineStyle, outlineWidth, outlineColor, backgroundColor}) =>
            [outlineStyle, outlineWidth, outlineColor !== backgroundColor])(getComputedStyle(document.activeElement))"""
        assert await page.evaluate(seen) == ["solid", "4px", True]


async def test_two_cards_of_a_renewal_stand_beside_each_other_where_there_is_room(browser: Browser) -> None:
    tops = "[...document.querySelectorAll('.pair > section')].map(each => Math.round(each.getBoundingClientRect().top))"
    async with tab_with_pages(browser) as (page, _, _):
        await open_page(page, "renewal check")
        first, second = await page.evaluate(tops)
        assert first == second
        await page.set_viewport_size({"width": 320, "height": 768})
        first, second = await page.evaluate(tops)
        assert first < second


async def test_receipt_fits_one_sheet_with_every_character_of_the_names_and_nothing_but_itself(
    browser: Browser,
) -> None:
    async with tab_with_pages(browser) as (page, _, _):
        for name in RECEIPTS:
            await open_page(page, name)
            sheet = await page.pdf(prefer_css_page_size=True)
            assert count_sheets(sheet) == 1, name
            assert {"髙", "﨑", "𠮷", "葛\U000e0100"} <= list_characters(sheet), name
            await page.emulate_media(media="print")
            text = await page.inner_text("body")
            assert COMPANY_NAME in text, name
            assert CONTACT.person_name in text, name
            for hidden in ("header", "footer", ".skip", ".screen-only", ".steps"):
                assert not await page.is_visible(hidden), f"{name}: {hidden}"
            await page.emulate_media(media="null")


def test_page_with_all_its_files_is_light() -> None:
    files = sum(len(body) for body, _ in FILES.values())
    sizes = {name: len(page.encode()) + files for name, page in list_pages().items()}
    assert {name: size for name, size in sizes.items() if size > MOST_BYTES} == {}


def count_sheets(pdf: bytes) -> int:
    """Returns how many pages a PDF of Chromium has."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def list_characters(pdf: bytes) -> set[str]:
    """Returns the characters that the fonts of a PDF of Chromium say that they show."""
    found = set[str]()
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL):
        try:
            text = zlib.decompress(stream)
        except zlib.error:
            continue
        for block in re.findall(rb"beginbf(char|range)(.*?)endbf", text, re.DOTALL):
            for line in block[1].splitlines():
                codes = [bytes.fromhex(code.decode()) for code in re.findall(rb"<([0-9A-Fa-f]+)>", line)]
                if not codes:
                    continue
                count = int.from_bytes(codes[1]) - int.from_bytes(codes[0]) + 1 if block[0] == b"range" else 1
                shown = codes[-1].decode("utf-16-be", "replace")
                found |= {shown[:-1] + chr(ord(shown[-1]) + more) for more in range(count)}
    return found

"""The files of a person whose card agent trusts a running instance, and the walk of that person in a browser."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import yaml
from playwright.async_api import Page, async_playwright

from demo.preparation import PIN, ChosenBidder, DemoFailed
from operator_command.launcher.instance import Instance
from operator_command.topology import compose_origin

CHROMIUM = Path("/usr/bin/chromium")
# Seconds until a page is there.
_PATIENCE = 30.0
# In place of a browser: it notes the address that the agent opens.
_BROWSER = """#!/bin/sh
printf '%s' "$1" > '{file}.new' && mv '{file}.new' '{file}'
"""


def write_person(home: Path, instance: Instance, files: list[str]) -> dict[str, str]:
    """Writes trust file and settings of a card agent below `home`; returns the variables that the agent needs."""
    folder = home / "toroku-card-agent"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    origin = compose_origin(instance.addresses)
    entry = {
        "endpoint": instance.front_door,
        "authority": str(instance.certificates.public.authority),
        "portal": f"{origin}/start",
        "return": f"{origin}/return",
    }
    (folder / "trust.yaml").write_text(yaml.safe_dump({instance.profile.id: entry}), "utf-8")
    (folder / "settings.yaml").write_text(yaml.safe_dump({"files": files}), "utf-8")
    return {"XDG_CONFIG_HOME": str(home)}


async def register_in_browser(
    instance: Instance, bidder: ChosenBidder, contact: Mapping[str, str], environment: Mapping[str, str], folder: Path
) -> None:
    """Registers the card in the reader, page by page, and prints the heading of each page; raises DemoFailed."""
    async with _running_agent(instance, environment, folder) as address, _open_tab() as page:
        try:
            await _Walk(page, bidder, contact).go(address, compose_origin(instance.addresses))
        except Exception as error:
            shown = " ".join((await page.inner_text("body")).split())[:400]
            raise DemoFailed(f"the browser stopped at {page.url.partition('#')[0]}: {error}\n{shown}") from error


@dataclass(frozen=True, slots=True)
class _Walk:
    page: Page
    bidder: ChosenBidder
    contact: Mapping[str, str]

    async def go(self, start: str, origin: str) -> None:
        """Walks from the agent's start to the receipt."""
        page, bidder = self.page, self.bidder
        await page.goto(start)
        if not page.url.startswith(origin):
            await page.click("button[name=instance]")
            await page.wait_for_url(f"{origin}/**")
        await self._tell()
        await page.click(".doors a[href='/choice']")
        await self._tell()
        await page.select_option("#agency", bidder.agency)
        await page.click(f"button[name=category][value={bidder.category}]")
        await self._tell()
        await page.click(f"a[href='/agencies/{bidder.agency}/{bidder.category}/top']")
        await self._tell()
        await page.click(f".links a[href='/agencies/{bidder.agency}/{bidder.category}/menu']")
        await self._tell()
        await page.click("button[name=operation][value=registration]")
        await self._tell()
        await self._use_agent(origin)
        await self._use_agent(origin, pin=PIN)
        await self._send({"name": bidder.typed_name, "bidder_id": bidder.bidder_id, "password": bidder.password})
        await self._send({f"card_contact.{name}": value for name, value in self.contact.items()})
        await self._send({})
        await self._use_agent(origin)
        done = await page.inner_text(".done")
        if "完了" not in done:
            raise DemoFailed(f"the card was not registered: {done}")

    async def _send(self, typed: Mapping[str, str]) -> None:
        for name, value in typed.items():
            # The instance says which fields there are, such as an address that is typed twice.
            if await self.page.locator(field := f"[name='{name}']").count():
                await self.page.fill(field, value)
        before = self.page.url
        await self.page.click("button[name=answer][value=ok]")
        await self.page.wait_for_url(lambda address: address != before)
        await self._tell()

    async def _use_agent(self, origin: str, pin: str = "") -> None:
        await self.page.click("#agent")
        await self.page.wait_for_selector(".rest")
        await self._tell("card agent")
        if pin:
            await self.page.fill("input[name=pin]", pin)
        await self.page.click("button[name=answer][value=ok]", no_wait_after=True)
        await self.page.wait_for_url(f"{origin}/operations/**")
        await self._tell()

    async def _tell(self, where: str = "portal") -> None:
        print(f"  {where:<10}  {await self.page.inner_text('h1')}")


@asynccontextmanager
async def _running_agent(instance: Instance, environment: Mapping[str, str], folder: Path) -> AsyncIterator[str]:
    """Runs `card-agent serve` until the block ends; yields the address that it opens."""
    home = folder / "person"
    variables = write_person(home, instance, [])
    (home / "toroku-card-agent" / "phrase").write_text("青い自転車", "utf-8")
    opened, browser = folder / "opened", folder / "browser"
    browser.write_text(_BROWSER.format(file=opened), "utf-8")
    browser.chmod(0o755)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "card_agent", "serve"),
        env={**os.environ, **environment, **variables, "BROWSER": f"{quote(str(browser))} %s"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        while not opened.exists():
            if process.returncode is not None or asyncio.get_running_loop().time() > deadline:
                raise DemoFailed("the card agent opened no page")
            await asyncio.sleep(0.05)
        yield opened.read_text("utf-8")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@asynccontextmanager
async def _open_tab() -> AsyncIterator[Page]:
    # Chromium has no sandbox for root.
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            context = await browser.new_context(ignore_https_errors=True, locale="ja-JP")
            context.set_default_timeout(_PATIENCE * 1000)
            yield await context.new_page()
        finally:
            await browser.close()

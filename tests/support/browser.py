"""Debian's Chromium, driven by Playwright, to which the portal is a public site under a name of its own.

How Chromium 156 behaves with an answer that is streamed, seen with the agent's headers (content security policy,
COOP, CORP, `Referrer-Policy: same-origin`) and a portal that is marked public:

- the first part of the body is on the screen while the rest is not sent yet (0.2 s after the click, rest after 2 s);
- a `<meta http-equiv="refresh" content="0; url=…">` that comes in the rest, inside the body, is followed to the
  portal with a fragment of 100 KB; nothing is blocked, nothing is written to the console;
- `body:has(.rest) .busy {display: none}` takes effect as soon as the rest is there;
- the refresh takes the place of the answer in the history: Back shows the page with the form, and posts nothing.

So a busy page needs neither a script nor a refresh of its own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, async_playwright

from simulators.portal_place import PortalPlace

_CHROMIUM = Path("/usr/bin/chromium")
# Milliseconds until a page or a part of it has to be there.
_PATIENCE = 20_000.0


@asynccontextmanager
async def running_browser(portal: PortalPlace) -> AsyncIterator[Browser]:
    """Runs Chromium until the block ends; it trusts the portal's certificate and no other one of ours."""
    arguments = [
        # Tests may run as root, and in containers with a small /dev/shm.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        f"--host-resolver-rules=MAP {portal.name} 127.0.0.1",
        f"--ignore-certificate-errors-spki-list={portal.key_pin}",
        # As on the net: what a page there may do with this machine is then judged as in real use.
        f"--ip-address-space-overrides=127.0.0.1:{portal.port}=public",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def person_at(browser: Browser, language: str = "ja-JP") -> AsyncIterator[BrowserContext]:
    """Opens a profile with no history and no cookies, as of another person, and closes it after the block."""
    context = await browser.new_context(locale=language)
    context.set_default_timeout(_PATIENCE)
    try:
        yield context
    finally:
        await context.close()

"""Whether Chromium offers to keep what was typed into a form."""

from pathlib import Path

from playwright.async_api import Page, Playwright, Route

_CHROMIUM = Path("/usr/bin/chromium")
_ADDRESS = "http://127.0.0.1:50000"
_LOG = "chrome://password-manager-internals"
_ARRIVED, _ASKS = "PasswordManager::OnPasswordFormsRendered", "Decision: ASK the user"


async def offers_to_save(playwright: Playwright, profile: Path, form: str, field: str) -> bool:
    """Returns whether the browser asks to keep the value of a field of a page, after it was typed and sent.

    The log of Chromium's password manager says so. A browser that is marked as automated never asks, and one without a
    profile in a folder neither, so this is a browser of its own.
    """
    context = await playwright.chromium.launch_persistent_context(
        profile,
        executable_path=_CHROMIUM,
        args=["--no-sandbox", "--disable-dev-shm-usage"],
        ignore_default_args=["--enable-automation"],
    )
    try:
        log, page = context.pages[0], await context.new_page()

        async def answer(route: Route) -> None:
            body = form if route.request.method == "GET" else "<!doctype html><p>done"
            await route.fulfill(body=body, content_type="text/html; charset=utf-8")

        await page.route("**/*", answer)
        await log.goto(_LOG)
        await page.goto(_ADDRESS)
        before = await _wait_for_more(log, 0)
        await page.type(field, "Secret123")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("text=done")
        # The log has the decision on the form before the next page's entries.
        before = await _wait_for_more(log, before)
        await page.goto(_ADDRESS)
        await _wait_for_more(log, before)
        return _ASKS in await log.inner_text("body")
    finally:
        await context.close()


async def _wait_for_more(log: Page, before: int) -> int:
    """Waits until the log tells of another page, and returns of how many it tells."""
    count = f"document.body.innerText.split({_ARRIVED!r}).length - 1"
    await log.wait_for_function(f"{count} > {before}")
    counted: int = await log.evaluate(count)
    return counted

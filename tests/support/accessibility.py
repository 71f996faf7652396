"""How accessible a page in the browser is: axe judges it by WCAG up to AA, which JIS X 8341-3 takes over."""

import json
from pathlib import Path

from playwright.async_api import Page

_AXE = Path(__file__).parents[2] / "tools" / "node_modules" / "axe-core" / "axe.min.js"
_OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


async def list_violations(page: Page) -> list[str]:
    """Returns each rule that the page breaks, with the elements that break it."""
    # As an expression of the debugger: the page's content security policy lets no script in.
    await page.evaluate(_AXE.read_text(encoding="utf-8"))
    result = await page.evaluate(f"axe.run(document, {json.dumps(_OPTIONS)})")
    return [
        f"{violation['id']}: {violation['help']}: " + ", ".join(str(node["target"]) for node in violation["nodes"])
        for violation in result["violations"]
    ]

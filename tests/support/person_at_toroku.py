"""A person in front of a browser, at Toroku's own portal and at the pages of the card agent."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from tests.support.accessibility import list_violations
from tests.support.contractor import Contractor
from tests.support.person_at_portal import PIN, REST
from tests.support.running_agent import PHRASE, RunningAgent, agent_of_a_person
from tests.support.running_instance import RunningInstance
from toroku.contact.v1.contact_pb2 import Contact

# Where the pictures of all pages are left, to be looked at.
PICTURES = Path(__file__).parents[2] / "build" / "portal"


@dataclass(slots=True)
class PersonAtToroku:
    """Who uses which agent; `page` is the tab in front."""

    page: Page
    origin: str
    agent: RunningAgent

    async def come(self) -> None:
        """Opens the portal from the agent's own page."""
        await self.page.goto(self.agent.address)
        await self.page.click("button[name=instance]")
        await self.page.wait_for_url(f"{self.origin}/**")

    async def choose(self, agency: str, category: str) -> None:
        """Goes from the entry to the menu, page by page."""
        await self.page.goto(f"{self.origin}/")
        await self.page.click(".doors a[href='/choice']")
        await self.page.select_option("#agency", agency)
        await self.page.click(f"button[name=category][value={category}]")
        await self.page.click(f"a[href='/agencies/{agency}/{category}/top']")
        await self.page.click(f".links a[href='/agencies/{agency}/{category}/menu']")

    async def begin(self, operation: str) -> None:
        """Presses the button of an operation in the menu."""
        await self.page.click(f"button[name=operation][value={operation}]")

    async def use_card(self) -> None:
        """From a page of the portal: has the one card that is there chosen."""
        await self._go_to_agent()
        await self._press()
        await self._come_back()

    async def log_in(self, pin: str) -> None:
        """From a page of the portal: types the PIN at the agent."""
        await self._go_to_agent()
        await self.page.fill(PIN, pin)
        await self._press()
        await self._come_back()

    async def sign(self) -> None:
        """From a page of the portal: agrees to a signature for which the PIN is known."""
        await self._go_to_agent()
        await self._press()
        await self._come_back()

    async def give_up(self) -> None:
        """From a page of the portal: goes to the agent, and back without an answer."""
        await self._go_to_agent()
        await self.page.click("button[name=answer][value=cancel]", no_wait_after=True)
        await self._come_back()

    async def try_pin(self, pin: str) -> None:
        """From a page of the agent that refused a PIN or missed the card: types the PIN again."""
        if not await self.page.locator(PIN).count():
            await self.page.click("text=もう一度試す")
        await self.page.fill(PIN, pin)
        await self._press()

    async def fill_in(self, values: Mapping[str, str]) -> None:
        """Types into the fields of a form."""
        for name, value in values.items():
            await self.page.fill(f"[name='{name}']", value)

    async def press(self, answer: str = "ok") -> None:
        """Presses a button of the portal's form."""
        await self.page.click(f"button[name=answer][value={answer}]")

    async def read_title(self) -> str:
        """Returns the heading of the page."""
        return await self.page.inner_text("h1")

    async def read(self) -> str:
        """Returns what is on the screen."""
        return await self.page.inner_text("main")

    async def expect_title(self, title: str) -> None:
        """Waits for a page with this heading."""
        await expect(self.page.locator("h1")).to_have_text(title)

    async def examine(self, name: str) -> None:
        """Leaves a picture of the page, and checks that everybody can use it."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
        assert await list_violations(self.page) == [], name

    async def print_receipt(self, name: str) -> str:
        """Opens the receipt in its own window, sees it printed, and returns what is on the paper."""
        async with self.page.expect_popup() as opened:
            await self.page.click("text=印刷")
        window = await opened.value
        await window.wait_for_function("window.printed === 1")
        receipt = PersonAtToroku(window, self.origin, self.agent)
        await receipt.examine(name)
        paper = await receipt.read()
        await window.close()
        return paper

    async def _go_to_agent(self) -> None:
        await self.page.click("#agent")
        await self.page.wait_for_selector(REST)

    async def _press(self) -> None:
        await self.page.click("button[name=answer][value=ok]", no_wait_after=True)

    async def _come_back(self) -> None:
        await self.page.wait_for_url(f"{self.origin}/operations/**")


@asynccontextmanager
async def person_at_toroku(instance: RunningInstance, browser: Browser) -> AsyncIterator[PersonAtToroku]:
    """Opens a tab of a new person, whose own agent has opened the portal."""
    with (
        tempfile.TemporaryDirectory(prefix="toroku-person-") as folder,
        agent_of_a_person(Path(folder) / "home", {instance.profile.id: trust_toroku(instance)}) as agent,
    ):
        agent.choose_phrase(PHRASE)
        agent.start()
        context = await browser.new_context(ignore_https_errors=True, locale="ja-JP")
        # In place of the browser's own dialogue, which nobody here could answer.
        await context.add_init_script("window.print = () => { window.printed = (window.printed || 0) + 1; }")
        try:
            person = PersonAtToroku(await context.new_page(), find_origin(instance), agent)
            await person.come()
            yield person
        finally:
            await context.close()


def trust_toroku(instance: RunningInstance) -> dict[str, str]:
    """Returns the entry of the instance in a person's trust file."""
    origin = find_origin(instance)
    return {
        "endpoint": instance.launched.front_door,
        "authority": str(instance.launched.certificates.public.authority),
        "portal": f"{origin}/start",
        "return": f"{origin}/return",
    }


def find_origin(instance: RunningInstance) -> str:
    """Returns the origin of the instance's portal."""
    _, port = instance.launched.addresses.of("portal", "public").split(":")
    return f"https://localhost:{port}"


def write_contact(section: str, contact: Contact) -> dict[str, str]:
    """Returns what is typed into a section of a form."""
    names = ("department", "postal_code", "address", "person_name", "telephone", "fax", "mail_address")
    return {f"{section}.{name}": getattr(contact, name) for name in names}


def write_search(contractor: Contractor, name: str) -> dict[str, str]:
    """Returns what is typed into the search."""
    return {"name": name, "bidder_id": contractor.bidder_id, "password": contractor.password}

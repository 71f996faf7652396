"""A person in front of a browser, at the portal and at the pages of the card agent."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, BrowserContext, Page
from playwright.async_api import TimeoutError as BrowserTimeout

from instance_profile.name_pieces import spell_out
from simulators.certificate_authorities import IssuedCard, new_ec_key
from simulators.portal import Portal
from simulators.portal_journeys import Registering
from simulators.virtual_card import VirtualCard
from simulators.virtual_piv import GENERAL_AUTHENTICATE
from tests.support.accessibility import list_violations
from tests.support.browser import person_at
from tests.support.card_reader import CardReader
from tests.support.contractor import Contractor
from tests.support.running_agent import RunningAgent
from tests.support.running_instance import RunningInstance

# Where the pictures of all pages are left, to be looked at.
PICTURES = Path(__file__).parents[2] / "build" / "local-page"
# The part of an agent's page that is there when the card is done.
REST = ".rest"
PIN = "input[name=pin]"


@dataclass(slots=True)
class PersonAtPortal:
    """Who uses which agent at which portal; `page` is the tab in front."""

    page: Page
    portal: Portal
    agent: RunningAgent
    # What was typed into the field of the PIN, so that a test can look for it elsewhere.
    typed: list[str] = field(default_factory=list)

    async def come(self) -> None:
        """Opens the portal from the agent's own page."""
        await self.page.goto(self.agent.address)
        await self.page.click("button[name=instance]")
        await self.page.wait_for_url(f"{self.portal.place.origin}/")

    async def begin(self, operation: str) -> None:
        """Begins an operation on the portal's first page, and goes on to the agent."""
        await self.page.goto(f"{self.portal.place.origin}/")
        await self.page.click(f"button[value='{operation}']")
        await self.go_to_agent()

    async def go_to_agent(self) -> None:
        """Follows the portal's link."""
        await self.page.click("#agent")
        await self.page.wait_for_selector(REST)

    async def press(self, answer: str = "ok") -> None:
        """Presses a button of the agent's page, and does not wait for what comes."""
        await self.page.click(f"button[name=answer][value={answer}]", no_wait_after=True)

    async def type_pin(self, pin: str) -> None:
        """Types a PIN, and presses OK."""
        self.typed.append(pin)
        await self.page.fill(PIN, pin)
        await self.press()

    async def use_card(self, *, share_pin: bool = False) -> None:
        """Chooses the one card that is there, and comes back to the portal."""
        if share_pin:
            await self.page.check("input[name=share_pin]")
        await self.press()
        await self.come_back()

    async def come_back(self) -> None:
        """Waits until the portal shows the operation again."""
        address = re.compile(re.escape(f"{self.portal.place.origin}/operations/"))
        try:
            await self.page.wait_for_url(address)
        except BrowserTimeout:
            raise AssertionError(f"the agent shows {self.page.url}:\n{await self.read()}") from None

    async def log_in_and_sign(self, pin: str) -> None:
        """From the portal's link: the log-in with the PIN, then the act without it."""
        await self.go_to_agent()
        await self.type_pin(pin)
        await self.come_back()
        await self.sign()

    async def sign(self) -> None:
        """From the portal's link: agrees to a signature for which the PIN is known."""
        await self.go_to_agent()
        assert await self.page.locator(PIN).count() == 0
        await self.press()
        await self.come_back()

    async def try_again(self) -> None:
        """Follows the way to another try, where the page is not the form itself."""
        if not await self.page.locator(PIN).count():
            await self.page.click("text=もう一度試す")
            await self.page.wait_for_selector(PIN)

    async def read(self) -> str:
        """Returns what is on the screen."""
        return await self.page.inner_text("main")

    async def read_problem(self) -> str:
        """Waits for a problem on the agent's page, and returns what is said there."""
        await self.page.wait_for_selector(".problem")
        return await self.read()

    async def read_all(self) -> str:
        """Returns all words of the page, also those that are folded away."""
        return await self.page.locator("body").text_content() or ""

    async def examine(self, name: str) -> None:
        """Leaves a picture of the page, and checks that everybody can use it."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
        assert await list_violations(self.page) == [], name


@dataclass(slots=True)
class Desk:
    """The reader on a person's desk, with one card at most."""

    reader: CardReader
    card: VirtualCard | None = None

    def insert(self, issued: IssuedCard, pin: str) -> VirtualCard:
        """Inserts a card in the place of the one that is in the reader."""
        self.pull()
        self.card = self.reader.insert(issued, pin=pin)
        return self.card

    def pull(self) -> None:
        """Pulls the card, if there is one."""
        if self.card is not None:
            self.reader.pull(self.card)
            self.card = None


def new_contractor(instance: RunningInstance, category: str = "works") -> Contractor:
    """Returns a contractor whose card signs with one command, so that signatures can be counted."""
    contractor = instance.contractor(category=category)
    contractor.card = instance.ca.issue(company=instance.bidder_of(contractor).name, key=new_ec_key())
    return contractor


def count_signatures(card: VirtualCard) -> int:
    """Returns how often a card of `new_contractor` has signed."""
    return card.instructions.count(GENERAL_AUTHENTICATE)


def type_form(contractor: Contractor) -> Registering:
    """Returns what a contractor types into the forms of a registration."""
    return Registering(
        agency=contractor.agency,
        category=contractor.category,
        name=spell_out(contractor.company_name),
        bidder_id=contractor.bidder_id,
        password=contractor.password,
        card_contact=contractor.card_contact,
        representative_contact=contractor.representative_contact,
    )


@asynccontextmanager
async def person_with_tab(
    browser: Browser, portal: Portal, agent: RunningAgent, language: str = "ja-JP"
) -> AsyncIterator[tuple[PersonAtPortal, BrowserContext]]:
    """Opens a tab of a new person who has come to the portal from the agent."""
    async with person_at(browser, language) as context:
        person = PersonAtPortal(await context.new_page(), portal, agent)
        await person.come()
        yield person, context

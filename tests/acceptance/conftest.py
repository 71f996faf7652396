"""One running instance for all acceptance tests."""

import inspect
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from simulators.portal import Portal, running_portal
from simulators.portal_place import PortalPlace, make_portal_place
from tests.support.browser import running_browser
from tests.support.card_reader import CardReader, card_reader
from tests.support.person_at_portal import Desk, PersonAtPortal, person_with_tab
from tests.support.running_agent import PHRASE, RunningAgent, agent_of_a_person, trust
from tests.support.running_instance import RunningInstance, instance_with_rosters

LOG_LINES = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs all these tests in one loop, because channels belong to the loop in which they were created."""
    for item in items:
        function = item.function if isinstance(item, pytest.Function) else None
        if "acceptance" in item.path.parts and inspect.iscoroutinefunction(function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the end of the services' logs to the report of a failed test."""
    report = yield
    instance = getattr(item, "funcargs", {}).get("instance")
    if report.when == "call" and report.failed and isinstance(instance, RunningInstance):
        for log in sorted((instance.launched.state / "logs").glob("*.log")):
            lines = [line for line in log.read_text(errors="replace").splitlines() if " INFO " not in line]
            if lines:
                report.sections.append((f"end of {log.name}", "\n".join(lines[-LOG_LINES:])))
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def instance() -> AsyncIterator[RunningInstance]:
    """The running instance with rosters in both categories."""
    with tempfile.TemporaryDirectory(prefix="toroku-acceptance-") as folder:
        Path(folder).chmod(0o711)
        async with instance_with_rosters(Path(folder)) as running:
            yield running


@pytest.fixture(scope="module")
def reader() -> Iterator[CardReader]:
    """The card readers of the pages with dialogues."""
    with card_reader() as reader:
        yield reader


@pytest.fixture(scope="session")
def portal_place(tmp_path_factory: pytest.TempPathFactory) -> PortalPlace:
    """Where the portal will be, which the browser has to know before."""
    return make_portal_place(tmp_path_factory.mktemp("portal"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(portal_place: PortalPlace) -> AsyncIterator[Browser]:
    """One browser for all tests; each opens a profile of its own in it."""
    async with running_browser(portal_place) as running:
        yield running


@pytest.fixture(scope="session")
def portal(portal_place: PortalPlace, instance: RunningInstance) -> Iterator[Portal]:
    """The portal of the running instance."""
    launched = instance.launched
    trusted = grpc.ssl_channel_credentials(launched.certificates.public.authority.read_bytes())
    with (
        grpc.secure_channel(launched.front_door, trusted) as channel,
        running_portal(portal_place, channel) as portal,
    ):
        yield portal


@pytest.fixture(scope="module")
def agent(
    reader: CardReader, portal_place: PortalPlace, instance: RunningInstance, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAgent]:
    """A person's agent, started, with a phrase, which trusts the instance and sees the readers."""
    launched = instance.launched
    trusted = trust(portal_place, launched.front_door, launched.certificates.public.authority)
    with agent_of_a_person(
        tmp_path_factory.mktemp("person"), {instance.profile.id: trusted}, reader.service.environment
    ) as agent:
        agent.choose_phrase(PHRASE)
        agent.start()
        yield agent


@pytest_asyncio.fixture(loop_scope="session")
async def person(browser: Browser, portal: Portal, agent: RunningAgent) -> AsyncIterator[PersonAtPortal]:
    """A person with a new tab at the portal, whose agent it knows."""
    portal.returned.clear()
    async with person_with_tab(browser, portal, agent) as (person, _):
        yield person


@pytest_asyncio.fixture(loop_scope="session")
async def desk(reader: CardReader) -> AsyncIterator[Desk]:
    """The desk with the reader, empty again at the end."""
    desk = Desk(reader)
    yield desk
    desk.pull()

"""One running instance for all acceptance tests."""

import inspect
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.card_reader import CardReader, card_reader
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

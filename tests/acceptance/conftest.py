"""One running instance for all acceptance tests."""

import inspect
import tempfile
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.running_instance import RunningInstance, instance_with_rosters

LOG_LINES = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Channels belong to the loop in which they were made, so all these tests run in one."""
    for item in items:
        function = item.function if isinstance(item, pytest.Function) else None
        if "acceptance" in item.path.parts and inspect.iscoroutinefunction(function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Whoever reads of a failed test sees what the services said meanwhile."""
    report = yield
    instance = getattr(item, "funcargs", {}).get("instance")
    if report.when == "call" and report.failed and isinstance(instance, RunningInstance):
        for log in sorted((instance.launched.state / "logs").glob("*.log")):
            said = [line for line in log.read_text(errors="replace").splitlines() if " INFO " not in line]
            if said:
                report.sections.append((f"end of {log.name}", "\n".join(said[-LOG_LINES:])))
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def instance() -> AsyncIterator[RunningInstance]:
    """The instance with rosters in both categories, and everybody who calls it."""
    with tempfile.TemporaryDirectory(prefix="toroku-acceptance-") as folder:
        Path(folder).chmod(0o711)
        async with instance_with_rosters(Path(folder)) as running:
            yield running

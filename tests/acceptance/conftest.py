"""One running instance for all acceptance tests."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.fakes.world import World, running_world


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Channels belong to the loop in which they were made, so all these tests run in one."""
    for item in items:
        if "acceptance" in item.path.parts and isinstance(item, pytest.Function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world() -> AsyncIterator[World]:
    """The instance with rosters in both categories, and everybody who calls it."""
    with tempfile.TemporaryDirectory(prefix="toroku-acceptance-") as folder:
        Path(folder).chmod(0o711)
        async with running_world(Path(folder)) as running:
            yield running

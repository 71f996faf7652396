"""The portal that the tests of this folder visit."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.example_profile import example_profile
from tests.support.services.portal import RunningPortal, running_portal


@pytest.fixture
async def portal(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningPortal]:
    """Two replicas in this process, for the example profile, on a database of their own."""
    async with running_portal(example_profile(), tmp_path, migrated_database("portal")) as running:
        yield running

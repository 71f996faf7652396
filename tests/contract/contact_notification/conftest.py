"""The service that the tests of this folder call."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.example_profile import example_profile
from tests.support.services.contact_notification import RunningContactNotification, running_contact_notification


@pytest.fixture
async def contacts(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningContactNotification]:
    """contact-notification in this process, for the example profile, on a database of its own."""
    async with running_contact_notification(
        migrated_database("contact_notification"), tmp_path, example_profile()
    ) as running:
        yield running

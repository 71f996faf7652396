"""The office of a contractor, beside a front door in this process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.changing_office import ChangingOffice, office_at
from tests.support.example_profile import example_profile
from tests.support.office import Office
from tests.support.services.front_door import running_front_door


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    """An office of its own for each test."""
    async with running_front_door(example_profile(), tmp_path) as server:
        yield Office(server, tmp_path)


@pytest.fixture
async def changing_office(tmp_path: Path) -> AsyncIterator[ChangingOffice]:
    """An office of its own for each test, whose card is registered."""
    async with office_at(tmp_path, example_profile()) as office:
        yield office

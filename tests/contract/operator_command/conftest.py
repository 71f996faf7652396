"""Services that officers' commands call, for every test of this folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.desk_service import Desk, running_desk


@pytest.fixture
async def desk(database: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A small service with acts, whose officers' files are in `tmp_path`."""
    async with running_desk(tmp_path, database) as opened:
        yield opened

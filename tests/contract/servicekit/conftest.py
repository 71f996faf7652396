"""The database whose jobs the tests of this folder run."""

from collections.abc import AsyncIterator, Callable

import pytest

from servicekit.database import Database


@pytest.fixture
def dsn(migrated_database: Callable[[str], str]) -> str:
    """The address of a migrated database."""
    return migrated_database("agency_sync")


@pytest.fixture
async def opened(dsn: str) -> AsyncIterator[Database]:
    """The same database, opened."""
    async with Database.open(dsn, pool=2) as database:
        yield database

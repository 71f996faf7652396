"""What PostgreSQL says of the rows and values it refuses does not reach the log."""

import logging
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import text

from servicekit.database import Database
from servicekit.logs import TextFormatter
from tests.fakes.scrape import found_in

SECRETS = ("髙﨑　紗也加", "埼玉県さいたま市", "1000000042")


@pytest.fixture
async def opened(database: str) -> AsyncIterator[Database]:
    async with Database.open(database, pool=2) as found:
        async with found.transaction() as connection:
            await connection.execute(
                text(
                    "CREATE TABLE person (name text PRIMARY KEY, number int CONSTRAINT small CHECK (number < 9), "
                    "address varchar(5))"
                )
            )
        yield found


async def logged(broken: Callable[[], object]) -> str:
    """The traceback as it is written."""
    raise NotImplementedError


async def error_of(opened: Database, statement: str) -> str:
    """What the log shows of a statement that fails, by both ways to the database."""
    written = []
    for way in ("sqlalchemy", "psycopg"):
        try:
            if way == "sqlalchemy":
                async with opened.transaction() as connection:
                    await connection.execute(text(statement))
            else:
                async with opened.pool.connection() as raw:
                    await raw.execute(statement.encode())
        except Exception as error:
            record = logging.makeLogRecord({"exc_info": (type(error), error, error.__traceback__), "msg": "failed"})
            written.append(TextFormatter().format(record))
    assert len(written) == 2, "both must fail"
    return "\n".join(written)

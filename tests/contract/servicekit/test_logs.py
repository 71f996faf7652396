"""What PostgreSQL says of the rows and values it refuses does not reach the log."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from servicekit.database import Database
from servicekit.logs import TextFormatter
from tests.support.scrape import find_secrets

SECRETS = ("髙﨑　紗也加", "埼玉県さいたま市", "1000000042")


@pytest.fixture
async def opened(database: str) -> AsyncIterator["TwoWays"]:
    async with Database.open(database, pool=1) as found, await psycopg.AsyncConnection.connect(database) as raw:
        await raw.set_autocommit(True)
        await raw.execute(
            "CREATE TABLE person (name text PRIMARY KEY, number int CONSTRAINT small CHECK (number < 9), "
            "address varchar(5))"
        )
        yield TwoWays(found, raw)


@dataclass(frozen=True, slots=True)
class TwoWays:
    """Both ways in which services reach their database."""

    database: Database
    raw: psycopg.AsyncConnection[Any]


async def errors_of(opened: TwoWays, statement: str) -> list[str]:
    """What the log shows of a statement that fails, by each of the two ways to the database."""
    written = []
    for way in ("sqlalchemy", "psycopg"):
        try:
            if way == "sqlalchemy":
                async with opened.database.transaction() as connection:
                    await connection.execute(text(statement))
            else:
                await opened.raw.execute(statement.encode())
        except Exception as error:
            record = logging.makeLogRecord({"exc_info": (type(error), error, error.__traceback__), "msg": "failed"})
            written.append(TextFormatter().format(record))
    assert len(written) == 2, "both must fail"
    return written


INSERT = "INSERT INTO person VALUES ('髙﨑　紗也加', 1, '埼玉県')"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (INSERT, 'duplicate key value violates unique constraint "person_pkey" [23505] person person_pkey'),
        (
            "INSERT INTO person VALUES ('x', 1000000042, '埼玉県')",
            'new row for relation "person" violates check constraint "small" [23514] person small',
        ),
    ],
)
async def test_what_was_violated_is_named_and_the_row_is_not(opened: TwoWays, statement: str, said: str) -> None:
    async with opened.database.transaction() as connection:
        await connection.execute(text(INSERT))
    for written in await errors_of(opened, statement):
        assert said in written
        assert "Traceback (most recent call last)" in written
        assert "DETAIL" not in written
        # The statement itself has places for values in our code, and stands in what SQLAlchemy says.
        assert find_secrets(written.replace(statement, ""), SECRETS) == []


async def test_a_value_that_is_none_of_its_kind_is_not_quoted(opened: TwoWays) -> None:
    for written in await errors_of(opened, "SELECT concat('髙﨑　', '紗也加')::int"):
        assert "[22P02]" in written
        assert find_secrets(written, SECRETS) == []


async def test_a_fault_in_a_statement_keeps_its_sentence(opened: TwoWays) -> None:
    for written in await errors_of(opened, "SELECT nothing FROM person"):
        assert 'column "nothing" does not exist [42703]' in written


async def test_chained_database_error_is_shortened_too(opened: TwoWays) -> None:
    async def save_card() -> None:
        try:
            await opened.raw.execute("SELECT concat('髙﨑　', '紗也加')::int")
        except Exception as inner:
            raise RuntimeError("the card can't be kept") from inner

    with pytest.raises(RuntimeError) as raised:
        await save_card()
    written = TextFormatter().formatException((RuntimeError, raised.value, raised.value.__traceback__))
    assert "RuntimeError: the card can't be kept" in written
    assert "[22P02]" in written
    assert find_secrets(written, SECRETS) == []

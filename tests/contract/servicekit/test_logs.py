"""PostgreSQL's quotes of refused rows and values do not reach the log."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from servicekit.database import Database
from servicekit.logs import TextFormatter
from servicekit.statements import Statement
from tests.support.scrape import find_secrets

SECRETS = ("髙﨑　紗也加", "埼玉県さいたま市", "1000000042")


@pytest.fixture
async def opened(database: str) -> AsyncIterator["Connections"]:
    async with Database.open(database, pool=1) as found, await psycopg.AsyncConnection.connect(database) as raw:
        await raw.set_autocommit(True)
        await raw.execute(
            "CREATE TABLE person (name text PRIMARY KEY, number int CONSTRAINT small CHECK (number < 9), "
            "address varchar(5))"
        )
        yield Connections(found, raw)


@dataclass(frozen=True, slots=True)
class Connections:
    """The two kinds of database connections that services use."""

    database: Database
    raw: psycopg.AsyncConnection[Any]


async def errors_of(opened: Connections, statement: str) -> list[str]:
    """The log text of a failing statement, for each of the two kinds of connections."""
    written = []
    for kind in ("database", "psycopg"):
        try:
            if kind == "database":
                async with opened.database.transaction() as connection:
                    await connection.change(Statement(text(statement)))
            else:
                await opened.raw.execute(statement.encode())
        except Exception as error:
            record = logging.makeLogRecord({"exc_info": (type(error), error, error.__traceback__), "msg": "failed"})
            written.append(TextFormatter().format(record))
    assert len(written) == 2, "the statement must fail on both connections"
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
async def test_violated_constraint_is_logged_without_the_row(opened: Connections, statement: str, said: str) -> None:
    async with opened.database.transaction() as connection:
        await connection.change(Statement(text(INSERT)))
    for written in await errors_of(opened, statement):
        assert said in written
        assert "Traceback (most recent call last)" in written
        assert "DETAIL" not in written
        assert find_secrets(written, SECRETS) == []


async def test_value_of_a_wrong_type_is_not_logged(opened: Connections) -> None:
    for written in await errors_of(opened, "SELECT concat('髙﨑　', '紗也加')::int"):
        assert "[22P02]" in written
        assert find_secrets(written, SECRETS) == []


async def test_error_in_a_statement_is_logged_with_its_message(opened: Connections) -> None:
    for written in await errors_of(opened, "SELECT nothing FROM person"):
        assert 'column "nothing" does not exist [42703]' in written


async def test_chained_database_error_is_shortened_too(opened: Connections) -> None:
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

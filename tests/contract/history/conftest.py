"""A database with the tables of a history, for every test of this folder."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest

from history.tables import create_history
from operator_command.history.registries import Registry
from operator_command.launcher.postgresql import ADMINISTRATOR, EmbeddedPostgreSQL
from servicekit.database import Database
from servicekit.signed_statement import SigningKey
from tests.conftest import ROLE
from tests.contract.history.desk import Desk, open_desk
from tests.support import forger
from tests.support.forger import Forgery
from tests.support.history import make_key

Forge = Callable[[Callable[[Forgery], object]], None]


@pytest.fixture
def dsn(database: str) -> str:
    """The address of a database with an empty history."""
    with psycopg.connect(database, autocommit=True) as connection:
        create_history(lambda statement: connection.execute(statement.encode()))
    return database


@pytest.fixture
async def opened(dsn: str) -> AsyncIterator[Database]:
    """The same database, opened."""
    async with Database.open(dsn, pool=4) as database:
        yield database


@pytest.fixture
def key() -> SigningKey:
    """The key that signs the heads."""
    return make_key()


@pytest.fixture
def forge(postgresql: EmbeddedPostgreSQL, dsn: str) -> Forge:
    """A function that runs a forgery as superuser, with triggers off."""
    name = dsn.partition("?")[0].rpartition("/")[2]

    def run(forgery: Callable[[Forgery], object]) -> None:
        with forger.forging(postgresql.dsn(name, ADMINISTRATOR)) as connection:
            forgery(connection)

    return run


@pytest.fixture
async def desk(
    opened: Database,
    postgresql: EmbeddedPostgreSQL,
    dsn: str,
    key: SigningKey,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Desk]:
    """The operator's officer; `opened` is the database of certificate-registry, the others have further ones."""
    async with AsyncExitStack() as stack:
        databases = {Registry.CERTIFICATE: opened}
        own = dsn.partition("?")[0].rpartition("/")[2]
        for number, registry in enumerate((Registry.QUALIFICATION, Registry.CONTACT)):
            name = f"{own}_{number}"
            stack.callback(postgresql.drop_database, name)
            further = postgresql.provide_database(name, ROLE)
            with psycopg.connect(further, autocommit=True) as connection:
                create_history(lambda statement: connection.execute(statement.encode()))  # run at once
            databases[registry] = await stack.enter_async_context(Database.open(further, pool=2))
        yield await stack.enter_async_context(open_desk(tmp_path, databases, key, monkeypatch, capsys))

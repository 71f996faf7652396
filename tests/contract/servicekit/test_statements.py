"""The statements of all services: each is prepared by PostgreSQL, and survives a migration that adds a column."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import psycopg
import pytest
from psycopg import errors, pq
from psycopg.rows import tuple_row
from sqlalchemy import text

from servicekit.database import SEARCH_PATH
from servicekit.statements import Statement

SERVICES = ("agency_sync", "certificate_registry", "contact_notification", "qualification_registry")
# Those with a history in their databases.
HISTORIES = ("certificate_registry", "contact_notification", "qualification_registry")
CANNOT_RUN = errors.FeatureNotSupported.sqlstate
TABLES = "SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public'"


def list_modules(package: str) -> list[str]:
    """Returns the names of a package's modules but for its migrations."""
    modules = walk_packages(import_module(package).__path__, f"{package}.")
    return [module.name for module in modules if ".migrations" not in module.name and ".alembic" not in module.name]


def find_statements(package: str) -> Mapping[str, Statement]:
    """Returns the statements that are constants of the package's modules, also those in a collection, by name."""
    return {
        f"{module}.{place}": statement
        for module in list_modules(package)
        for name, value in vars(import_module(module)).items()
        for place, statement in walk_value(name, value)
    }


def walk_value(place: str, value: Any) -> Iterator[tuple[str, Statement]]:
    """Yields the statements in a value and where each is."""
    if isinstance(value, Statement):
        yield place, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from walk_value(f"{place}[{key}]", part)
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from walk_value(f"{place}[{number}]", part)


def number_parameters(sql: bytes) -> tuple[bytes, list[str]]:
    """Returns psycopg's text as PostgreSQL gets it, and the names of the parameters in their order."""
    names: list[str] = []

    def number(match: re.Match[bytes]) -> bytes:
        if match[0] == b"%%":
            return b"%"
        name = match[1].decode()
        if name not in names:
            names.append(name)
        return b"$%d" % (names.index(name) + 1)

    return re.sub(rb"%%|%\((\w+)\)s", number, sql), names


class Session:
    """A session that prepares statements under their names, and runs them with NULL for each parameter."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(
            dsn, autocommit=True, row_factory=tuple_row, options=f"-c search_path={SEARCH_PATH}"
        )
        self.counts: dict[str, int] = {}

    def prepare(self, name: str, statement: Statement) -> str:
        """Prepares a statement; returns PostgreSQL's error, if there is one."""
        sql, parameters = number_parameters(statement.sql)
        self.counts[name] = len(parameters)
        result = self.connection.pgconn.prepare(name.encode(), sql)
        return "" if result.status == pq.ExecStatus.COMMAND_OK else result.get_error_message()

    def run(self, name: str) -> tuple[str, list[str]]:
        """Runs a statement and takes back what it did; returns the SQLSTATE of an error, and the result's columns."""
        with self.connection.transaction(force_rollback=True):
            values: list[Any] = [None] * self.counts[name]
            result = self.connection.pgconn.exec_prepared(name.encode(), values)
            columns = [(result.fname(number) or b"").decode() for number in range(result.nfields)]
            state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
        return state, columns

    def add_columns(self) -> None:
        """Adds a column to every table of the service, as a migration may while old code runs."""
        for (table,) in self.connection.execute(TABLES).fetchall():
            self.connection.execute(f"ALTER TABLE {table} ADD COLUMN added_later text")


@pytest.fixture
def open_session(migrated_database: Callable[[str], str]) -> Iterator[Callable[[str], Session]]:
    """Opens sessions on fresh databases of services."""
    sessions: list[Session] = []

    def open(package: str) -> Session:
        sessions.append(Session(migrated_database(package)))
        return sessions[-1]

    yield open
    for session in sessions:
        session.connection.close()


@pytest.mark.every_postgresql
@pytest.mark.parametrize("package", SERVICES)
def test_statements_are_prepared_and_survive_a_column_that_a_migration_adds(
    open_session: Callable[[str], Session], package: str
) -> None:
    session = open_session(package)
    own = find_statements(package)
    assert own
    shared = ("servicekit", "history") if package in HISTORIES else ("servicekit",)
    statements = {**own, **{name: one for library in shared for name, one in find_statements(library).items()}}
    refused = {name: error for name, statement in statements.items() if (error := session.prepare(name, statement))}
    assert not refused
    before = {name: session.run(name) for name in statements}
    session.add_columns()
    assert {name: session.run(name) for name in statements} == before
    assert CANNOT_RUN not in {state for state, _ in before.values()}
    # A row is a named tuple.
    unclear = [name for name, (_, columns) in before.items() if len({*columns} - {"?column?"}) < len(columns)]
    assert not unclear


def test_statement_with_all_columns_does_not_survive_a_further_one(open_session: Callable[[str], Session]) -> None:
    """Why a result names its columns."""
    session = open_session("certificate_registry")
    assert not session.prepare("all columns", Statement(text("SELECT * FROM bidder_state")))
    assert session.run("all columns")[0] == ""
    session.add_columns()
    assert session.run("all columns")[0] == CANNOT_RUN


@pytest.mark.parametrize("package", [*SERVICES, "servicekit", "history"])
def test_statements_are_made_for_constants_only(package: str) -> None:
    """What a function makes for itself is compiled at each call, and is not tried above."""
    for name in list_modules(package):
        module = import_module(name)
        if vars(module).get("Statement") is not Statement:
            continue
        functions = find_functions(Path(module.__file__ or ""))
        makers = {one.name for one in functions if one.returns is not None and ast.unparse(one.returns) == "Statement"}
        users = [one.name for one in functions if one.name not in makers and {"Statement", *makers} & list_calls(one)]
        assert not users, name


def find_functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Returns all functions of a module."""
    tree = ast.parse(path.read_text("utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def list_calls(function: ast.AST) -> set[str]:
    """Returns what a function calls, as it is written."""
    return {ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}

"""Raises the epoch in every database of an instance, so that what was told before a restore counts no more."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from operator_command.containers.server_databases import PASSWORD_FILE
from operator_command.topology import DATABASE_SERVICES
from refusals import Code, Refusal

_CONNECT_TIMEOUT = 10
# The tables of one row in which services keep their epoch.
_FIND_TABLE = """
SELECT table_name FROM information_schema.columns
WHERE table_schema = 'public' AND column_name = 'epoch' AND table_name = ANY (%s)
"""
_TABLES = ["epoch", "registry_state"]


@dataclass(frozen=True, slots=True)
class RaisedEpoch:
    """The epoch of a service's database; None where it keeps none."""

    service: str
    epoch: int | None


def read_databases(options: Sequence[str]) -> Mapping[str, str]:
    """Returns the addresses by service, from options SERVICE=ADDRESS.

    Raises EPOCH_DATABASE_WRONG, also where a service that keeps a database is missing: an instance of two epochs would
    have one service take for old what another one has just said.
    """
    given = dict(option.partition("=")[::2] for option in options)
    expected = [service.name for service in DATABASE_SERVICES]
    if sorted(given) != sorted(expected) or not all(given.values()) or len(given) != len(options):
        raise Refusal("EPOCH_DATABASE_WRONG", Code.INVALID_ARGUMENT, {"services": ", ".join(expected)})
    return given


@contextmanager
def opened_databases(
    addresses: Mapping[str, str], passwords: Path | None
) -> Iterator[Mapping[str, psycopg.Connection[Any]]]:
    """Connects to all databases, so that none is changed where one can't be reached; closes them at the end.

    `passwords` is a folder with one file for each service, as `toroku databases passwords` makes it. Raises
    DATABASE_NOT_REACHED, PASSWORD_FILE_UNREADABLE.
    """
    with ExitStack() as stack:
        connections = {}
        for service, address in addresses.items():
            connection = _connect(service, address, _read_password(service, passwords))
            connections[service] = stack.enter_context(connection)
        yield connections


def raise_epochs(connections: Mapping[str, psycopg.Connection[Any]]) -> Iterator[RaisedEpoch]:
    """Raises the epoch of each database by one, each in its own transaction; yields them as they are raised."""
    for service, connection in connections.items():
        tables = connection.execute(_FIND_TABLE, [_TABLES]).fetchall()
        epoch = None
        for (table,) in tables:
            raising = sql.SQL("UPDATE {} SET epoch = epoch + 1 RETURNING epoch").format(sql.Identifier(table))
            (epoch,) = connection.execute(raising).fetchone() or (None,)
        connection.commit()
        yield RaisedEpoch(service, epoch)


def _connect(service: str, address: str, password: str | None) -> psycopg.Connection[Any]:
    given: dict[str, Any] = {} if password is None else {"password": password}
    try:
        return psycopg.connect(address, connect_timeout=_CONNECT_TIMEOUT, **given)
    except psycopg.Error as error:
        # An address may have a password, so it is not shown.
        metadata = {
            "service": service,
            "cause": str(error).strip() if isinstance(error, psycopg.OperationalError) else "",
        }
        raise Refusal("DATABASE_NOT_REACHED", Code.UNAVAILABLE, metadata) from None


def _read_password(service: str, folder: Path | None) -> str | None:
    if folder is None:
        return None
    file = folder / service / PASSWORD_FILE
    try:
        return file.read_text().strip()
    except OSError as error:
        metadata = {"path": str(file), "cause": error.strerror or type(error).__name__}
        raise Refusal("PASSWORD_FILE_UNREADABLE", Code.FAILED_PRECONDITION, metadata) from None

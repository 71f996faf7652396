"""The role and the database of a service, made on any PostgreSQL server by an administrator's connection."""

from typing import Any

import psycopg
from psycopg import sql

AdministratorConnection = psycopg.Connection[tuple[Any, ...]]


def provide_role(connection: AdministratorConnection, role: str, password: str) -> None:
    """Makes a role that may log in and nothing else, and gives it this password; there already is fine."""
    # The password itself does not travel, so that no log can hold it.
    scram = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    verb = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}" if known else "CREATE ROLE {} LOGIN PASSWORD {}")
    connection.execute(verb.format(sql.Identifier(role), sql.Literal(scram.decode())))


def provide_database(connection: AdministratorConnection, name: str, role: str, *, template: str | None = None) -> None:
    """Makes a database that this role owns and no other reaches; there already is fine. Not inside a transaction."""
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        database, owner, original = map(sql.Identifier, (name, role, template or "template1"))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(database, owner, original))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))

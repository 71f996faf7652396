"""The roles and the databases of services, created over an administrator's connection to any PostgreSQL server.

The launcher and the containers both need it; they do not import each other.
"""

from typing import Any

import psycopg
from psycopg import sql

AdministratorConnection = psycopg.Connection[tuple[Any, ...]]


def provide_role(connection: AdministratorConnection, role: str, password: str) -> None:
    """Creates a role with no right but to log in, or sets the password of the existing role."""
    # Only a verifier is sent, so that no server log can contain the password.
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    statement = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}" if exists else "CREATE ROLE {} LOGIN PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(role), sql.Literal(verifier.decode())))


def provide_database(connection: AdministratorConnection, name: str, role: str, *, template: str | None = None) -> None:
    """Creates a database that only `role`, its owner, can reach; keeps an existing one. Not inside a transaction."""
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        database, owner, original = map(sql.Identifier, (name, role, template or "template1"))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(database, owner, original))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))


def allow_reading(connection: AdministratorConnection, database: str, role: str) -> None:
    """Lets a role that owns nothing connect to an existing database and read it; it may change nothing there."""
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(*map(sql.Identifier, (database, role))))
    connection.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(sql.Identifier(role)))

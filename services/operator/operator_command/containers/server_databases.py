"""The databases of an instance in containers, on one PostgreSQL server: passwords, roles, one database per service.

Each password is in a file for its one reader, which reads it for every connection.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from operator_command.database_roles import AdministratorConnection, allow_reading, provide_database, provide_role
from operator_command.instance_certificates import write_private
from operator_command.topology import DATABASE_SERVICES, READING_SERVICES, find_service
from refusals import Code, Refusal

ADMINISTRATOR = "postgres"
ADMINISTRATOR_PASSWORD = Path("postgresql", "password")
PASSWORD_FILE = "database.password"  # noqa: S105 (the name of a file)
# Seconds between two attempts to connect.
RETRY_INTERVAL = 0.5


def make_passwords(folder: Path) -> None:
    """Makes missing passwords: `<folder>/postgresql/password` and `<folder>/<service>/database.password`, all 0600."""
    administrator_file = folder / ADMINISTRATOR_PASSWORD
    if not administrator_file.exists():
        administrator_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(administrator_file, secrets.token_urlsafe(24).encode())
    for service in (*DATABASE_SERVICES, *READING_SERVICES):
        file = folder / service.name / PASSWORD_FILE
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(file, secrets.token_urlsafe(24).encode())


def provide_databases(
    host: str, port: int, secrets_folder: Path, *, timeout: float, report: Callable[[str], None]
) -> None:
    """Waits for the server, then creates the role and the database of every service; existing ones are kept.

    A service that reads another's database gets a role that may change nothing there.
    Raises DATABASE_SERVER_SILENT after `timeout` seconds, with the last error, and PASSWORD_FILE_UNREADABLE.
    """
    with _connect(host, port, secrets_folder / ADMINISTRATOR_PASSWORD, timeout) as connection:
        for service in DATABASE_SERVICES:
            provide_role(connection, service.identifier, _read(secrets_folder / service.name / PASSWORD_FILE))
            provide_database(connection, service.identifier, service.identifier)
            report(f"database {service.identifier} exists, owned by the role {service.identifier}")
        for service in READING_SERVICES:
            database = find_service(service.reads_database_of).identifier
            provide_role(connection, service.identifier, _read(secrets_folder / service.name / PASSWORD_FILE))
            allow_reading(connection, database, service.identifier)
            report(f"database {database} may be read by the role {service.identifier}")


def _connect(host: str, port: int, password_file: Path, timeout: float) -> AdministratorConnection:
    deadline = time.monotonic() + timeout
    while True:
        try:
            return psycopg.connect(
                host=host,
                port=port,
                user=ADMINISTRATOR,
                dbname="postgres",
                password=_read(password_file),
                autocommit=True,
                connect_timeout=5,
            )
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                metadata = {"server": f"{host}:{port}", "cause": str(error).strip()}
                raise Refusal("DATABASE_SERVER_SILENT", Code.UNAVAILABLE, metadata) from None
            time.sleep(RETRY_INTERVAL)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        metadata = {"path": str(file), "cause": error.strerror or type(error).__name__}
        raise Refusal("PASSWORD_FILE_UNREADABLE", Code.FAILED_PRECONDITION, metadata) from None

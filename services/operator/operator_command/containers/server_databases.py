"""One PostgreSQL server for all services of an instance in containers: passwords, roles, and a database for each.

A password stands in a file that only its reader has: the services' in libpq's own form (pgpass), so that an address can
name the file and hold no secret itself.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from operator_command.database_roles import AdministratorConnection, provide_database, provide_role
from operator_command.instance_certificates import write_private
from operator_command.topology import SERVICES, Service
from refusals import Code, Refusal

ADMINISTRATOR = "postgres"
ADMINISTRATOR_PASSWORD = Path("postgresql", "password")
PASSWORD_FILE = "database.pgpass"  # noqa: S105 (the name of a file)
LOOK_INTERVAL = 0.5


def keepers() -> list[Service]:
    """The services that keep a database."""
    return [service for service in SERVICES if service.keeps_database]


def make_passwords(into: Path) -> None:
    """Makes what is missing: `<into>/postgresql/password` and `<into>/<service>/database.pgpass`, all 0600."""
    administrators = into / ADMINISTRATOR_PASSWORD
    if not administrators.exists():
        administrators.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(administrators, secrets.token_urlsafe(24).encode())
    for service in keepers():
        file = into / service.name / PASSWORD_FILE
        if not file.exists():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Any server and any database: the file has this one password for this one role.
            write_private(file, f"*:*:*:{service.identifier}:{secrets.token_urlsafe(24)}\n".encode())


def provide_databases(
    host: str, port: int, secrets_folder: Path, *, within: float, said: Callable[[str], None]
) -> None:
    """Waits for the server, then makes the role and the database of every service; there already is fine.

    Raises DATABASE_SERVER_SILENT, with the server's own words, and PASSWORD_FILE_UNREADABLE.
    """
    password = _read(secrets_folder / ADMINISTRATOR_PASSWORD).strip()
    with _connected(host, port, password, within) as connection:
        for service in keepers():
            own = _read(secrets_folder / service.name / PASSWORD_FILE).strip().rpartition(":")[2]
            provide_role(connection, service.identifier, own)
            provide_database(connection, service.identifier, service.identifier)
            said(f"database {service.identifier} is there, owned by the role {service.identifier}")


def _connected(host: str, port: int, password: str, within: float) -> AdministratorConnection:
    deadline = time.monotonic() + within
    while True:
        try:
            return psycopg.connect(
                host=host,
                port=port,
                user=ADMINISTRATOR,
                dbname="postgres",
                password=password,
                autocommit=True,
                connect_timeout=5,
            )
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                metadata = {"server": f"{host}:{port}", "cause": str(error).strip()}
                raise Refusal("DATABASE_SERVER_SILENT", Code.UNAVAILABLE, metadata) from None
            time.sleep(LOOK_INTERVAL)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        metadata = {"path": str(file), "cause": error.strerror or type(error).__name__}
        raise Refusal("PASSWORD_FILE_UNREADABLE", Code.FAILED_PRECONDITION, metadata) from None

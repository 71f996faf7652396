"""The settings of a service, from environment variables that begin with TOROKU_."""

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from servicekit.exceptions import CommandFailed


class EnvironmentSettings(BaseModel):
    """Settings that are environment variables: the names of the fields in upper case, behind TOROKU_."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls) -> Self:
        """Returns the settings of this process; raises pydantic.ValidationError, which `program.run` explains."""
        variables = {name: f"TOROKU_{name.upper()}" for name in cls.model_fields}
        given = {name: os.environ[variable] for name, variable in variables.items() if variable in os.environ}
        return cls.model_validate(given)


class ServiceSettings(EnvironmentSettings):
    """The settings of every service. Addresses are `host:port`; without an address a listener is not opened."""

    profile: Path
    profile_overlay: Path | None = None

    internal_listen: str = ""
    agency_listen: str = ""
    health_listen: str = ""
    metrics_listen: str = Field(default="", pattern=r"^(.*:[0-9]{1,5})?$")

    # The service's certificate and key (PEM), and the CAs that it trusts, one or more in each file: those that sign the
    # certificates themselves. Reloaded whenever they change.
    certificate: Path
    private_key: Path
    services_ca: Path
    agency_clients_ca: Path | None = None
    # Without them no officer is admitted, also not by the portal.
    officer_clients_ca: Path | None = None
    # The file of registered agencies and officers, with their key fingerprints.
    callers: Path | None = None
    # The public keys (PEM) that verify officer proofs; without them the portal's are refused.
    officer_proof_public_keys: Path | None = None

    # What the internal and the agency listener admit, each, in one process: connections, calls at a time on one
    # connection, and calls that are answered at a time in all; more are refused with SERVER_BUSY.
    connections: int = Field(default=2000, ge=1)
    streams_per_connection: int = Field(default=1000, ge=1)
    concurrent_calls: int = Field(default=4000, ge=1)
    # Seconds after which a connection is closed that has not finished its handshake, or has no call; on every listener.
    handshake_timeout: float = Field(default=10, gt=0)
    idle_timeout: float = Field(default=300, gt=0)

    otlp_endpoint: str = ""
    # The share of calls to trace where the caller did not decide, 0 to 1.
    trace_sampling: float = Field(default=0.01, ge=0, le=1)
    # Seconds that running calls have to finish after a stop was requested.
    stop_grace: float = 10


class DatabaseAddress(EnvironmentSettings):
    """The address of a service's database."""

    # postgresql://ROLE@HOST:5432/DATABASE, or libpq's name=value form. May contain a password, so it is never shown;
    # TLS may be given by libpq's variables (PGSSLMODE, PGSSLROOTCERT).
    database: str = Field(repr=False)
    # The file with the role's password, which is read for every connection: a changed password needs no restart.
    database_password_file: Path | None = None
    # Whether the address is that of a transaction pooler (PgBouncer). Servers only.
    database_pooled: bool = False

    def direct_database(self, who: str) -> str:
        """Returns the address for a process that needs its own sessions; raises CommandFailed if it is a pooler's."""
        if self.database_pooled:
            raise CommandFailed(
                f"TOROKU_DATABASE_POOLED is true, and {who} needs its own session, which a transaction pooler does not "
                "provide: set TOROKU_DATABASE to the database's direct address and omit TOROKU_DATABASE_POOLED"
            )
        return self.database


class MigrationSettings(DatabaseAddress):
    """The settings of the commands `migrate` and `migrate-after`. Both waits are in seconds."""

    # How long to wait for a database that does not answer yet.
    database_patience: float = Field(default=120, ge=0)
    # How long to wait for another migration of the same database.
    migration_lock_patience: float = Field(default=600, ge=0)


class DatabaseSettings(ServiceSettings, DatabaseAddress):
    """The settings of a service with a database."""

    # Connections of a process, without the worker's own (servicekit/job_connector.py).
    database_pool: int = Field(default=8, ge=1)

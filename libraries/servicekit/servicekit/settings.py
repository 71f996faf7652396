"""The settings of a service, from environment variables that begin with TOROKU_."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from servicekit.exceptions import CommandFailed


class ServiceSettings(BaseSettings):
    """What every service is told. Addresses are `host:port`; an empty one means that the listener is not opened."""

    model_config = SettingsConfigDict(env_prefix="TOROKU_", frozen=True)

    profile: Path
    profile_overlay: Path | None = None

    internal_listen: str = ""
    agency_listen: str = ""
    health_listen: str = ""
    metrics_listen: str = Field(default="", pattern=r"^(.*:[0-9]{1,5})?$")

    # The service's own certificate and key (PEM), and the CAs that it trusts; read again whenever they change.
    certificate: Path
    private_key: Path
    services_ca: Path
    agency_clients_ca: Path | None = None
    # Which agencies and officers are registered, with their key fingerprints.
    callers: Path | None = None

    otlp_endpoint: str = ""
    # The share of calls that are traced where the caller did not decide, 0 to 1.
    trace_sampling: float = Field(default=0.01, ge=0, le=1)
    # How long running calls may finish after a stop was asked for, in seconds.
    stop_grace: float = 10


class DatabaseAddress(BaseSettings):
    """Where a service's database is."""

    model_config = SettingsConfigDict(env_prefix="TOROKU_", frozen=True)

    # postgresql://ROLE@HOST:5432/DATABASE, or libpq's name=value form. May hold a password, so it is never shown; the
    # password and TLS may come by libpq's own variables instead (PGPASSWORD, PGSSLMODE, PGSSLROOTCERT).
    database: str = Field(repr=False)
    # Whether a transaction pooler (PgBouncer) stands between. Servers only.
    database_pooled: bool = False

    def direct_database(self, who: str) -> str:
        """The address for a process that needs sessions of its own; CommandFailed where a pooler stands between."""
        if self.database_pooled:
            raise CommandFailed(
                f"TOROKU_DATABASE_POOLED is true, and {who} needs a session of its own, which a transaction pooler "
                "does not give: set TOROKU_DATABASE to the database's direct address and leave TOROKU_DATABASE_POOLED "
                "out"
            )
        return self.database


class MigrationSettings(DatabaseAddress):
    """All that the commands `migrate` and `migrate-after` need. Both waits are in seconds."""

    # How long to wait for a database that does not answer yet.
    database_patience: float = Field(default=120, ge=0)
    # How long to wait for another migration of the same database.
    migration_lock_patience: float = Field(default=600, ge=0)


class DatabaseSettings(ServiceSettings, DatabaseAddress):
    """The settings of a service that keeps a database."""

    # Connections of a process, but for the worker's own (servicekit/jobs.py) and those of `ResolveUser`.
    database_pool: int = Field(default=8, ge=1)

"""The settings of a service, from environment variables that begin with TOROKU_."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


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


class MigrationSettings(BaseSettings):
    """All that the command `migrate` needs."""

    model_config = SettingsConfigDict(env_prefix="TOROKU_", frozen=True)

    database: str = Field(repr=False)


class DatabaseSettings(ServiceSettings):
    """The settings of a service that keeps a database."""

    # postgresql://…; holds a password, so it is never shown. A direct connection: workers need a session.
    database: str = Field(repr=False)
    database_pool: int = 8

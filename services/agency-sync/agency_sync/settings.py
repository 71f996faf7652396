"""The settings of agency-sync."""

from servicekit.settings import DatabaseSettings


class Settings(DatabaseSettings):
    """What the service is told by its environment."""

    qualification_registry_endpoint: str
    certificate_registry_endpoint: str

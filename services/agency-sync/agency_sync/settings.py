"""The settings of agency-sync."""

from servicekit.settings import DatabaseSettings

SERVICE = "agency-sync"
PACKAGE = "agency_sync"


class Settings(DatabaseSettings):
    """The settings, read from the environment."""

    certificate_registry_endpoint: str
    contact_notification_endpoint: str

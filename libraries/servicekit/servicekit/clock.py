"""The clock of a service; domain code gets the time as an argument."""

from datetime import UTC, datetime


def now() -> datetime:
    """Returns the current instant as an aware datetime in UTC."""
    return datetime.now(UTC)

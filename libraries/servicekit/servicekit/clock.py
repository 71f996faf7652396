"""The clock of a service; domains get the time passed in."""

from datetime import UTC, datetime


def now() -> datetime:
    """The instant, in UTC and with its zone."""
    return datetime.now(UTC)

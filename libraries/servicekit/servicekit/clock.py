"""The clock of this process; domain code gets the time as an argument.

What is stored and compared later comes from the database's clock (`servicekit.database_clock`).
"""

from datetime import UTC, datetime


def now() -> datetime:
    """Returns the current instant of this process's clock as an aware datetime in UTC."""
    return datetime.now(UTC)

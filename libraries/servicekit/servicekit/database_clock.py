"""The clock of a service's database: what is stored and compared later comes from it alone (ADR 15)."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Reads the instant from the database of a connection.
DatabaseClock = Callable[[Connection], Awaitable[datetime]]
# A due time or a claim further ahead than its longest interval was written when the database's clock was wrong, and
# counts as over. The leeway is for transactions that began earlier and see what a later one wrote.
LEEWAY = timedelta(minutes=1)

_NOW = Statement(select(func.now()))


async def read_time(connection: Connection) -> datetime:
    """Returns the instant of the database's clock in UTC: in a transaction that of its beginning."""
    instant: datetime = connection.began_at or await connection.fetch_value(_NOW)
    return instant.astimezone(UTC)

"""The clock of a service's database: what is stored and compared later comes from it alone (ADR 15)."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Reads the instant from the database of a connection.
DatabaseClock = Callable[[Connection], Awaitable[datetime]]
# Returns what a statement with `STATEMENT_TIME` takes as `now`: None where it reads the database's clock itself.
StatementClock = Callable[[Connection], datetime | None]
# The instant of a statement that needs one, so that no other has to ask before it.
STATEMENT_TIME = "coalesce(CAST(:now AS timestamptz), now())"
# A due time or a claim further ahead than its longest interval was written when the database's clock was wrong, and
# counts as over. The leeway is for transactions that began earlier and see what a later one wrote.
LEEWAY = timedelta(minutes=1)

_NOW = Statement(select(func.now()))


async def read_time(connection: Connection) -> datetime:
    """Returns the instant of the database's clock in UTC: in a transaction that of its beginning."""
    instant: datetime = connection.began_at or await connection.fetch_value(_NOW)
    return instant.astimezone(UTC)


def write_interval(duration: timedelta) -> str:
    """Returns a constant as PostgreSQL's interval, to be added to an instant of a statement."""
    return f"interval '{duration.total_seconds()} seconds'"


def find_time(connection: Connection) -> datetime | None:
    """Returns the instant at which the connection's transaction began; None outside of one."""
    return connection.began_at

"""The clocks of a service; domain code gets the time as an argument.

What is stored and compared later comes from the database's clock, which all processes of a service share (ADR 15).
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

# Reads the instant from the database of a connection.
DatabaseClock = Callable[[AsyncConnection], Awaitable[datetime]]
# A due time or a claim further ahead than its longest interval was written when the database's clock was wrong, and
# counts as over. The leeway is for transactions that began earlier and see what a later one wrote.
LEEWAY = timedelta(minutes=1)


def now() -> datetime:
    """Returns the current instant of this process's clock as an aware datetime in UTC."""
    return datetime.now(UTC)


async def read_time(connection: AsyncConnection) -> datetime:
    """Returns the instant of the database's clock in UTC: in a transaction that of its beginning."""
    instant: datetime = (await connection.execute(select(func.now()))).scalar_one()
    return instant.astimezone(UTC)

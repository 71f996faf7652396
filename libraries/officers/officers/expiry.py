"""Challenges and outcomes that are too old are deleted, in portions. Proposals are kept."""

from datetime import datetime, timedelta

from sqlalchemy import Column, DateTime, MetaData, Table, bindparam

from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.deletion import delete_in_portions, write_deletion

# A challenge is good for five minutes, and afterwards says for a while why it is not.
CHALLENGE_DAYS = timedelta(days=1)
# So long a repetition of a request is answered as the first time.
OUTCOME_DAYS = timedelta(days=90)

_metadata = MetaData()
_challenge = Table("officer_challenge", _metadata, Column("created_at", DateTime(timezone=True)))
_outcome = Table("officer_outcome", _metadata, Column("recorded_at", DateTime(timezone=True)))
_DELETE_CHALLENGES = write_deletion(
    _challenge, _challenge.c.created_at < bindparam("before"), oldest=_challenge.c.created_at
)
_DELETE_OUTCOMES = write_deletion(_outcome, _outcome.c.recorded_at < bindparam("before"), oldest=_outcome.c.recorded_at)


async def delete_expired(database: Database, now: datetime) -> int:
    """Deletes challenges after a day and outcomes after 90 days; returns how many rows."""

    async def delete_challenges(connection: Connection, *, most: int) -> int:
        return await connection.change(_DELETE_CHALLENGES, before=now - CHALLENGE_DAYS, most=most)

    async def delete_outcomes(connection: Connection, *, most: int) -> int:
        return await connection.change(_DELETE_OUTCOMES, before=now - OUTCOME_DAYS, most=most)

    challenges = await delete_in_portions(database.single_change, delete_challenges)
    return challenges + await delete_in_portions(database.single_change, delete_outcomes)

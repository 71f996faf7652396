"""Counts of searches, by card and entered id (QUA-06)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import case, delete, func, or_, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from qualification_registry.domain.throttle import Count, Scope
from qualification_registry.store.tables import search_counts
from servicekit.database_clock import LEEWAY


async def count_try(
    connection: AsyncConnection, keys: Mapping[Scope, bytes], *, now: datetime, window: timedelta
) -> Mapping[Scope, Count]:
    """Counts one try in each scope; returns the counts. After the end of a window a new one begins.

    A window that ends later than any could, by a clock that was wrong or a profile that had a longer one, is over.
    Scopes are locked in one order, and a try has one key in each, so concurrent tries cannot deadlock.
    """
    counts: dict[Scope, Count] = {}
    window_ends = now + window
    for scope in (scope for scope in Scope if scope in keys):
        statement = insert(search_counts).values(scope=scope, key=keys[scope], tries=1, window_ends=window_ends)
        is_over = or_(search_counts.c.window_ends <= now, search_counts.c.window_ends > window_ends + LEEWAY)
        counted = await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["scope", "key"],
                set_={
                    "tries": case((is_over, 1), else_=search_counts.c.tries + 1),
                    "window_ends": case((is_over, window_ends), else_=search_counts.c.window_ends),
                },
            ).returning(search_counts.c.tries, search_counts.c.window_ends)
        )
        counts[scope] = Count(*counted.one())
    return counts


async def revert_try(connection: AsyncConnection, keys: Mapping[Scope, bytes]) -> None:
    """Deletes the tries of this card on this id, and subtracts one try from card and bidder: it found its bidder."""
    await connection.execute(
        delete(search_counts).where(
            search_counts.c.scope == Scope.CARD_AND_ID, search_counts.c.key == keys[Scope.CARD_AND_ID]
        )
    )
    for scope in (Scope.CARD, Scope.BIDDER):
        await connection.execute(
            update(search_counts)
            .where(tuple_(search_counts.c.scope, search_counts.c.key) == tuple_(scope.value, keys[scope]))
            .values(tries=func.greatest(search_counts.c.tries - 1, 0))
        )


async def delete_expired(connection: AsyncConnection, *, now: datetime) -> int:
    """Deletes the counts whose window has ended; returns how many."""
    return (await connection.execute(delete(search_counts).where(search_counts.c.window_ends <= now))).rowcount

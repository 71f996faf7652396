"""Counts of searches, by card and entered id (QUA-06)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import bindparam, case, delete, func, or_, update
from sqlalchemy.dialects.postgresql import insert

from qualification_registry.domain.throttle import Count, Scope
from qualification_registry.store.tables import search_counts
from servicekit.database_clock import LEEWAY
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns

_IS_OVER = or_(
    search_counts.c.window_ends <= bindparam("now"), search_counts.c.window_ends > bindparam("longest_window")
)
_COUNT_TRY = Statement(
    insert(search_counts)
    .values({**bind_columns("scope", "key", "window_ends"), "tries": 1})
    .on_conflict_do_update(
        index_elements=["scope", "key"],
        set_={
            "tries": case((_IS_OVER, 1), else_=search_counts.c.tries + 1),
            "window_ends": case((_IS_OVER, bindparam("window_ends")), else_=search_counts.c.window_ends),
        },
    )
    .returning(search_counts.c.tries, search_counts.c.window_ends)
)
_FORGET_TRIES = Statement(
    delete(search_counts).where(search_counts.c.scope == bindparam("scope"), search_counts.c.key == bindparam("key"))
)
_REVERT_TRY = Statement(
    update(search_counts)
    .where(search_counts.c.scope == bindparam("scope"), search_counts.c.key == bindparam("key"))
    .values(tries=func.greatest(search_counts.c.tries - 1, 0))
)
_DELETE_EXPIRED = write_deletion(
    search_counts, search_counts.c.window_ends <= bindparam("now"), oldest=search_counts.c.window_ends
)


async def count_try(
    connection: Connection, keys: Mapping[Scope, bytes], *, now: datetime, window: timedelta
) -> Mapping[Scope, Count]:
    """Counts one try in each scope; returns the counts. After the end of a window a new one begins.

    A window that ends later than any could, by a clock that was wrong or a profile that had a longer one, is over.
    Scopes are locked in one order, and a try has one key in each, so concurrent tries cannot deadlock.
    """
    counts: dict[Scope, Count] = {}
    window_ends = now + window
    for scope in (scope for scope in Scope if scope in keys):
        count = await connection.fetch_row(
            _COUNT_TRY,
            scope=scope,
            key=keys[scope],
            now=now,
            window_ends=window_ends,
            longest_window=window_ends + LEEWAY,
        )
        counts[scope] = Count(*count)
    return counts


async def revert_try(connection: Connection, keys: Mapping[Scope, bytes]) -> None:
    """Deletes the tries of this card on this id, and subtracts one try from card and bidder: it found its bidder."""
    await connection.change(_FORGET_TRIES, scope=Scope.CARD_AND_ID, key=keys[Scope.CARD_AND_ID])
    for scope in (Scope.CARD, Scope.BIDDER):
        await connection.change(_REVERT_TRY, scope=scope, key=keys[scope])


async def delete_expired(connection: Connection, *, now: datetime, most: int) -> int:
    """Deletes at most `most` counts whose window has ended; returns how many."""
    return await connection.change(_DELETE_EXPIRED, now=now, most=most)

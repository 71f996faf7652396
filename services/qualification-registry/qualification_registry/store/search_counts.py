"""Counts of searches, by card and entered id (QUA-06)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, text

from qualification_registry.domain.throttle import Count, Scope
from qualification_registry.store.tables import search_counts
from servicekit.database_clock import LEEWAY, STATEMENT_TIME, write_interval
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement

# A window that ends later than any could, by a clock that was wrong or a profile that had a longer one, is over.
_WINDOW_ENDS = f"{STATEMENT_TIME} + CAST(:window AS interval)"
_IS_OVER = f"(count.window_ends <= {STATEMENT_TIME} OR count.window_ends > {_WINDOW_ENDS} + {write_interval(LEEWAY)})"
_COUNT_AGAIN = f"""
            ON CONFLICT (scope, key) DO UPDATE SET
                tries = CASE WHEN {_IS_OVER} THEN 1 ELSE count.tries + 1 END,
                window_ends = CASE WHEN {_IS_OVER} THEN excluded.window_ends ELSE count.window_ends END
            RETURNING scope, tries, window_ends
"""
# Tries of the card come first: the other part is counted after all of them, and only where none is too many.
_COUNT_TRY = Statement(
    text(
        f"""
        WITH of_card AS (
            INSERT INTO search_counts AS count (scope, key, tries, window_ends)
            SELECT scope, key, 1, {_WINDOW_ENDS}
            FROM unnest(CAST(:scopes AS text[]), CAST(:keys AS bytea[])) AS tried (scope, key)
            {_COUNT_AGAIN}
        ), of_bidder AS (
            INSERT INTO search_counts AS count (scope, key, tries, window_ends)
            SELECT :bidder_scope, :bidder_key, 1, {_WINDOW_ENDS}
            WHERE NOT EXISTS (
                SELECT FROM of_card
                JOIN unnest(CAST(:scopes AS text[]), CAST(:limits AS integer[])) AS limited (scope, most) USING (scope)
                WHERE tries > most
            )
            {_COUNT_AGAIN}
        )
        SELECT scope, tries, window_ends, {STATEMENT_TIME} AS at FROM of_card
        UNION ALL
        SELECT scope, tries, window_ends, {STATEMENT_TIME} AS at FROM of_bidder
        """  # noqa: S608 - of constants only
    ).bindparams(bidder_scope=Scope.BIDDER.value)
)
# Rows are locked in the order in which they are counted, whatever the plan of the changes is.
_REVERT_TRY = Statement(
    text(
        """
        WITH tried AS MATERIALIZED (
            SELECT scope, key
            FROM search_counts count
            JOIN unnest(CAST(:scopes AS text[]), CAST(:keys AS bytea[])) WITH ORDINALITY AS counted (scope, key, place)
                USING (scope, key)
            ORDER BY place
            FOR UPDATE OF count
        ), forgotten AS (
            DELETE FROM search_counts count USING tried
            WHERE count.scope = tried.scope AND count.key = tried.key AND tried.scope = :card_and_id
        )
        UPDATE search_counts count SET tries = greatest(count.tries - 1, 0) FROM tried
        WHERE count.scope = tried.scope AND count.key = tried.key AND tried.scope <> :card_and_id
        """
    ).bindparams(card_and_id=Scope.CARD_AND_ID.value)
)
_DELETE_EXPIRED = write_deletion(
    search_counts, search_counts.c.window_ends <= bindparam("now"), oldest=search_counts.c.window_ends
)


async def count_try(
    connection: Connection,
    keys: Mapping[Scope, bytes],
    *,
    limits: Mapping[Scope, int],
    now: datetime | None,
    window: timedelta,
) -> tuple[Mapping[Scope, Count], datetime]:
    """Counts one try in each scope with a limit, and by bidder unless it is beyond a limit.

    Returns the counts, and the instant of the try; `now`: see `STATEMENT_TIME`. After the end of a window a new one
    begins. Concurrent tries cannot deadlock: each has one key in a scope, and all lock their rows in the order of
    `keys`, the bidder's last.
    """
    rows = await connection.fetch_rows(
        _COUNT_TRY,
        scopes=list(limits),
        keys=[keys[scope] for scope in limits],
        limits=list(limits.values()),
        bidder_key=keys[Scope.BIDDER],
        now=now,
        window=window,
    )
    return {Scope(row.scope): Count(row.tries, row.window_ends) for row in rows}, rows[0].at.astimezone(UTC)


async def revert_try(connection: Connection, keys: Mapping[Scope, bytes]) -> None:
    """Deletes the tries of this card on this id, and subtracts one try from card and bidder: it found its bidder."""
    await connection.change(_REVERT_TRY, scopes=list(keys), keys=list(keys.values()))


async def delete_expired(connection: Connection, *, now: datetime, most: int) -> int:
    """Deletes at most `most` counts whose window has ended; returns how many."""
    return await connection.change(_DELETE_EXPIRED, now=now, most=most)

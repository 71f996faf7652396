"""Reads the feeds: heads, changes in their order, and how far subscribers say that they have come."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, text

from agency_sync.domain.feed import Change, FeedHead, FeedKey, SubscriberLag
from agency_sync.store.feed_columns import CARD_COLUMNS, read_card
from agency_sync.store.tables import feed_entries, feed_subscribers
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement

# A head of an older epoch counts as that of this one (store/tables.py). The numbers of a feed have no gaps, so the
# first entry that is kept says which ones are gone.
_HEAD = Statement(
    text(
        """
        SELECT epoch.epoch, coalesce(head.number, 0) AS number, coalesce(
            (
                SELECT number - 1 FROM feed_entries
                WHERE agency = :agency AND category = :category AND epoch = epoch.epoch ORDER BY number LIMIT 1
            ),
            head.number,
            0
        ) AS kept_after, statement_timestamp() AS as_of
        FROM epoch LEFT JOIN feed_heads head ON head.agency = :agency AND head.category = :category
        """
    )
)

_HEADS = Statement(
    text(
        """
        SELECT head.agency, head.category, epoch.epoch, coalesce(head.number, 0) AS number,
            statement_timestamp() AS as_of
        FROM epoch LEFT JOIN feed_heads head ON true
        """
    )
)

_CHANGES = Statement(
    text(
        f"""
        SELECT epoch, number, committed_at, certificate_sha256, {CARD_COLUMNS}
        FROM feed_entries
        WHERE agency = :agency AND category = :category AND epoch = :epoch AND number > :after AND number <= :until
        ORDER BY number LIMIT :most
        """  # noqa: S608  # constants
    )
)

_ACKNOWLEDGE = Statement(
    text(
        """
        INSERT INTO feed_subscribers AS kept (agency, category, subscriber, epoch, number, acknowledged_at)
        VALUES (:agency, :category, :subscriber, :epoch, :number, now())
        ON CONFLICT (agency, category, subscriber) DO UPDATE
        SET epoch = excluded.epoch, number = excluded.number, acknowledged_at = excluded.acknowledged_at
        """
    )
)

# Since when the first entry waits that a subscriber has not acknowledged; of one that has deleted entries or an older
# epoch before it, since it acknowledged last.
_LAGS = Statement(
    text(
        """
        SELECT subscriber.agency, subscriber.category, subscriber.subscriber, coalesce(
            (
                SELECT committed_at FROM feed_entries entry
                WHERE entry.agency = subscriber.agency AND entry.category = subscriber.category
                    AND entry.epoch = subscriber.epoch AND entry.number = subscriber.number + 1
            ),
            subscriber.acknowledged_at
        ) AS since
        FROM feed_subscribers subscriber JOIN feed_heads head USING (agency, category), epoch
        WHERE subscriber.epoch < epoch.epoch OR subscriber.number < head.number
        ORDER BY since LIMIT :most
        """
    )
)

_DELETE_ENTRIES = write_deletion(
    feed_entries, feed_entries.c.committed_at < bindparam("before"), oldest=feed_entries.c.committed_at
)
_DELETE_SUBSCRIBERS = write_deletion(
    feed_subscribers,
    feed_subscribers.c.acknowledged_at < bindparam("before"),
    oldest=feed_subscribers.c.acknowledged_at,
)


async def read_head(connection: Connection, feed: FeedKey) -> FeedHead:
    """Returns the head of a feed; one without entries has the number 0."""
    row: Any = await connection.fetch_row(_HEAD, agency=feed[0], category=feed[1])
    return FeedHead(row.epoch, row.number, row.kept_after, row.as_of)


async def read_heads(connection: Connection) -> tuple[int, Mapping[FeedKey, int], datetime]:
    """Returns the epoch, the last number of every feed that has entries, and the database's time."""
    rows: list[Any] = await connection.fetch_rows(_HEADS)
    numbers = {(row.agency, row.category): row.number for row in rows if row.agency is not None}
    return rows[0].epoch, numbers, rows[0].as_of


async def list_changes(
    connection: Connection, feed: FeedKey, *, epoch: int, after: int, until: int, most: int
) -> Sequence[Change]:
    """Returns the changes of a feed after a number and up to another one, in their order, at most `most`."""
    rows: list[Any] = await connection.fetch_rows(
        _CHANGES, agency=feed[0], category=feed[1], epoch=epoch, after=after, until=until, most=most
    )
    return [Change(row.epoch, row.number, row.committed_at, row.certificate_sha256, read_card(row)) for row in rows]


async def acknowledge(connection: Connection, feed: FeedKey, subscriber: str, *, epoch: int, number: int) -> None:
    """Notes how far a subscriber has come."""
    await connection.change(
        _ACKNOWLEDGE, agency=feed[0], category=feed[1], subscriber=subscriber, epoch=epoch, number=number
    )


async def list_lags(connection: Connection, *, most: int) -> Sequence[SubscriberLag]:
    """Returns the subscribers that are behind the head of their feed, at most `most`, the furthest behind first."""
    rows: list[Any] = await connection.fetch_rows(_LAGS, most=most)
    return [SubscriberLag(row.agency, row.category, row.subscriber, row.since) for row in rows]


async def delete_entries(connection: Connection, *, most: int, before: datetime) -> int:
    """Deletes the oldest entries before an instant, at most `most`; returns how many."""
    return await connection.change(_DELETE_ENTRIES, most=most, before=before)


async def delete_subscribers(connection: Connection, *, most: int, before: datetime) -> int:
    """Deletes subscribers that have said nothing since an instant, at most `most`; returns how many."""
    return await connection.change(_DELETE_SUBSCRIBERS, most=most, before=before)

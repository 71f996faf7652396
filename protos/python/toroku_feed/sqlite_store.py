"""A copy of one feed in a file (SQLite). Several processes may read it while one writes."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from toroku.agencysync.v1.agency_sync_pb2 import HistoryHead
from toroku.agencysync.v1.feed_pb2 import Change
from toroku_feed.store import Feed, Position, PositionMoved, Progress

_TABLES = """
    CREATE TABLE IF NOT EXISTS feed (instance TEXT NOT NULL, agency TEXT NOT NULL, category TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS card (certificate_sha256 BLOB PRIMARY KEY, entry BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS progress (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        epoch INTEGER NOT NULL, number INTEGER NOT NULL, as_of TEXT NOT NULL, validity_seconds REAL NOT NULL
    );
    CREATE TABLE IF NOT EXISTS head (
        service TEXT NOT NULL, hour INTEGER NOT NULL, position INTEGER NOT NULL, head TEXT NOT NULL,
        PRIMARY KEY (service, hour)
    ) WITHOUT ROWID;
"""
_READ_PROGRESS = "SELECT epoch, number, as_of, validity_seconds FROM progress"
# A card's entry and the progress, from one moment.
_FIND = """
    SELECT progress.epoch, progress.number, progress.as_of, progress.validity_seconds, card.entry
    FROM progress LEFT JOIN card ON card.certificate_sha256 = ?
"""
_WRITE_CARD = "INSERT OR REPLACE INTO card (certificate_sha256, entry) VALUES (?, ?)"
_WRITE_PROGRESS = "INSERT OR REPLACE INTO progress (id, epoch, number, as_of, validity_seconds) VALUES (1, ?, ?, ?, ?)"
_FIND_HEAD = "SELECT head FROM head WHERE service = ? AND position = ?"
_WRITE_HEAD = """
    INSERT INTO head (service, hour, position, head) VALUES (?, ?, ?, ?)
    ON CONFLICT (service, hour) DO UPDATE SET position = excluded.position, head = excluded.head
    WHERE head.position < excluded.position
"""
# Seconds that a process waits for another one that writes.
_PATIENCE = 30.0


class SqliteStore:
    """The copy of one feed in a file. Close it at the end."""

    def __init__(self, file: Path, feed: Feed) -> None:
        """Opens the file, and makes it where it is missing. Raises ValueError where it is the copy of another feed."""
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._writer = _connect(file)
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.executescript(_TABLES)
        with self._transaction() as connection:
            row = connection.execute("SELECT instance, agency, category FROM feed").fetchone()
            if row is None:
                own = (feed.instance, feed.agency, feed.category)
                connection.execute("INSERT INTO feed (instance, agency, category) VALUES (?, ?, ?)", own)
        if row is not None and Feed(*row) != feed:
            self._writer.close()
            raise ValueError(f"{file} is the copy of another feed: {' '.join(row)}")
        # In WAL mode a reader neither waits for the writer, nor sees a transaction that has not ended.
        self._reader = _connect(file)

    def close(self) -> None:
        """Closes the file, after what is being written."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()

    async def read_progress(self) -> Progress | None:
        """Returns how far the copy has come; None where there is none yet."""
        with self._reading:
            row = self._reader.execute(_READ_PROGRESS).fetchone()
        return None if row is None else _read_progress(row)

    async def find(self, certificate_sha256: bytes) -> tuple[Change | None, Progress | None]:
        """Returns the entry of a card, None where there is none, and the progress, both from one moment."""
        with self._reading:
            row = self._reader.execute(_FIND, (certificate_sha256,)).fetchone()
        if row is None:
            return None, None
        return None if row[4] is None else Change.FromString(row[4]), _read_progress(row[:4])

    async def apply(self, changes: Sequence[Change], *, after: Position, progress: Progress) -> None:
        """Stores changes with the progress, in one transaction; raises PositionMoved."""
        await asyncio.to_thread(self._apply, changes, after, progress)

    async def replace(self, batches: Iterable[Sequence[Change]], progress: Progress) -> None:
        """Replaces all entries and the progress, in one transaction; raises PositionMoved."""
        await asyncio.to_thread(self._replace, batches, progress)

    async def note_heads(self, heads: Sequence[HistoryHead]) -> Sequence[HistoryHead]:
        """Keeps the newest head of each service and hour; returns the kept ones that now differ."""
        return await asyncio.to_thread(self._note_heads, heads)

    def _apply(self, changes: Sequence[Change], after: Position, progress: Progress) -> None:
        def is_next(stored: Position | None) -> bool:
            return stored == after

        with self._transaction() as connection:
            _write_progress(connection, progress, is_next)
            _write_cards(connection, changes)

    def _replace(self, batches: Iterable[Sequence[Change]], progress: Progress) -> None:
        def is_no_step_back(stored: Position | None) -> bool:
            return stored is None or stored <= progress.position

        with self._transaction() as connection:
            _write_progress(connection, progress, is_no_step_back)
            connection.execute("DELETE FROM card")
            for batch in batches:
                _write_cards(connection, batch)

    def _note_heads(self, heads: Sequence[HistoryHead]) -> Sequence[HistoryHead]:
        differing = []
        with self._transaction() as connection:
            for head in heads:
                row = connection.execute(_FIND_HEAD, (head.service, head.position)).fetchone()
                if row is not None and row[0] != head.head:
                    differing.append(HistoryHead(service=head.service, position=head.position, head=row[0]))
                else:
                    hour = head.sealed_at.seconds // 3600
                    connection.execute(_WRITE_HEAD, (head.service, hour, head.position, head.head))
        return differing

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)


def _write_progress(
    connection: sqlite3.Connection, progress: Progress, may_follow: Callable[[Position | None], bool]
) -> None:
    row = connection.execute(_READ_PROGRESS).fetchone()
    stored = None if row is None else _read_progress(row).position
    if not may_follow(stored):
        raise PositionMoved(f"the copy is at {stored}")
    values = (progress.as_of.astimezone(UTC).isoformat(), progress.validity.total_seconds())
    connection.execute(_WRITE_PROGRESS, (progress.position.epoch, progress.position.number, *values))


def _write_cards(connection: sqlite3.Connection, changes: Iterable[Change]) -> None:
    rows = ((change.certificate_sha256, change.SerializeToString()) for change in changes)
    connection.executemany(_WRITE_CARD, rows)


def _read_progress(row: Sequence[Any]) -> Progress:
    epoch, number, as_of, validity = row
    return Progress(Position(epoch, number), datetime.fromisoformat(as_of), timedelta(seconds=validity))

"""Makes snapshots of feeds, when somebody asks for one, and gives them out in pieces."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID, uuid4

from agency_sync.domain.feed import Change
from agency_sync.domain.snapshot import (
    ASKED,
    PIECE,
    Content,
    KeptSnapshot,
    SignedManifest,
    SnapshotKey,
    write_manifest,
)
from agency_sync.operations.feed_reading import require_feed
from agency_sync.store import snapshots
from instance_profile.model import Profile
from refusals import Code, Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock

MAKE_SNAPSHOT = "make_snapshot"
SNAPSHOTS_QUEUE = "snapshots"
# Snapshots that the systems of one agency read at a time from one process; each holds a piece in memory.
MOST_READ = 8
# Entries that are read at a time.
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotReading:
    """Gives out the newest snapshot of a feed."""

    profile: Profile
    database: Database
    clock: DatabaseClock
    # Snapshots that are being read, by agency.
    _read: Counter[str] = field(default_factory=Counter)

    async def read(self, agency: str, category: str) -> AsyncGenerator[SignedManifest | bytes]:
        """Yields the manifest, and then the content in pieces. Holds no connection while the reader is slow.

        Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, FEED_STREAMS_TOO_MANY, and FEED_SNAPSHOT_UNAVAILABLE: a worker was
        asked to make one, or a newer one took the place of this one.
        """
        require_feed(self.profile, agency, category)
        if self._read[agency] >= MOST_READ:
            raise Refusal("FEED_STREAMS_TOO_MANY", Code.RESOURCE_EXHAUSTED, {"most": str(MOST_READ)})
        self._read[agency] += 1
        try:
            async for part in self._read_parts(agency, category):
                yield part
        finally:
            self._read[agency] -= 1

    async def _read_parts(self, agency: str, category: str) -> AsyncIterator[SignedManifest | bytes]:
        snapshot = await self._find_fresh(agency, category)
        yield snapshot.signed
        for place in range(snapshot.pieces):
            async with self.database.read() as connection:
                piece = await snapshots.read_piece(
                    connection, agency, category, snapshot_id=snapshot.snapshot_id, place=place
                )
            if piece is None:
                raise _refuse(agency, category)
            yield piece

    async def _find_fresh(self, agency: str, category: str) -> KeptSnapshot:
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            snapshot = await snapshots.find_newest(connection, agency, category)
            if snapshot is not None and snapshot.is_fresh(now):
                return snapshot
            # However many ask, one job is made.
            if await snapshots.note_question(connection, agency, category, now=now, asked_before=now - ASKED):
                await jobs.enqueue(
                    connection,
                    MAKE_SNAPSHOT,
                    queue=SNAPSHOTS_QUEUE,
                    arguments={"agency": agency, "category": category},
                    lock=f"snapshot {agency} {category}",
                )
        raise _refuse(agency, category)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotMaking:
    """Makes snapshots. `serialize` writes the newest entry of a card, its length before it."""

    database: Database
    clock: DatabaseClock
    instance: str
    key: SnapshotKey
    serialize: Callable[[Change], bytes]

    async def make(self, agency: str, category: str) -> None:
        """Makes the snapshot of a feed, and has it take the place of the one before; does nothing if that is fresh.

        All of it is read in one transaction, with the head. It is written in pieces as it is read, so memory holds a
        page of entries and a piece; nobody sees the pieces before the last step, and the next snapshot deletes those of
        one that was never finished.
        """
        async with self.database.read() as connection:
            newest = await snapshots.find_newest(connection, agency, category)
            if newest is not None and newest.is_fresh(await self.clock(connection)):
                return
        snapshot_id = uuid4()
        pieces = _Pieces(self.database, agency, category, snapshot_id)
        async with self.database.snapshot() as connection:
            issued_at = await self.clock(connection)
            epoch, number = await snapshots.read_position(connection, agency, category)
            after = b""
            while changes := await snapshots.read_cards(connection, agency, category, after=after, most=_PAGE):
                for change in changes:
                    pieces.append(self.serialize(change))
                await pieces.write_full()
                after = changes[-1].certificate_sha256
        content = await pieces.finish()
        manifest = write_manifest(
            instance=self.instance,
            agency=agency,
            category=category,
            epoch=epoch,
            number=number,
            issued_at=issued_at,
            content=content,
        )
        snapshot = KeptSnapshot(snapshot_id, pieces.written, issued_at, self.key.sign(manifest))
        async with self.database.transaction() as connection:
            await snapshots.publish(connection, agency, category, snapshot)


class _Pieces:
    """The content of a snapshot on its way into the database."""

    def __init__(self, database: Database, agency: str, category: str, snapshot_id: UUID) -> None:
        self._database = database
        self._feed = (agency, category)
        self._snapshot_id = snapshot_id
        self._waiting = bytearray()
        self._hash = sha256()
        self._size = 0
        self._rows = 0
        self.written = 0

    def append(self, entry: bytes) -> None:
        self._waiting += entry
        self._hash.update(entry)
        self._size += len(entry)
        self._rows += 1

    async def write_full(self) -> None:
        while len(self._waiting) >= PIECE:
            await self._write(bytes(self._waiting[:PIECE]))
            del self._waiting[:PIECE]

    async def finish(self) -> Content:
        if self._waiting:
            await self._write(bytes(self._waiting))
        return Content(self._hash.hexdigest(), self._size, self._rows)

    async def _write(self, content: bytes) -> None:
        async with self._database.single_change() as connection:
            await snapshots.write_piece(
                connection, *self._feed, snapshot_id=self._snapshot_id, place=self.written, content=content
            )
        self.written += 1


def _refuse(agency: str, category: str) -> Refusal:
    return Refusal("FEED_SNAPSHOT_UNAVAILABLE", Code.UNAVAILABLE, {"agency": agency, "category": category})

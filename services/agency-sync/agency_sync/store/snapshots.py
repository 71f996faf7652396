"""The snapshots of feeds: the newest one of each, in pieces, and the rows that one is made of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from agency_sync.domain.feed import Change
from agency_sync.domain.snapshot import KeptSnapshot, SignedManifest
from agency_sync.store.feed_columns import CARD_COLUMNS, read_card
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_FIND = Statement(
    text(
        """
        SELECT snapshot_id, pieces, issued_at, manifest, signature, key_id FROM feed_snapshots
        WHERE agency = :agency AND category = :category AND snapshot_id IS NOT NULL
        """
    )
)

_NOTE_QUESTION = Statement(
    text(
        """
        INSERT INTO feed_snapshots AS kept (agency, category, asked_at)
        VALUES (:agency, :category, CAST(:now AS timestamptz))
        ON CONFLICT (agency, category) DO UPDATE SET asked_at = excluded.asked_at
        WHERE kept.asked_at <= CAST(:asked_before AS timestamptz)
        """
    )
)

_READ_PIECE = Statement(
    text(
        """
        SELECT content FROM feed_snapshot_pieces
        WHERE agency = :agency AND category = :category AND snapshot_id = :snapshot_id
            AND place = CAST(:place AS integer)
        """
    )
)

_WRITE_PIECE = Statement(
    text(
        """
        INSERT INTO feed_snapshot_pieces (agency, category, snapshot_id, place, content)
        VALUES (:agency, :category, :snapshot_id, CAST(:place AS integer), :content)
        """
    )
)

_COUNT_PIECES = Statement(
    text(
        """
        SELECT count(*) FROM feed_snapshot_pieces
        WHERE agency = :agency AND category = :category AND snapshot_id = :snapshot_id
        """
    )
)

_PUBLISH = Statement(
    text(
        """
        WITH replaced AS (
            DELETE FROM feed_snapshot_pieces
            WHERE agency = :agency AND category = :category AND snapshot_id <> :snapshot_id
        )
        INSERT INTO feed_snapshots (
            agency, category, asked_at, snapshot_id, pieces, issued_at, manifest, signature, key_id
        ) VALUES (
            :agency, :category, CAST(:issued_at AS timestamptz), :snapshot_id, CAST(:pieces AS integer),
            CAST(:issued_at AS timestamptz), :manifest, :signature, :key_id
        )
        ON CONFLICT (agency, category) DO UPDATE
        SET asked_at = excluded.asked_at, snapshot_id = excluded.snapshot_id, pieces = excluded.pieces,
            issued_at = excluded.issued_at, manifest = excluded.manifest, signature = excluded.signature,
            key_id = excluded.key_id
        """
    )
)

# A head of an older epoch counts as one of this epoch.
_READ_POSITION = Statement(
    text(
        """
        SELECT epoch.epoch, coalesce(head.number, 0) AS number
        FROM epoch LEFT JOIN feed_heads AS head ON head.agency = :agency AND head.category = :category
        """
    )
)

_READ_CARDS = Statement(
    text(
        f"""
        SELECT epoch, number, committed_at, certificate_sha256, {CARD_COLUMNS}
        FROM feed_cards
        WHERE agency = :agency AND category = :category AND certificate_sha256 > :after
        ORDER BY certificate_sha256 LIMIT CAST(:most AS integer)
        """  # noqa: S608  # constants
    )
)


async def find_newest(connection: Connection, agency: str, category: str) -> KeptSnapshot | None:
    """Returns the newest snapshot of a feed, whatever its age; None where none was made."""
    row = await connection.fetch_row(_FIND, agency=agency, category=category)
    if row is None:
        return None
    signed = SignedManifest(bytes(row.manifest), bytes(row.signature), row.key_id)
    return KeptSnapshot(row.snapshot_id, row.pieces, row.issued_at, signed)


async def note_question(
    connection: Connection, agency: str, category: str, *, now: datetime, asked_before: datetime
) -> bool:
    """Notes that somebody asks for a snapshot; returns whether nobody has since `asked_before`."""
    return bool(
        await connection.change(_NOTE_QUESTION, agency=agency, category=category, now=now, asked_before=asked_before)
    )


async def read_piece(
    connection: Connection, agency: str, category: str, *, snapshot_id: UUID, place: int
) -> bytes | None:
    """Returns a piece of a snapshot; None where a newer snapshot has taken its place."""
    content = await connection.fetch_value(
        _READ_PIECE, agency=agency, category=category, snapshot_id=snapshot_id, place=place
    )
    return None if content is None else bytes(content)


async def write_piece(
    connection: Connection, agency: str, category: str, *, snapshot_id: UUID, place: int, content: bytes
) -> None:
    """Writes a piece of a snapshot that is being made."""
    await connection.change(
        _WRITE_PIECE, agency=agency, category=category, snapshot_id=snapshot_id, place=place, content=content
    )


async def publish(connection: Connection, agency: str, category: str, snapshot: KeptSnapshot) -> None:
    """Has a snapshot take the place of the one before it, whose pieces are deleted.

    Raises RuntimeError where not all of its pieces are there any more.
    """
    found = await connection.fetch_value(
        _COUNT_PIECES, agency=agency, category=category, snapshot_id=snapshot.snapshot_id
    )
    if found != snapshot.pieces:
        raise RuntimeError("another snapshot of the feed was made at the same time")
    await connection.change(
        _PUBLISH,
        agency=agency,
        category=category,
        snapshot_id=snapshot.snapshot_id,
        pieces=snapshot.pieces,
        issued_at=snapshot.issued_at,
        manifest=snapshot.signed.manifest,
        signature=snapshot.signed.signature,
        key_id=snapshot.signed.key_id,
    )


async def read_position(connection: Connection, agency: str, category: str) -> tuple[int, int]:
    """Returns epoch and number of the last entry of a feed; the number is 0 where it has none."""
    row = await connection.fetch_row(_READ_POSITION, agency=agency, category=category)
    return row.epoch, row.number


async def read_cards(
    connection: Connection, agency: str, category: str, *, after: bytes, most: int
) -> Sequence[Change]:
    """Returns the newest entries of the cards of a feed behind a card, at most `most`, in the order of their hashes."""
    rows: list[Any] = await connection.fetch_rows(_READ_CARDS, agency=agency, category=category, after=after, most=most)
    return [Change(row.epoch, row.number, row.committed_at, row.certificate_sha256, read_card(row)) for row in rows]

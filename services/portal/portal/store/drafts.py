"""Drafts: journeys as sealed bytes, each worked on by one process at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, text

from portal.store.tables import draft
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement

# PostgreSQL's intervals: how long a draft lasts after its last step, and how long a process may work on one step.
KEPT = "1 hour"
BUSY = "30 seconds"
# Drafts of one browser session; of more the oldest goes.
MOST_DRAFTS = 10


@dataclass(frozen=True, slots=True)
class StoredDraft:
    """A draft as it is stored; `is_busy` while a process works on it."""

    draft_id: str
    version: int
    is_busy: bool
    sealed: bytes


_COLUMNS = "draft_id, version, busy_until IS NOT NULL AND busy_until > now() AS is_busy, sealed"
_IS_KEPT = "stored_at > now() - CAST(:kept AS interval)"

_ADD = Statement(
    text(
        """
        INSERT INTO draft (draft_id, session_sha256, version, stored_at, sealed)
        VALUES (:draft_id, :session_sha256, 1, now(), :sealed)
        """
    )
)
_DROP_FURTHER = Statement(
    text(
        """
        DELETE FROM draft WHERE draft_id IN (
            SELECT draft_id FROM draft WHERE session_sha256 = :session_sha256
            ORDER BY stored_at DESC, draft_id OFFSET :most
        )
        """
    )
)
_FIND = Statement(
    text(
        f"SELECT {_COLUMNS} FROM draft "  # noqa: S608  # constants
        f"WHERE draft_id = :draft_id AND session_sha256 = :session_sha256 AND {_IS_KEPT}"
    )
)
_LIST = Statement(
    text(
        f"SELECT {_COLUMNS} FROM draft "  # noqa: S608  # constants
        f"WHERE session_sha256 = :session_sha256 AND {_IS_KEPT} ORDER BY stored_at DESC, draft_id"
    )
)
_CLAIM = Statement(
    text(
        f"""
        UPDATE draft SET busy_until = now() + CAST(:busy AS interval)
        WHERE draft_id = :draft_id AND session_sha256 = :session_sha256 AND version = :version AND {_IS_KEPT}
            AND (busy_until IS NULL OR busy_until <= now())
        RETURNING sealed
        """  # noqa: S608  # constants
    )
)
_STORE = Statement(
    text(
        """
        UPDATE draft SET sealed = :sealed, version = version + :steps, stored_at = now(),
            busy_until = CASE WHEN :steps = 0 THEN busy_until END
        WHERE draft_id = :draft_id AND version = :version
        """
    )
)
_KEEP = Statement(
    text(
        """
        UPDATE draft SET sealed = :sealed, stored_at = now()
        WHERE draft_id = :draft_id AND version = :version AND sealed = :read
            AND (busy_until IS NULL OR busy_until <= now())
        """
    )
)
_DELETE_OF_SESSION = Statement(text("DELETE FROM draft WHERE session_sha256 = :session_sha256"))
_DELETE_OLD = write_deletion(draft, draft.c.stored_at < bindparam("before"), oldest=draft.c.stored_at)


async def add_draft(connection: Connection, session_sha256: bytes, draft_id: str, sealed: bytes) -> None:
    """Adds a draft with version 1; the oldest ones of the session go where there are too many."""
    await connection.change(_ADD, draft_id=draft_id, session_sha256=session_sha256, sealed=sealed)
    await connection.change(_DROP_FURTHER, session_sha256=session_sha256, most=MOST_DRAFTS)


async def find_draft(connection: Connection, session_sha256: bytes, draft_id: str) -> StoredDraft | None:
    """Returns a draft of a session; None where it has none with this id, or it is too old."""
    row = await connection.fetch_row(_FIND, draft_id=draft_id, session_sha256=session_sha256, kept=KEPT)
    return None if row is None else StoredDraft(row.draft_id, row.version, row.is_busy, row.sealed)


async def list_drafts(connection: Connection, session_sha256: bytes) -> Sequence[StoredDraft]:
    """Returns the drafts of a session, the one with the newest step first."""
    rows = await connection.fetch_rows(_LIST, session_sha256=session_sha256, kept=KEPT)
    return [StoredDraft(row.draft_id, row.version, row.is_busy, row.sealed) for row in rows]


async def claim_draft(connection: Connection, session_sha256: bytes, draft_id: str, version: int) -> bytes | None:
    """Returns the sealed journey for whoever may make the next step alone; None where another one has, or may."""
    row = await connection.fetch_row(
        _CLAIM, draft_id=draft_id, session_sha256=session_sha256, version=version, kept=KEPT, busy=BUSY
    )
    return None if row is None else bytes(row.sealed)


async def store_draft(
    connection: Connection, draft_id: str, version: int, sealed: bytes, *, is_complete: bool = True
) -> None:
    """Stores a claimed draft after a step; or, where the step is not complete, keeps the claim."""
    await connection.change(_STORE, draft_id=draft_id, version=version, sealed=sealed, steps=int(is_complete))


async def keep_draft(connection: Connection, read: StoredDraft, sealed: bytes) -> bool:
    """Stores a draft that nobody claimed, between two steps, unless it changed since it was read; returns whether."""
    changed = await connection.change(
        _KEEP, draft_id=read.draft_id, version=read.version, read=read.sealed, sealed=sealed
    )
    return changed == 1


async def delete_of_session(connection: Connection, session_sha256: bytes) -> None:
    """Deletes all drafts of a session."""
    await connection.change(_DELETE_OF_SESSION, session_sha256=session_sha256)


async def delete_drafts(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` drafts whose last step was before this instant; returns how many."""
    return await connection.change(_DELETE_OLD, before=before, most=most)

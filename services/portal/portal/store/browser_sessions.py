"""Browser sessions. An id is looked for by its SHA-256; whoever reads the database can't use one."""

from datetime import datetime

from sqlalchemy import bindparam, text

from portal.domain.browser_session import BrowserSession
from portal.store.tables import browser_session
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement

_FIND = Statement(
    text(
        """
        SELECT session_sha256, port, hand_off, hand_offs, last_used_at < now() - interval '20 seconds' AS was_idle
        FROM browser_session
        WHERE session_sha256 = :session_sha256 AND last_used_at > now() - CAST(:kept AS interval)
        """
    )
)
_NOTE_USE = Statement(text("UPDATE browser_session SET last_used_at = now() WHERE session_sha256 = :session_sha256"))
_ADD = Statement(
    text(
        """
        INSERT INTO browser_session (session_sha256, last_used_at, port, hand_off, hand_offs)
        VALUES (:session_sha256, now(), :port, :hand_off, :hand_offs)
        """
    )
)
_SET_AGENT = Statement(
    text(
        """
        UPDATE browser_session SET port = :port, hand_off = :hand_off, hand_offs = :hand_offs
        WHERE session_sha256 = :session_sha256
        """
    )
)
_REPLACE = Statement(
    text("UPDATE browser_session SET session_sha256 = :replacement WHERE session_sha256 = :session_sha256")
)
_REPLACE_IN_DRAFTS = Statement(
    text("UPDATE draft SET session_sha256 = :replacement WHERE session_sha256 = :session_sha256")
)
_DELETE_OLD = write_deletion(
    browser_session,
    browser_session.c.last_used_at < bindparam("before"),
    oldest=browser_session.c.last_used_at,
)
# PostgreSQL's interval.
_KEPT = "1 hour"


async def find_session(connection: Connection, session_sha256: bytes) -> BrowserSession | None:
    """Returns a session that was used within the last hour, and notes its use within 20 s; None where there is none."""
    row = await connection.fetch_row(_FIND, session_sha256=session_sha256, kept=_KEPT)
    if row is None:
        return None
    if row.was_idle:
        await connection.change(_NOTE_USE, session_sha256=session_sha256)
    return BrowserSession(
        session_sha256=row.session_sha256, port=row.port, hand_off=row.hand_off, hand_offs=tuple(row.hand_offs)
    )


async def add_session(connection: Connection, session: BrowserSession) -> None:
    """Adds a session."""
    await connection.change(
        _ADD,
        session_sha256=session.session_sha256,
        port=session.port,
        hand_off=session.hand_off,
        hand_offs=list(session.hand_offs),
    )


async def set_agent(connection: Connection, session: BrowserSession) -> None:
    """Keeps the agent of a session."""
    await connection.change(
        _SET_AGENT,
        session_sha256=session.session_sha256,
        port=session.port,
        hand_off=session.hand_off,
        hand_offs=list(session.hand_offs),
    )


async def replace_session(connection: Connection, session_sha256: bytes, replacement: bytes) -> None:
    """Gives a session another id, with all its drafts."""
    await connection.change(_REPLACE, session_sha256=session_sha256, replacement=replacement)
    await connection.change(_REPLACE_IN_DRAFTS, session_sha256=session_sha256, replacement=replacement)


async def delete_sessions(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` sessions that were used last before this instant; returns how many."""
    return await connection.change(_DELETE_OLD, before=before, most=most)

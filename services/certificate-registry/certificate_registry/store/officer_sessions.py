"""The sessions of officers in the portal."""

from datetime import datetime

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.challenge import hash_nonce
from certificate_registry.domain.officer_session import OfficerSession
from certificate_registry.store.tables import officer_session
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns

_SAVE = Statement(
    insert(officer_session).values(
        bind_columns("token_sha256", "person_id", "certificate_sha256", "opened_at", "last_used_at")
    )
)
_LOCK = Statement(
    text(
        """
        SELECT token_sha256, person_id, certificate_sha256, opened_at, last_used_at, ended_at
        FROM officer_session WHERE token_sha256 = :token_sha256 FOR UPDATE
        """
    )
)
_USE_CHALLENGE = Statement(
    text("UPDATE challenge SET used_at = :now WHERE nonce_sha256 = :nonce_sha256 AND used_at IS NULL")
)
_RENEW = Statement(text("UPDATE officer_session SET last_used_at = :now WHERE token_sha256 = :token_sha256"))
_END = Statement(
    text("UPDATE officer_session SET ended_at = :now WHERE token_sha256 = :token_sha256 AND ended_at IS NULL")
)
_END_ALL = Statement(text("UPDATE officer_session SET ended_at = :now WHERE ended_at IS NULL AND opened_at >= :since"))
_DELETE = write_deletion(
    officer_session, officer_session.c.opened_at < bindparam("before"), oldest=officer_session.c.opened_at
)


async def use_challenge(connection: Connection, nonce: bytes, now: datetime) -> bool:
    """Marks the nonce of a log-in as used; of several concurrent calls exactly one gets True."""
    return await connection.change(_USE_CHALLENGE, nonce_sha256=hash_nonce(nonce), now=now) == 1


async def save_session(connection: Connection, session: OfficerSession) -> None:
    """Writes a new session."""
    await connection.change(
        _SAVE,
        token_sha256=session.token_sha256,
        person_id=session.person_id,
        certificate_sha256=session.certificate_sha256,
        opened_at=session.opened_at,
        last_used_at=session.last_used_at,
    )


async def lock_session(connection: Connection, token_sha256: bytes) -> OfficerSession | None:
    """Returns a session, valid or not, that nobody else changes until the transaction ends."""
    row = await connection.fetch_row(_LOCK, token_sha256=token_sha256)
    return None if row is None else OfficerSession(*row)


async def renew_session(connection: Connection, token_sha256: bytes, now: datetime) -> None:
    """Begins the idle time of a session anew."""
    await connection.change(_RENEW, token_sha256=token_sha256, now=now)


async def end_session(connection: Connection, token_sha256: bytes, now: datetime) -> None:
    """Ends a session; does nothing where it is unknown or was ended."""
    await connection.change(_END, token_sha256=token_sha256, now=now)


async def end_all_sessions(connection: Connection, *, since: datetime, now: datetime) -> int:
    """Ends all sessions that were opened since an instant; returns how many."""
    return await connection.change(_END_ALL, since=since, now=now)


async def delete_sessions(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` sessions that were opened before this instant; returns how many."""
    return await connection.change(_DELETE, before=before, most=most)

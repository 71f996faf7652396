"""Challenges and card sessions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.card_session import (
    IDLE,
    LONGEST,
    RENEWAL,
    AuthenticatedSession,
    CardSession,
    SessionScope,
)
from certificate_registry.domain.challenge import Challenge, IssuedLogIn, hash_nonce
from certificate_registry.store import cards
from certificate_registry.store.cards import CARD_COLUMNS, read_card
from certificate_registry.store.revocation_lists import VERSION_COLUMNS, read_listed_versions
from certificate_registry.store.tables import challenge
from servicekit.database_clock import STATEMENT_TIME, write_interval
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns
from signed_acts.purpose import Operation, Role

_SAVE_CHALLENGE = Statement(
    insert(challenge).values(
        bind_columns("nonce_sha256", "purpose_sha256", "certificate_sha256", "other_certificates", "created_at")
    )
)

_READ_LOG_IN = Statement(
    text(
        f"""
        SELECT {STATEMENT_TIME} AS at, {VERSION_COLUMNS},
            challenge.purpose_sha256, challenge.created_at, challenge.used_at, challenge.other_certificates
        FROM (SELECT) AS always
        LEFT JOIN challenge ON challenge.nonce_sha256 = :nonce_sha256
        """  # noqa: S608  # constants
    )
)

_DELETE_CHALLENGES = write_deletion(
    challenge, challenge.c.created_at < bindparam("before"), oldest=challenge.c.created_at
)

# There is a session only where the nonce was unused until now.
_OPEN_SESSION = Statement(
    text(
        """
        WITH used AS (
            UPDATE challenge SET used_at = :opened_at
            WHERE nonce_sha256 = :nonce_sha256 AND used_at IS NULL
            RETURNING 1
        )
        INSERT INTO card_session (
            token_sha256, operation, agency, category, certificate_sha256, role, read_only, opened_at, last_used_at
        )
        SELECT :token_sha256, :operation, :agency, :category, :certificate_sha256, :role, :read_only, :opened_at,
            :last_used_at
        FROM used
        """
    )
)

SESSION_COLUMNS = f"""
    {STATEMENT_TIME} AS at, session.operation, session.agency AS session_agency, session.category AS session_category,
    session.role, session.read_only, session.opened_at, session.ended_at, {CARD_COLUMNS}
"""


def write_renewed(tokens: str) -> str:
    """Returns a table of sessions that a statement renews, of those whose token's hash fulfils this condition.

    They are then read in the same statement: what it reads is as of its beginning, so the renewed instant comes from
    the change (`RENEWED_AT`).
    """
    return f"""
        renewed AS (
            UPDATE card_session SET last_used_at = {STATEMENT_TIME}
            WHERE token_sha256 {tokens} AND ended_at IS NULL AND operation = CAST(:operation AS text)
                AND agency = CAST(:agency AS text) AND category = CAST(:category AS text)
                AND last_used_at < {STATEMENT_TIME} - {write_interval(RENEWAL)}
                AND last_used_at >= {STATEMENT_TIME} - {write_interval(IDLE)}
                AND opened_at >= {STATEMENT_TIME} - {write_interval(LONGEST)}
            RETURNING token_sha256, last_used_at
        )
    """  # noqa: S608  # constants


RENEWED = write_renewed("= :token_sha256")
RENEWED_AT = """
    coalesce(
        (SELECT renewed.last_used_at FROM renewed WHERE renewed.token_sha256 = session.token_sha256),
        session.last_used_at
    ) AS last_used_at
"""
SESSION = "card_session AS session JOIN card USING (certificate_sha256)"

_USE_SESSION = Statement(
    text(
        f"""
        WITH {RENEWED}
        SELECT {SESSION_COLUMNS}, {RENEWED_AT} FROM {SESSION} WHERE session.token_sha256 = :token_sha256
        """  # noqa: S608  # constants
    )
)

_LOCK_SESSION = Statement(
    text(
        f"""
        SELECT {SESSION_COLUMNS}, session.last_used_at FROM {SESSION} WHERE session.token_sha256 = :token_sha256
        FOR UPDATE
        """  # noqa: S608  # constants
    )
)

_USE_CHALLENGE = Statement(
    text(
        """
        WITH renewed AS (
            UPDATE card_session SET last_used_at = greatest(last_used_at, :now) WHERE token_sha256 = :token_sha256
        )
        UPDATE challenge SET used_at = :now WHERE nonce_sha256 = :nonce_sha256 AND used_at IS NULL
        """
    )
)

# In the order of their cards, as by everything that changes many cards.
_LOCK_SESSIONS = Statement(
    text(
        f"""
        SELECT session.token_sha256, {SESSION_COLUMNS}, session.last_used_at FROM {SESSION}
        WHERE session.token_sha256 = ANY (CAST(:tokens_sha256 AS bytea[]))
        ORDER BY session.certificate_sha256, session.token_sha256
        FOR UPDATE
        """  # noqa: S608  # constants
    )
)

_END_SESSION = Statement(
    text(
        f"""
        UPDATE card_session SET ended_at = {STATEMENT_TIME}
        WHERE token_sha256 = :token_sha256 AND ended_at IS NULL
        """  # noqa: S608  # constants
    )
)

_DELETE_SESSIONS = Statement(
    text(
        """
        WITH old AS MATERIALIZED (
            SELECT token_sha256 FROM card_session WHERE opened_at < :before
            ORDER BY opened_at LIMIT :most FOR UPDATE SKIP LOCKED
        )
        DELETE FROM card_session USING old WHERE card_session.token_sha256 = old.token_sha256
        RETURNING card_session.certificate_sha256
        """
    )
)


async def save_challenge(
    connection: Connection,
    issued: Challenge,
    *,
    certificate_sha256: bytes,
    other_certificates: Sequence[bytes] = (),
) -> None:
    """Writes an issued challenge, with the CA certificates (DER) that came with the card."""
    await connection.change(
        _SAVE_CHALLENGE,
        nonce_sha256=hash_nonce(issued.nonce),
        purpose_sha256=issued.purpose_sha256,
        certificate_sha256=certificate_sha256,
        other_certificates=list(other_certificates),
        created_at=issued.created_at,
    )


async def read_log_in(connection: Connection, nonce: bytes, now: datetime | None) -> IssuedLogIn:
    """Returns the challenge with this nonce, and by which CRLs its answer counts now (`STATEMENT_TIME`)."""
    row = await connection.fetch_row(_READ_LOG_IN, nonce_sha256=hash_nonce(nonce), now=now)
    is_known = row.purpose_sha256 is not None
    return IssuedLogIn(
        challenge=Challenge(nonce, row.purpose_sha256, row.created_at, row.used_at) if is_known else None,
        other_certificates=row.other_certificates or (),
        list_versions=read_listed_versions(row),
        at=row.at.astimezone(UTC),
    )


async def open_session(connection: Connection, token_sha256: bytes, session: CardSession, *, nonce: bytes) -> bool:
    """Writes a new session under the hash of its token, and marks the nonce of its log-in as used.

    Returns False, and writes nothing, if it already was. Of several concurrent calls exactly one gets True.
    """
    opened = await connection.change(
        _OPEN_SESSION,
        token_sha256=token_sha256,
        operation=session.scope.operation.value,
        agency=session.scope.agency,
        category=session.scope.category,
        certificate_sha256=session.certificate_sha256,
        role=session.scope.role.value,
        read_only=session.read_only,
        opened_at=session.opened_at,
        last_used_at=session.last_used_at,
        nonce_sha256=hash_nonce(nonce),
    )
    return opened == 1


async def use_session(
    connection: Connection, token_sha256: bytes, scope: SessionScope, now: datetime | None
) -> AuthenticatedSession | None:
    """Returns the session of a token, valid or not, and its card, at `now` (`STATEMENT_TIME`).

    Renews the idle time of one that is valid for this scope where that is older than `RENEWAL`.
    """
    row = await connection.fetch_row(
        _USE_SESSION,
        token_sha256=token_sha256,
        operation=scope.operation.value,
        agency=scope.agency,
        category=scope.category,
        now=now,
    )
    return None if row is None else read_session(row)


async def lock_session(
    connection: Connection, token_sha256: bytes, now: datetime | None
) -> AuthenticatedSession | None:
    """Returns the session of a token and its card, whose rows nobody else changes until the transaction ends."""
    row = await connection.fetch_row(_LOCK_SESSION, token_sha256=token_sha256, now=now)
    return None if row is None else read_session(row)


async def lock_sessions(
    connection: Connection, tokens_sha256: Sequence[bytes], now: datetime | None
) -> Mapping[bytes, AuthenticatedSession]:
    """Returns what `lock_session` returns, of several tokens, by their hashes; an unknown one has none."""
    rows = await connection.fetch_rows(_LOCK_SESSIONS, tokens_sha256=list(tokens_sha256), now=now)
    return {row.token_sha256: read_session(row) for row in rows}


async def use_challenge(connection: Connection, nonce: bytes, token_sha256: bytes, now: datetime) -> bool:
    """Marks the nonce of an act as used and renews the session, whose row the caller has locked.

    Of several concurrent calls exactly one gets True.
    """
    used = await connection.change(_USE_CHALLENGE, nonce_sha256=hash_nonce(nonce), token_sha256=token_sha256, now=now)
    return used == 1


async def end_session(connection: Connection, token_sha256: bytes, now: datetime | None) -> None:
    """Ends a session at `now` (`STATEMENT_TIME`); does nothing if it is unknown or was ended."""
    await connection.change(_END_SESSION, token_sha256=token_sha256, now=now)


async def delete_challenges(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` challenges that were issued before this instant; returns how many."""
    return await connection.change(_DELETE_CHALLENGES, before=before, most=most)


async def delete_sessions(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` sessions that were opened before this instant; returns how many.

    Then their cards, where these have neither a binding nor another session.
    """
    certificates = await connection.fetch_values(_DELETE_SESSIONS, before=before, most=most)
    await cards.delete_unused_cards(connection, set(certificates))
    return len(certificates)


def read_session(row: Any) -> AuthenticatedSession:
    """Returns the session in a row with `SESSION_COLUMNS` and its `last_used_at`."""
    session = CardSession(
        scope=SessionScope(Operation(row.operation), row.session_agency, row.session_category, Role(row.role)),
        certificate_sha256=row.certificate_sha256,
        opened_at=row.opened_at,
        last_used_at=row.last_used_at,
        ended_at=row.ended_at,
        read_only=row.read_only,
    )
    return AuthenticatedSession(session, read_card(row), row.at.astimezone(UTC))

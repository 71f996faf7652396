"""Challenges and card sessions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.card_session import (
    IDLE,
    LONGEST,
    RENEWAL,
    AuthenticatedSession,
    CardSession,
    SessionScope,
)
from certificate_registry.domain.challenge import Challenge, hash_nonce
from certificate_registry.store import cards
from certificate_registry.store.cards import read_card
from certificate_registry.store.tables import card, card_session, challenge
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns
from signed_acts.purpose import Operation

_SAVE_CHALLENGE = Statement(
    insert(challenge).values(
        bind_columns("nonce_sha256", "purpose_sha256", "certificate_sha256", "other_certificates", "created_at")
    )
)

_FIND_CHALLENGE = Statement(
    select(
        challenge.c.purpose_sha256, challenge.c.created_at, challenge.c.used_at, challenge.c.other_certificates
    ).where(challenge.c.nonce_sha256 == bindparam("nonce_sha256"))
)

_USE_CHALLENGE = Statement(
    update(challenge)
    .where(challenge.c.nonce_sha256 == bindparam("nonce_sha256"), challenge.c.used_at.is_(None))
    .values(bind_columns("used_at"))
)

_DELETE_CHALLENGES = write_deletion(
    challenge, challenge.c.created_at < bindparam("before"), oldest=challenge.c.created_at
)

_INSERT_SESSION = Statement(
    insert(card_session).values(
        bind_columns(
            "token_sha256",
            "operation",
            "agency",
            "category",
            "certificate_sha256",
            "read_only",
            "opened_at",
            "last_used_at",
        )
    )
)

_OF_TOKEN = card_session.c.token_sha256 == bindparam("token_sha256")

_SESSION = (
    select(
        card_session.c.operation,
        card_session.c.agency,
        card_session.c.category,
        card_session.c.read_only,
        card_session.c.opened_at,
        card_session.c.ended_at,
        card,
    )
    .join(card, card.c.certificate_sha256 == card_session.c.certificate_sha256)
    .where(_OF_TOKEN)
)

# Renews and reads in one statement. What is read is as of its beginning, so the renewed instant comes from the change.
_RENEWED = (
    update(card_session)
    .where(
        _OF_TOKEN,
        card_session.c.ended_at.is_(None),
        card_session.c.operation == bindparam("operation"),
        card_session.c.agency == bindparam("agency"),
        card_session.c.category == bindparam("category"),
        card_session.c.last_used_at < bindparam("renewed_before"),
        card_session.c.last_used_at >= bindparam("idle_since"),
        card_session.c.opened_at >= bindparam("opened_since"),
    )
    .values(last_used_at=bindparam("now"))
    .returning(card_session.c.last_used_at)
    .cte("renewed")
)
_USE_SESSION = Statement(
    _SESSION.add_columns(
        func.coalesce(select(_RENEWED.c.last_used_at).scalar_subquery(), card_session.c.last_used_at).label(
            "last_used_at"
        )
    )
)

_LOCK_SESSION = Statement(_SESSION.add_columns(card_session.c.last_used_at).with_for_update())

_END_SESSION = Statement(
    update(card_session).where(_OF_TOKEN, card_session.c.ended_at.is_(None)).values(bind_columns("ended_at"))
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


async def find_challenge(connection: Connection, nonce: bytes) -> tuple[Challenge | None, Sequence[bytes]]:
    """Returns the challenge with this nonce, and the CA certificates (DER) stored with it."""
    row = await connection.fetch_row(_FIND_CHALLENGE, nonce_sha256=hash_nonce(nonce))
    if row is None:
        return None, ()
    return Challenge(nonce, row.purpose_sha256, row.created_at, row.used_at), row.other_certificates


async def use_challenge(connection: Connection, nonce: bytes, now: datetime) -> bool:
    """Marks a nonce as used; returns False if it already was. Of several concurrent calls exactly one gets True."""
    return await connection.change(_USE_CHALLENGE, nonce_sha256=hash_nonce(nonce), used_at=now) == 1


async def insert_session(connection: Connection, token_sha256: bytes, session: CardSession) -> None:
    """Writes a new session under the hash of its token."""
    await connection.change(
        _INSERT_SESSION,
        token_sha256=token_sha256,
        operation=session.scope.operation.value,
        agency=session.scope.agency,
        category=session.scope.category,
        certificate_sha256=session.certificate_sha256,
        read_only=session.read_only,
        opened_at=session.opened_at,
        last_used_at=session.last_used_at,
    )


async def use_session(
    connection: Connection, token_sha256: bytes, scope: SessionScope, now: datetime
) -> AuthenticatedSession | None:
    """Returns the session of a token, valid or not, and its card.

    Renews the idle time of one that is valid for this scope where that is older than `RENEWAL`.
    """
    row = await connection.fetch_row(
        _USE_SESSION,
        token_sha256=token_sha256,
        operation=scope.operation.value,
        agency=scope.agency,
        category=scope.category,
        renewed_before=now - RENEWAL,
        idle_since=now - IDLE,
        opened_since=now - LONGEST,
        now=now,
    )
    return None if row is None else _read_session(row)


async def lock_session(connection: Connection, token_sha256: bytes) -> AuthenticatedSession | None:
    """Returns the session of a token and its card, whose rows nobody else changes until the transaction ends."""
    row = await connection.fetch_row(_LOCK_SESSION, token_sha256=token_sha256)
    return None if row is None else _read_session(row)


async def end_session(connection: Connection, token_sha256: bytes, now: datetime) -> None:
    """Ends a session; does nothing if it is unknown or was ended."""
    await connection.change(_END_SESSION, token_sha256=token_sha256, ended_at=now)


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


def _read_session(row: Any) -> AuthenticatedSession:
    session = CardSession(
        scope=SessionScope(Operation(row.operation), row.agency, row.category),
        certificate_sha256=row.certificate_sha256,
        opened_at=row.opened_at,
        last_used_at=row.last_used_at,
        ended_at=row.ended_at,
        read_only=row.read_only,
    )
    return AuthenticatedSession(session, read_card(row))

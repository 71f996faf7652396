"""Challenges and card sessions."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.card import Card
from certificate_registry.domain.card_session import CardSession, SessionScope
from certificate_registry.domain.challenge import Challenge
from certificate_registry.store.cards import read_card
from certificate_registry.store.tables import card, card_session, challenge
from signed_acts.purpose import Operation


async def save_challenge(
    connection: AsyncConnection,
    issued: Challenge,
    *,
    certificate_sha256: bytes,
    other_certificates: Sequence[bytes] = (),
) -> None:
    """Writes an issued challenge, with the CA certificates (DER) that came with the card."""
    await connection.execute(
        insert(challenge).values(
            nonce_sha256=sha256(issued.nonce).digest(),
            purpose_sha256=issued.purpose_sha256,
            certificate_sha256=certificate_sha256,
            other_certificates=list(other_certificates),
            created_at=issued.created_at,
        )
    )


async def find_challenge(connection: AsyncConnection, nonce: bytes) -> tuple[Challenge | None, Sequence[bytes]]:
    """Returns the challenge with this nonce, and the CA certificates (DER) stored with it."""
    query = select(challenge).where(challenge.c.nonce_sha256 == sha256(nonce).digest())
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None, ()
    return Challenge(nonce, row.purpose_sha256, row.created_at, row.used_at), row.other_certificates


async def use_challenge(connection: AsyncConnection, nonce: bytes, now: datetime) -> bool:
    """Marks a nonce as used; returns False if it already was. Of several concurrent calls exactly one gets True."""
    updated = await connection.execute(
        update(challenge)
        .where(challenge.c.nonce_sha256 == sha256(nonce).digest(), challenge.c.used_at.is_(None))
        .values(used_at=now)
    )
    return updated.rowcount == 1


async def insert_session(connection: AsyncConnection, token_sha256: bytes, session: CardSession) -> None:
    """Writes a new session under the hash of its token."""
    await connection.execute(
        insert(card_session).values(
            token_sha256=token_sha256,
            operation=session.scope.operation.value,
            agency=session.scope.agency,
            category=session.scope.category,
            certificate_sha256=session.certificate_sha256,
            read_only=session.read_only,
            opened_at=session.opened_at,
            last_used_at=session.last_used_at,
        )
    )


async def find_session(connection: AsyncConnection, token_sha256: bytes) -> tuple[CardSession, Card] | None:
    """Returns the session of a token and its card."""
    query = (
        select(
            card_session.c.operation,
            card_session.c.agency,
            card_session.c.category,
            card_session.c.read_only,
            card_session.c.opened_at,
            card_session.c.last_used_at,
            card_session.c.ended_at,
            card,
        )
        .join(card, card.c.certificate_sha256 == card_session.c.certificate_sha256)
        .where(card_session.c.token_sha256 == token_sha256)
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    session = CardSession(
        scope=SessionScope(Operation(row.operation), row.agency, row.category),
        certificate_sha256=row.certificate_sha256,
        opened_at=row.opened_at,
        last_used_at=row.last_used_at,
        ended_at=row.ended_at,
        read_only=row.read_only,
    )
    return session, read_card(row)


async def touch_session(connection: AsyncConnection, token_sha256: bytes, now: datetime) -> bool:
    """Renews the idle time of a session; returns False if it was ended. It can't end before the transaction does."""
    updated = await connection.execute(
        update(card_session)
        .where(card_session.c.token_sha256 == token_sha256, card_session.c.ended_at.is_(None))
        .values(last_used_at=func.greatest(card_session.c.last_used_at, now))
    )
    return updated.rowcount == 1


async def end_session(connection: AsyncConnection, token_sha256: bytes, now: datetime) -> None:
    """Ends a session; does nothing if it is unknown or was ended."""
    await connection.execute(
        update(card_session)
        .where(card_session.c.token_sha256 == token_sha256, card_session.c.ended_at.is_(None))
        .values(ended_at=now)
    )


async def delete_challenges(connection: AsyncConnection, before: datetime) -> None:
    """Deletes challenges that were issued before this instant."""
    await connection.execute(delete(challenge).where(challenge.c.created_at < before))


async def delete_sessions(connection: AsyncConnection, before: datetime) -> None:
    """Deletes sessions that were opened before this instant."""
    await connection.execute(delete(card_session).where(card_session.c.opened_at < before))

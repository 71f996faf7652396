"""Cards, challenges and card sessions: one function per question or change. The transaction is the caller's."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Row, delete, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.card import Card
from certificate_registry.domain.card_session import CardSession
from certificate_registry.domain.challenge import Challenge
from certificate_registry.domain.purpose import Operation
from certificate_registry.pki.certificate import CardValues
from certificate_registry.pki.path_validation import RevocationStatus
from certificate_registry.store.tables import binding, card, card_session, challenge


async def keep_challenge(
    connection: AsyncConnection,
    issued: Challenge,
    *,
    certificate_sha256: bytes,
    other_certificates: Sequence[bytes] = (),
) -> None:
    """Keeps a challenge that is given out, and the CA certificates that came with the card (DER)."""
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
    """The challenge kept under a nonce, and the CA certificates kept with it."""
    query = select(challenge).where(challenge.c.nonce_sha256 == sha256(nonce).digest())
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None, ()
    return Challenge(nonce, row.purpose_sha256, row.created_at, row.used_at), row.other_certificates


async def use_challenge(connection: AsyncConnection, nonce: bytes, now: datetime) -> bool:
    """Uses a nonce up; False where somebody else did already. Of several at once exactly one gets True."""
    used = await connection.execute(
        update(challenge)
        .where(challenge.c.nonce_sha256 == sha256(nonce).digest(), challenge.c.used_at.is_(None))
        .values(used_at=now)
    )
    return used.rowcount == 1


async def keep_card(connection: AsyncConnection, found: Card, *, issuer_key: str, now: datetime) -> Card:
    """Keeps a card that was just found good, and gives it as it is kept. `issuer_key` is its issuer's name as compared.

    Where the signed part of its certificate is known under another hash, the card that comes back is that other one.
    """
    checked = {
        "other_certificates": list(found.other_certificates),
        "authority": found.authority,
        "company_name": found.values.company_name,
        "company_address": found.values.company_address,
        "holder_name": found.values.holder_name,
        "holder_address": found.values.holder_address,
        "revocation_status": found.revocation_status.value,
        "crl_this_update": found.crl_this_update,
        "checked_at": now,
    }
    await connection.execute(
        insert(card)
        .values(
            certificate_sha256=found.certificate_sha256,
            tbs_sha256=found.tbs_sha256,
            certificate=found.certificate,
            issuer=found.issuer,
            issuer_sha256=issuer_sha256(issuer_key),
            serial=found.serial,
            not_before=found.not_before,
            not_after=found.not_after,
            first_seen_at=now,
            **checked,
        )
        .on_conflict_do_nothing()
    )
    kept = await connection.execute(
        update(card).where(card.c.tbs_sha256 == found.tbs_sha256).values(checked).returning(card)
    )
    return card_of_row(kept.one())


async def find_card(connection: AsyncConnection, certificate_sha256: bytes, *, lock: bool = False) -> Card | None:
    """The card of this certificate; with `lock` nobody else changes what hangs on it until the transaction ends."""
    query = select(card).where(card.c.certificate_sha256 == certificate_sha256)
    row = (await connection.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else card_of_row(row)


async def open_session(
    connection: AsyncConnection, token_sha256: bytes, session: CardSession, *, read_only: bool
) -> None:
    """Keeps a session under its token's hash. A read-only one is good for reading a receipt alone."""
    await connection.execute(
        insert(card_session).values(
            token_sha256=token_sha256,
            operation=session.operation.value,
            agency=session.agency,
            category=session.category,
            certificate_sha256=session.certificate_sha256,
            read_only=read_only,
            opened_at=session.opened_at,
            last_used_at=session.last_used_at,
        )
    )


async def find_session(
    connection: AsyncConnection, token_sha256: bytes
) -> tuple[CardSession, Card, bool] | tuple[None, None, bool]:
    """The session of a token, its card, and whether it is read-only."""
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
        return None, None, False
    session = CardSession(
        operation=Operation(row.operation),
        agency=row.agency,
        category=row.category,
        certificate_sha256=row.certificate_sha256,
        opened_at=row.opened_at,
        last_used_at=row.last_used_at,
        ended_at=row.ended_at,
    )
    return session, card_of_row(row), row.read_only


async def touch_session(connection: AsyncConnection, token_sha256: bytes, now: datetime) -> bool:
    """Renews a session's idle time; False where it was ended. It can't be ended before the transaction ends."""
    touched = await connection.execute(
        update(card_session)
        .where(card_session.c.token_sha256 == token_sha256, card_session.c.ended_at.is_(None))
        .values(last_used_at=func.greatest(card_session.c.last_used_at, now))
    )
    return touched.rowcount == 1


async def end_session(connection: AsyncConnection, token_sha256: bytes, now: datetime) -> None:
    """Ends a session; one that is unknown or ended stays as it is."""
    await connection.execute(
        update(card_session)
        .where(card_session.c.token_sha256 == token_sha256, card_session.c.ended_at.is_(None))
        .values(ended_at=now)
    )


async def forget(connection: AsyncConnection, before: datetime) -> None:
    """Deletes challenges and sessions that began before this moment, and cards since then that came to nothing."""
    await connection.execute(delete(challenge).where(challenge.c.created_at < before))
    await connection.execute(delete(card_session).where(card_session.c.opened_at < before))
    await connection.execute(
        delete(card).where(
            card.c.checked_at < before,
            ~or_(
                exists().where(binding.c.certificate_sha256 == card.c.certificate_sha256),
                exists().where(card_session.c.certificate_sha256 == card.c.certificate_sha256),
            ),
        )
    )


def issuer_sha256(issuer_key: str) -> bytes:
    """Under which an issuer's name, in the form in which names are compared, is kept."""
    return sha256(issuer_key.encode()).digest()


def card_of_row(row: Row[Any]) -> Card:
    """The card in a row with all columns of the table `card`."""
    return Card(
        certificate_sha256=row.certificate_sha256,
        tbs_sha256=row.tbs_sha256,
        certificate=row.certificate,
        other_certificates=tuple(row.other_certificates),
        authority=row.authority,
        issuer=row.issuer,
        serial=row.serial,
        values=CardValues(row.company_name, row.company_address, row.holder_name, row.holder_address),
        not_before=row.not_before,
        not_after=row.not_after,
        revocation_status=RevocationStatus(row.revocation_status),
        crl_this_update=row.crl_this_update,
        revoked_at=row.revoked_at,
    )

"""The paths that cards rest on, and the trust in the cards: set by set, a few statements for thousands of cards.

Whoever writes both locks paths before cards, and several of either in the order of their hashes.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import astuple
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.trust import Judgement, StoredPath, StoredTrust, TrustLimits, TrustPath
from certificate_registry.store.tables import card, trust_path, trust_rules

_UPDATE_PATHS = text(
    """
    UPDATE trust_path SET revocation_as_of = changed.revocation_as_of, lists_until = changed.lists_until,
        trusted_until = changed.trusted_until, judged_by = changed.judged_by
    FROM unnest(
        CAST(:paths AS bytea[]), CAST(:as_of AS timestamptz[]), CAST(:lists_until AS timestamptz[]),
        CAST(:trusted_until AS timestamptz[]), CAST(:judged_by AS bytea[])
    ) AS changed(path_sha256, revocation_as_of, lists_until, trusted_until, judged_by)
    WHERE trust_path.path_sha256 = changed.path_sha256
    """
)

_COPY_LIMITS = text(
    """
    WITH outdated AS MATERIALIZED (
        SELECT card.certificate_sha256, trust_path.revocation_as_of, trust_path.trusted_until
        FROM card JOIN trust_path USING (path_sha256)
        WHERE card.path_sha256 = ANY (CAST(:paths AS bytea[]))
            AND (card.revocation_as_of IS DISTINCT FROM trust_path.revocation_as_of
                OR card.trusted_until IS DISTINCT FROM trust_path.trusted_until)
        ORDER BY card.certificate_sha256
        LIMIT CAST(:most AS integer)
        FOR UPDATE OF card
    )
    UPDATE card SET revocation_as_of = outdated.revocation_as_of, trusted_until = outdated.trusted_until
    FROM outdated
    WHERE card.certificate_sha256 = outdated.certificate_sha256
    """
)

_DISTRUST_OVERDUE = text(
    """
    WITH overdue AS MATERIALIZED (
        SELECT certificate_sha256 FROM card
        WHERE path_sha256 = ANY (CAST(:paths AS bytea[])) AND distrusted_at IS NULL
            AND not_after >= CAST(:now AS timestamptz)
        ORDER BY certificate_sha256
        FOR UPDATE
    )
    UPDATE card SET distrusted_at = CAST(:now AS timestamptz), distrusted_because = 'REVOCATION_STATUS_UNKNOWN'
    FROM overdue
    WHERE card.certificate_sha256 = overdue.certificate_sha256
    RETURNING card.certificate_sha256
    """
)

_RESTORE_COVERED = text(
    """
    WITH covered AS MATERIALIZED (
        SELECT certificate_sha256 FROM card
        WHERE path_sha256 = ANY (CAST(:paths AS bytea[]))
            AND distrusted_at IS NOT NULL AND distrusted_because = 'REVOCATION_STATUS_UNKNOWN'
        ORDER BY certificate_sha256
        FOR UPDATE
    )
    UPDATE card SET distrusted_at = NULL, distrusted_because = NULL
    FROM covered
    WHERE card.certificate_sha256 = covered.certificate_sha256
    RETURNING card.certificate_sha256
    """
)

# A card that was judged or logged in meanwhile is left as it is.
_SAVE_JUDGEMENTS = text(
    """
    WITH judged AS MATERIALIZED (
        SELECT card.certificate_sha256, judgement.path_sha256, judgement.status, judgement.because
        FROM unnest(
            CAST(:certificates AS bytea[]), CAST(:judgements AS integer[]), CAST(:paths AS bytea[]),
            CAST(:statuses AS text[]), CAST(:because AS text[])
        ) AS judgement(certificate_sha256, judgements, path_sha256, status, because)
        JOIN card USING (certificate_sha256)
        WHERE card.judgements = judgement.judgements
        ORDER BY card.certificate_sha256
        FOR UPDATE OF card
    )
    UPDATE card SET judgements = card.judgements + 1, path_sha256 = trust_path.path_sha256,
        authority = trust_path.authority, revocation_as_of = trust_path.revocation_as_of,
        trusted_until = trust_path.trusted_until,
        revocation_status = coalesce(judged.status, card.revocation_status),
        distrusted_at = CASE WHEN judged.because IS NOT NULL
            THEN coalesce(card.distrusted_at, CAST(:now AS timestamptz)) END,
        distrusted_because = judged.because
    FROM judged JOIN trust_path USING (path_sha256)
    WHERE card.certificate_sha256 = judged.certificate_sha256
    RETURNING card.certificate_sha256
    """
)


async def read_rules(connection: AsyncConnection) -> bytes | None:
    """Returns the hash of the CAs and rules by which cards are judged; None before the first worker started."""
    rules: bytes | None = await connection.scalar(select(trust_rules.c.sha256))
    return rules


async def save_rules(connection: AsyncConnection, rules_sha256: bytes, now: datetime) -> None:
    """Writes the hash of the CAs and rules by which cards are judged from now on."""
    values = {"one_row": True, "sha256": rules_sha256, "began_at": now}
    await connection.execute(
        insert(trust_rules).values(values).on_conflict_do_update(index_elements=["one_row"], set_=values)
    )


async def add_paths(
    connection: AsyncConnection, paths: Mapping[TrustPath, TrustLimits], held: Iterable[bytes] = ()
) -> None:
    """Writes the paths that are not stored yet. None of them, nor of `held`, changes before the transaction ends."""
    rows = [
        {
            "path_sha256": path.sha256,
            "authority": path.authority,
            "issuers": list(path.issuers),
            "authorities": list(path.authorities),
            "lists": list(path.lists),
            "valid_until": path.valid_until,
            "revocation_as_of": limits.revocation_as_of,
            "lists_until": limits.lists_until,
            "trusted_until": limits.trusted_until,
        }
        for path, limits in sorted(paths.items(), key=lambda item: item[0].sha256)
    ]
    if rows:
        await connection.execute(insert(trust_path).on_conflict_do_nothing(), rows)
    needed = {path.sha256 for path in paths} | {*held}
    query = select(trust_path.c.path_sha256).where(trust_path.c.path_sha256.in_(needed))
    await connection.execute(query.order_by(trust_path.c.path_sha256).with_for_update(read=True))


async def lock_paths(connection: AsyncConnection) -> Sequence[StoredPath]:
    """Returns all paths, which nobody else changes before the transaction ends."""
    query = select(trust_path).order_by(trust_path.c.path_sha256).with_for_update(key_share=True)
    rows = await connection.execute(query)
    return [
        StoredPath(
            TrustPath(
                row.path_sha256,
                row.authority,
                tuple(row.issuers),
                tuple(row.authorities),
                tuple(row.lists),
                row.valid_until,
            ),
            TrustLimits(row.revocation_as_of, row.lists_until, row.trusted_until),
            row.judged_by,
        )
        for row in rows
    ]


async def update_paths(connection: AsyncConnection, changed: Sequence[StoredPath]) -> None:
    """Writes limits and grounds of locked paths."""
    if not changed:
        return
    as_of, lists_until, trusted_until = zip(*(astuple(stored.limits) for stored in changed), strict=True)
    await connection.execute(
        _UPDATE_PATHS,
        {
            "paths": [stored.path.sha256 for stored in changed],
            "as_of": list(as_of),
            "lists_until": list(lists_until),
            "trusted_until": list(trusted_until),
            "judged_by": [stored.judged_by for stored in changed],
        },
    )


async def copy_limits(connection: AsyncConnection, paths: Sequence[bytes], most: int) -> int:
    """Copies limits of paths to at most so many of their cards that have others; returns to how many."""
    await add_paths(connection, {}, paths)
    copied = await connection.execute(_COPY_LIMITS, {"paths": list(paths), "most": most})
    return copied.rowcount


async def distrust_overdue(connection: AsyncConnection, paths: Sequence[bytes], now: datetime) -> Sequence[bytes]:
    """Distrusts the cards of these paths, whose grace is over; returns them."""
    rows = await connection.execute(_DISTRUST_OVERDUE, {"paths": list(paths), "now": now}) if paths else None
    return [] if rows is None else list(rows.scalars())


async def restore_covered(connection: AsyncConnection, paths: Sequence[bytes]) -> Sequence[bytes]:
    """Trusts the cards of these paths again that were distrusted only because their CRLs had ended; returns them."""
    rows = await connection.execute(_RESTORE_COVERED, {"paths": list(paths)}) if paths else None
    return [] if rows is None else list(rows.scalars())


async def read_cards(
    connection: AsyncConnection, paths: Sequence[bytes], *, after: bytes, most: int, now: datetime
) -> Sequence[StoredTrust]:
    """Returns unexpired cards of these paths, in the order of their hashes, which are above `after`."""
    query = (
        select(
            card.c.certificate_sha256,
            card.c.certificate,
            card.c.other_certificates,
            card.c.path_sha256,
            trust_path.c.trusted_until,
            card.c.distrusted_because,
            card.c.judgements,
        )
        .join(trust_path, trust_path.c.path_sha256 == card.c.path_sha256)
        .where(card.c.path_sha256.in_(paths), card.c.certificate_sha256 > after, card.c.not_after >= now)
        .order_by(card.c.certificate_sha256)
        .limit(most)
    )
    return [
        StoredTrust(
            row.certificate_sha256,
            row.certificate,
            tuple(row.other_certificates),
            row.path_sha256,
            row.trusted_until,
            row.distrusted_because,
            row.judgements,
        )
        for row in await connection.execute(query)
    ]


async def save_judgements(connection: AsyncConnection, judgements: Sequence[Judgement], now: datetime) -> Set[bytes]:
    """Writes judgements; returns the cards that nobody else has judged meanwhile."""
    if not judgements:
        return set()
    paths = [judged.stored.path_sha256 if judged.path is None else judged.path.sha256 for judged in judgements]
    await add_paths(connection, {one.path: one.limits for one in judgements if one.path is not None}, paths)
    rows = await connection.execute(
        _SAVE_JUDGEMENTS,
        {
            "certificates": [judged.stored.certificate_sha256 for judged in judgements],
            "judgements": [judged.stored.judgements for judged in judgements],
            "paths": paths,
            "statuses": [None if judged.status is None else judged.status.value for judged in judgements],
            "because": [judged.distrusted_because for judged in judgements],
            "now": now,
        },
    )
    return set(rows.scalars())


async def count_distrusted(connection: AsyncConnection) -> Mapping[str, int]:
    """Returns the number of unexpired cards that are not trusted, by CA id."""
    rows = await connection.execute(
        select(card.c.authority, func.count())
        .where(card.c.distrusted_at.is_not(None), card.c.not_after >= func.now())
        .group_by(card.c.authority)
    )
    return {authority: count for authority, count in rows}

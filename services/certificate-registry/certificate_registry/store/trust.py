"""The paths that cards rest on, and the trust in the cards: set by set, a few statements for thousands of cards.

Whoever writes both locks paths before cards, and several of either in the order of their hashes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, astuple
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, LargeBinary, any_, bindparam, delete, exists, func, select, text
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.trust import Judgement, StoredPath, StoredTrust, TrustLimits, TrustPath
from certificate_registry.store.tables import card, trust_path, trust_rules
from servicekit.database_connection import Connection
from servicekit.statements import Statement, bind_columns

_READ_RULES = Statement(select(trust_rules.c.sha256))

_RULES = bind_columns("sha256", "began_at")
_SAVE_RULES = Statement(
    insert(trust_rules).values(one_row=True, **_RULES).on_conflict_do_update(index_elements=["one_row"], set_=_RULES)
)

_ADD_PATHS = Statement(
    text(
        """
        WITH added AS (
            INSERT INTO trust_path (
                path_sha256, authority, issuers, authorities, lists, valid_until, revocation_as_of, lists_until,
                trusted_until, judged_by
            )
            SELECT path_sha256, authority, issuers, authorities, lists, valid_until, revocation_as_of, lists_until,
                trusted_until, judged_by
            FROM json_to_recordset(CAST(:rows AS json)) AS path (
                path_sha256 bytea, authority text, issuers bytea[], authorities bytea[], lists bytea[],
                valid_until timestamptz, revocation_as_of timestamptz, lists_until timestamptz,
                trusted_until timestamptz, judged_by bytea
            )
            ORDER BY path_sha256
            ON CONFLICT DO NOTHING
            RETURNING path_sha256
        ), held AS (
            SELECT path_sha256 FROM trust_path
            WHERE path_sha256 = ANY (CAST(:paths AS bytea[]))
            ORDER BY path_sha256
            FOR SHARE
        )
        SELECT path_sha256 FROM added UNION ALL SELECT path_sha256 FROM held
        """
    )
)

_OF_PATHS = any_(bindparam("paths", type_=ARRAY(LargeBinary)))
_HOLD_PATHS = Statement(
    select(trust_path.c.path_sha256)
    .where(trust_path.c.path_sha256 == _OF_PATHS)
    .order_by(trust_path.c.path_sha256)
    .with_for_update(read=True)
)

_IS_UNUSED = ~exists().where(card.c.path_sha256 == trust_path.c.path_sha256)
_LOCK_UNUSED_PATHS = Statement(
    select(trust_path.c.path_sha256).where(_IS_UNUSED).limit(bindparam("most")).with_for_update(skip_locked=True)
)
_DELETE_UNUSED_PATHS = Statement(delete(trust_path).where(trust_path.c.path_sha256 == _OF_PATHS, _IS_UNUSED))

_LOCK_PATHS = Statement(select(trust_path).order_by(trust_path.c.path_sha256).with_for_update(key_share=True))

_UPDATE_PATHS = Statement(
    text(
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
)

_COPY_LIMITS = Statement(
    text(
        """
        WITH held AS MATERIALIZED (
            SELECT path_sha256, revocation_as_of, trusted_until FROM trust_path
            WHERE path_sha256 = ANY (CAST(:paths AS bytea[]))
            ORDER BY path_sha256
            FOR SHARE
        ), outdated AS MATERIALIZED (
            SELECT card.certificate_sha256, held.revocation_as_of, held.trusted_until
            FROM card JOIN held USING (path_sha256)
            WHERE card.path_sha256 = ANY (CAST(:paths AS bytea[]))
                AND (card.revocation_as_of IS DISTINCT FROM held.revocation_as_of
                    OR card.trusted_until IS DISTINCT FROM held.trusted_until)
            ORDER BY card.certificate_sha256
            LIMIT CAST(:most AS integer)
            FOR UPDATE OF card
        )
        UPDATE card SET revocation_as_of = outdated.revocation_as_of, trusted_until = outdated.trusted_until
        FROM outdated
        WHERE card.certificate_sha256 = outdated.certificate_sha256
        """
    )
)

_DISTRUST_OVERDUE = Statement(
    text(
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
)

_RESTORE_COVERED = Statement(
    text(
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
)

# A card that was judged or logged in meanwhile is left as it is.
_SAVE_JUDGEMENTS = Statement(
    text(
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
)


_READ_CARDS = Statement(
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
    .where(
        card.c.path_sha256 == _OF_PATHS,
        card.c.certificate_sha256 > bindparam("after"),
        card.c.not_after >= bindparam("now"),
    )
    .order_by(card.c.certificate_sha256)
    .limit(bindparam("most"))
)

_COUNT_DISTRUSTED = Statement(
    select(card.c.authority, func.count().label("number"))
    .where(card.c.distrusted_at.is_not(None), card.c.not_after >= func.now())
    .group_by(card.c.authority)
)


async def read_rules(connection: Connection) -> bytes | None:
    """Returns the hash of the CAs and rules by which cards are judged; None before the first worker started."""
    rules: bytes | None = await connection.fetch_value(_READ_RULES)
    return rules


async def save_rules(connection: Connection, rules_sha256: bytes, now: datetime) -> None:
    """Writes the hash of the CAs and rules by which cards are judged from now on."""
    await connection.change(_SAVE_RULES, sha256=rules_sha256, began_at=now)


async def add_paths(connection: Connection, paths: Iterable[StoredPath], held: Iterable[bytes] = ()) -> None:
    """Writes the paths that are not stored yet. None of them, nor of `held`, changes before the transaction ends."""
    new = {stored.path.sha256: stored for stored in paths}
    added = set(new)
    needed = added | {*held}
    rows = [_write_path(stored) for stored in new.values()]
    needed -= set(await connection.fetch_values(_ADD_PATHS, rows=json.dumps(rows), paths=list(needed)))
    # Added by concurrent transactions, after the snapshot of the statement above.
    if needed:
        needed -= set(await connection.fetch_values(_HOLD_PATHS, paths=list(needed)))
    if needed & added:
        # One was stored, and deleted in between, because no card used it.
        await add_paths(connection, new.values(), held)


async def delete_unused_paths(connection: Connection, *, most: int) -> int:
    """Deletes at most `most` paths that no card rests on, and that nobody holds at the moment; returns how many."""
    unused = await connection.fetch_values(_LOCK_UNUSED_PATHS, most=most)
    # Again, since a card may have come until the path was locked; afterwards none can.
    return await connection.change(_DELETE_UNUSED_PATHS, paths=unused) if unused else 0


async def lock_paths(connection: Connection) -> Sequence[StoredPath]:
    """Returns all paths, which nobody else changes before the transaction ends."""
    rows = await connection.fetch_rows(_LOCK_PATHS)
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


async def update_paths(connection: Connection, changed: Sequence[StoredPath]) -> None:
    """Writes limits and grounds of locked paths."""
    if not changed:
        return
    as_of, lists_until, trusted_until = zip(*(astuple(stored.limits) for stored in changed), strict=True)
    await connection.change(
        _UPDATE_PATHS,
        paths=[stored.path.sha256 for stored in changed],
        as_of=list(as_of),
        lists_until=list(lists_until),
        trusted_until=list(trusted_until),
        judged_by=[stored.judged_by for stored in changed],
    )


async def copy_limits(connection: Connection, paths: Sequence[bytes], most: int) -> int:
    """Copies limits of paths to at most so many of their cards that have others; returns to how many."""
    return await connection.change(_COPY_LIMITS, paths=list(paths), most=most)


async def distrust_overdue(connection: Connection, paths: Sequence[bytes], now: datetime) -> Sequence[bytes]:
    """Distrusts the cards of these paths, whose grace is over; returns them."""
    return await connection.fetch_values(_DISTRUST_OVERDUE, paths=list(paths), now=now) if paths else []


async def restore_covered(connection: Connection, paths: Sequence[bytes]) -> Sequence[bytes]:
    """Trusts the cards of these paths again that were distrusted only because their CRLs had ended; returns them."""
    return await connection.fetch_values(_RESTORE_COVERED, paths=list(paths)) if paths else []


async def read_cards(
    connection: Connection, paths: Sequence[bytes], *, after: bytes, most: int, now: datetime
) -> Sequence[StoredTrust]:
    """Returns unexpired cards of these paths, in the order of their hashes, which are above `after`."""
    rows = await connection.fetch_rows(_READ_CARDS, paths=list(paths), after=after, most=most, now=now)
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
        for row in rows
    ]


async def save_judgements(connection: Connection, judgements: Sequence[Judgement], now: datetime) -> Set[bytes]:
    """Writes judgements; returns the cards that nobody else has judged meanwhile."""
    if not judgements:
        return set()
    paths = [judged.stored.path_sha256 if judged.path is None else judged.path.sha256 for judged in judgements]
    new = [StoredPath(one.path, one.limits, judged_by=None) for one in judgements if one.path is not None]
    await add_paths(connection, new, paths)
    saved = await connection.fetch_values(
        _SAVE_JUDGEMENTS,
        certificates=[judged.stored.certificate_sha256 for judged in judgements],
        judgements=[judged.stored.judgements for judged in judgements],
        paths=paths,
        statuses=[None if judged.status is None else judged.status.value for judged in judgements],
        because=[judged.distrusted_because for judged in judgements],
        now=now,
    )
    return set(saved)


async def count_distrusted(connection: Connection) -> Mapping[str, int]:
    """Returns the number of unexpired cards that are not trusted, by CA id."""
    return dict(await connection.fetch_rows(_COUNT_DISTRUSTED))


def _write_path(stored: StoredPath) -> dict[str, Any]:
    path, limits = stored.path, stored.limits
    return {
        "path_sha256": _write_bytea(path.sha256),
        "authority": path.authority,
        "issuers": [_write_bytea(issuer) for issuer in path.issuers],
        "authorities": [_write_bytea(authority) for authority in path.authorities],
        "lists": [_write_bytea(scope) for scope in path.lists],
        "judged_by": None if stored.judged_by is None else _write_bytea(stored.judged_by),
        **{
            name: None if until is None else until.isoformat()
            for name, until in {"valid_until": path.valid_until, **asdict(limits)}.items()
        },
    }


def _write_bytea(value: bytes) -> str:
    return f"\\x{value.hex()}"

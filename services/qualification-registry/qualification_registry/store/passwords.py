"""The argon2id hashes of bidders' passwords."""

from collections.abc import Collection, Mapping
from datetime import date, datetime

from sqlalchemy import text

from servicekit.database_connection import Connection
from servicekit.statements import Statement

_QUALIFIED = """
    SELECT DISTINCT line.bidder_id, password.bidder_id IS NOT NULL AS has_password
    FROM roster_lines line
    JOIN roster_imports import ON import.number = line.import_number AND import.made_version IS NOT NULL
    JOIN roster_terms term ON term.number = import.term
    JOIN rosters roster ON roster.name = import.roster
    LEFT JOIN bidder_states state ON state.bidder_id = line.bidder_id AND state.category = roster.category
    LEFT JOIN passwords password ON password.category = roster.category AND password.bidder_id = line.bidder_id
    WHERE roster.category = :category AND line.superseded_by IS NULL AND state.has_ended IS NOT TRUE
      AND :agency = ANY(string_to_array(line.agencies, ' '))
      AND coalesce(least(line.valid_until, term.holds_until) >= :today, true)
      AND {}
    ORDER BY line.bidder_id
"""
_LIST_QUALIFIED, _LIST_QUALIFIED_OF = (
    Statement(text(_QUALIFIED.format(condition))) for condition in ("true", "line.bidder_id = ANY(:bidder_ids)")
)
# A first issue is no change; a bidder that got a password meanwhile keeps it.
_ISSUE = Statement(
    text(
        """
        INSERT INTO passwords (category, bidder_id, encoded, issued_at, issued_by)
        SELECT :category, bidder_id, encoded, :now, :issued_by
        FROM unnest(CAST(:bidder_ids AS text[]), CAST(:encoded AS text[])) AS fresh (bidder_id, encoded)
        ON CONFLICT DO NOTHING
        RETURNING bidder_id, changed_at IS NOT NULL AS is_replaced
        """
    )
)
_REISSUE = Statement(
    text(
        """
        INSERT INTO passwords (category, bidder_id, encoded, issued_at, issued_by)
        SELECT :category, bidder_id, encoded, :now, :issued_by
        FROM unnest(CAST(:bidder_ids AS text[]), CAST(:encoded AS text[])) AS fresh (bidder_id, encoded)
        ON CONFLICT (category, bidder_id) DO UPDATE
        SET encoded = excluded.encoded, issued_at = excluded.issued_at, issued_by = excluded.issued_by,
            changed_at = excluded.issued_at
        RETURNING bidder_id, changed_at IS NOT NULL AS is_replaced
        """
    )
)


async def list_qualified_bidders(
    connection: Connection,
    category: str,
    *,
    agency: str,
    today: date,
    bidder_ids: Collection[str] | None = None,
) -> Mapping[str, bool]:
    """Returns the bidders that are or will be qualified at an agency in a category, and whether each has a password.

    All bidders, or those of `bidder_ids`, sorted by id. Ended bidders are left out.
    """
    values = {"category": category, "agency": agency, "today": today}
    if bidder_ids is None:
        rows = await connection.fetch_rows(_LIST_QUALIFIED, **values)
    else:
        rows = await connection.fetch_rows(_LIST_QUALIFIED_OF, bidder_ids=list(bidder_ids), **values)
    return {row.bidder_id: row.has_password for row in rows}


async def save_passwords(
    connection: Connection,
    category: str,
    encoded: Mapping[str, str],
    *,
    reissue: bool,
    issued_by: str,
    now: datetime,
) -> Mapping[str, bool]:
    """Stores the hashes of new passwords by bidder id; returns for which bidders, and whether that replaced one.

    With `reissue` an existing password is replaced and counts as changed, otherwise it remains.
    """
    saved = await connection.fetch_rows(
        _REISSUE if reissue else _ISSUE,
        category=category,
        bidder_ids=list(encoded),
        encoded=list(encoded.values()),
        now=now,
        issued_by=issued_by,
    )
    return {row.bidder_id: row.is_replaced for row in saved}

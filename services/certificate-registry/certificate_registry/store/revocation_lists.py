"""The stored CRLs, the newest issue of every scope, and the addresses from which they are fetched."""

from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ARRAY, LargeBinary, Text, any_, bindparam, exists, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on, insert

from certificate_registry.domain.revocation import RevocationSource
from certificate_registry.pki.revocation_list import ListVersion, RevocationList
from certificate_registry.store.tables import crl, crl_source, trust_path
from servicekit.database_clock import LEEWAY, STATEMENT_TIME
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns

# What `read_listed_versions` reads, in a statement about something else.
VERSION_COLUMNS = (
    "ARRAY(SELECT scope FROM crl ORDER BY scope) AS scopes, ARRAY(SELECT sha256 FROM crl ORDER BY scope) AS lists"
)
_READ_VERSIONS = Statement(text(f"SELECT {STATEMENT_TIME} AS at, {VERSION_COLUMNS}"))  # constants

_READ_LISTS = Statement(select(crl.c.der).where(crl.c.scope == any_(bindparam("scopes", type_=ARRAY(LargeBinary)))))

_READ_CURRENT_SCOPES = Statement(
    select(crl.c.scope).ext(distinct_on(crl.c.url)).order_by(crl.c.url, crl.c.fetched_at.desc())
)

_COUNT_FAILURES = Statement(
    select(crl_source.c.authority, func.max(crl_source.c.failures)).group_by(crl_source.c.authority)
)

_LOCK = Statement(select(func.pg_advisory_xact_lock(bindparam("scope"))))

_READ_VERSION = Statement(select(crl.c.number, crl.c.this_update).where(crl.c.scope == bindparam("scope")))

_CONFIRM = Statement(
    update(crl)
    .where(crl.c.scope == bindparam("scope"), crl.c.sha256 == bindparam("sha256"))
    .values(bind_columns("fetched_at"))
)

_ISSUE = bind_columns("sha256", "issuer", "number", "this_update", "next_update", "url", "fetched_at", "der")
_SAVE = Statement(
    insert(crl).values(**_ISSUE, **bind_columns("scope")).on_conflict_do_update(index_elements=["scope"], set_=_ISSUE)
)

_ADD_SOURCES = Statement(
    text(
        """
        WITH seldom_named AS MATERIALIZED (
            SELECT url FROM crl_source
            WHERE url = ANY (CAST(:urls AS text[])) AND named_at < CAST(:now AS timestamptz) - interval '1 day'
            FOR UPDATE SKIP LOCKED
        ), named AS (
            UPDATE crl_source SET named_at = CAST(:now AS timestamptz)
            FROM seldom_named WHERE crl_source.url = seldom_named.url
        )
        INSERT INTO crl_source (url, authority, next_fetch_at, named_at)
        SELECT url, authority, CAST(:now AS timestamptz), CAST(:now AS timestamptz)
        FROM unnest(CAST(:urls AS text[]), CAST(:authorities AS text[])) AS source(url, authority)
        ORDER BY url
        ON CONFLICT DO NOTHING
        RETURNING url
        """
    )
)

_CLAIM_DUE = Statement(
    text(
        """
        WITH added AS (
            INSERT INTO crl_source (url, authority, next_fetch_at, named_at)
            SELECT url, authority, CAST(:claimed_until AS timestamptz), CAST(:now AS timestamptz)
            FROM unnest(CAST(:urls AS text[]), CAST(:authorities AS text[])) AS source(url, authority)
            ORDER BY url
            ON CONFLICT DO NOTHING
            RETURNING url, authority, failures
        ), due AS MATERIALIZED (
            SELECT crl_source.url FROM crl_source
            LEFT JOIN unnest(CAST(:with_rule AS text[]), CAST(:latest AS timestamptz[])) AS rule(authority, latest)
                USING (authority)
            WHERE crl_source.next_fetch_at <= CAST(:now AS timestamptz)
                OR crl_source.next_fetch_at > coalesce(rule.latest, CAST(:latest_of_others AS timestamptz))
            FOR UPDATE OF crl_source SKIP LOCKED
        ), claimed AS (
            UPDATE crl_source SET next_fetch_at = CAST(:claimed_until AS timestamptz),
                named_at = CASE WHEN crl_source.url = ANY (CAST(:urls AS text[])) THEN CAST(:now AS timestamptz)
                    ELSE named_at END
            FROM due
            WHERE crl_source.url = due.url
            RETURNING crl_source.url, crl_source.authority, crl_source.failures
        )
        SELECT url, authority, failures FROM added UNION ALL SELECT url, authority, failures FROM claimed
        """
    )
)

_RECORD_SUCCESS = Statement(
    update(crl_source)
    .where(crl_source.c.url == bindparam("url"))
    .values(**bind_columns("next_fetch_at", "tried_at"), failures=0, last_refusal=None)
)

_RECORD_FAILURE = Statement(
    update(crl_source)
    .where(crl_source.c.url == bindparam("url"))
    .values(bind_columns("next_fetch_at", "tried_at", "failures", "last_refusal"))
)

_EXPEDITE = Statement(
    update(crl_source)
    .where(
        or_(
            crl_source.c.authority.is_not_distinct_from(bindparam("authority")),
            crl_source.c.url == any_(bindparam("urls", type_=ARRAY(Text))),
        ),
        crl_source.c.failures > 0,
        crl_source.c.tried_at < bindparam("tried_before"),
        crl_source.c.next_fetch_at > bindparam("now"),
    )
    .values(next_fetch_at=bindparam("now"))
)

# Every fetch that succeeds confirms its list, so one that was not confirmed for long is published no more.
_DELETE_LISTS = write_deletion(
    crl,
    crl.c.fetched_at < bindparam("before"),
    crl.c.next_update < bindparam("before"),
    ~exists().where(crl.c.scope == any_(trust_path.c.lists)),
    oldest=crl.c.fetched_at,
)
_DELETE_SOURCES = write_deletion(
    crl_source,
    crl_source.c.named_at < bindparam("before"),
    ~exists().where(crl.c.url == crl_source.c.url, crl.c.scope == any_(trust_path.c.lists)),
    oldest=crl_source.c.named_at,
)


async def read_versions(connection: Connection, now: datetime | None = None) -> tuple[Mapping[bytes, bytes], datetime]:
    """Returns scope → SHA-256 of every stored CRL, read before every use of the CRLs, and the instant of that.

    `now`: see `STATEMENT_TIME`.
    """
    row = await connection.fetch_row(_READ_VERSIONS, now=now)
    return read_listed_versions(row), row.at.astimezone(UTC)


def read_listed_versions(row: Any) -> Mapping[bytes, bytes]:
    """Returns scope → SHA-256 of every stored CRL, from a row with `VERSION_COLUMNS`."""
    return dict(zip(row.scopes, row.lists, strict=True))


async def read_lists(connection: Connection, scopes: Sequence[bytes]) -> Sequence[bytes]:
    """Returns the CRLs of these scopes, in DER."""
    return await connection.fetch_values(_READ_LISTS, scopes=list(scopes))


async def read_current_scopes(connection: Connection) -> Set[bytes]:
    """Returns the scopes that are the last ones fetched from their address.

    A CA that partitions its CRLs anew leaves old scopes behind, which no address publishes any more.
    """
    return set(await connection.fetch_values(_READ_CURRENT_SCOPES))


async def count_failures(connection: Connection) -> Mapping[str | None, int]:
    """Returns failed fetches since the last success, the most at one address, by CA id (None: several or no CA)."""
    return dict(await connection.fetch_rows(_COUNT_FAILURES))


async def lock_version(connection: Connection, scope: bytes) -> ListVersion | None:
    """Returns the stored issue of a CRL; no other transaction can replace it until this one ends."""
    # An advisory lock, because there may be no row yet: of two workers with a first issue one waits for the other.
    await connection.fetch_row(_LOCK, scope=int.from_bytes(scope[:8], "big", signed=True))
    row = await connection.fetch_row(_READ_VERSION, scope=scope)
    if row is None:
        return None
    return ListVersion(None if row.number is None else int(row.number), row.this_update)


async def save(connection: Connection, accepted: RevocationList, *, url: str, now: datetime) -> bool:
    """Writes an accepted CRL, in place of the stored one of its scope; returns False if it is the stored one."""
    scope, sha256 = accepted.scope, accepted.sha256
    if await connection.change(_CONFIRM, scope=scope, sha256=sha256, fetched_at=now):
        return False
    await connection.change(
        _SAVE,
        scope=scope,
        sha256=sha256,
        issuer=accepted.issuer,
        number=accepted.version.number,
        this_update=accepted.this_update,
        next_update=accepted.next_update,
        url=url,
        fetched_at=now,
        der=accepted.der,
    )
    return True


async def add_sources(
    connection: Connection, addresses: Sequence[tuple[str, str | None]], now: datetime
) -> Sequence[str]:
    """Adds unknown addresses, (url, authority) each, to be fetched immediately; returns the new ones.

    Of the known ones the day on which they were named last is kept.
    """
    return await connection.fetch_values(_ADD_SOURCES, **_columns(addresses), now=now)


async def delete_lists(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` CRLs that ended, and were fetched last, before this instant, and that no path names."""
    return await connection.change(_DELETE_LISTS, before=before, most=most)


async def delete_sources(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` addresses that were named last before this instant, and whose CRLs no path names."""
    return await connection.change(_DELETE_SOURCES, before=before, most=most)


async def claim_due(
    connection: Connection,
    addresses: Sequence[tuple[str, str | None]],
    refreshes: Mapping[str | None, timedelta],
    *,
    now: datetime,
    duration: timedelta,
) -> Sequence[RevocationSource]:
    """Returns the addresses that are due. No other worker gets them for `duration`, not even after a crash.

    `addresses` are (url, authority) each; unknown ones are added, and are due. `refreshes` are the longest pauses
    between two fetches, by CA id; None is that of addresses of no one CA. A due time that is further ahead than it
    could have been set is wrong, and the address is due.
    """
    latest = {authority: now + max(refresh, duration) + LEEWAY for authority, refresh in refreshes.items()}
    of_others = latest.pop(None)
    claimed = await connection.fetch_rows(
        _CLAIM_DUE,
        **_columns(addresses),
        with_rule=list(latest),
        latest=list(latest.values()),
        latest_of_others=of_others,
        now=now,
        claimed_until=now + duration,
    )
    return [RevocationSource(row.url, row.authority, row.failures) for row in claimed]


async def record_success(connection: Connection, url: str, *, next_fetch_at: datetime, now: datetime) -> None:
    """Records that a CRL was fetched and accepted."""
    await connection.change(_RECORD_SUCCESS, url=url, next_fetch_at=next_fetch_at, tried_at=now)


async def record_failure(
    connection: Connection, url: str, *, reason: str, failures: int, next_fetch_at: datetime, now: datetime
) -> None:
    """Records that no usable CRL was fetched."""
    await connection.change(
        _RECORD_FAILURE, url=url, next_fetch_at=next_fetch_at, tried_at=now, failures=failures, last_refusal=reason
    )


async def expedite(
    connection: Connection, *, authority: str | None, urls: Sequence[str], tried_before: datetime, now: datetime
) -> bool:
    """Makes addresses due now whose last fetch failed before `tried_before`: those of the CA, and `urls`.

    Returns whether there were any.
    """
    expedited = await connection.change(
        _EXPEDITE, authority=authority, urls=list(urls), tried_before=tried_before, now=now
    )
    return expedited > 0


def _columns(addresses: Sequence[tuple[str, str | None]]) -> dict[str, list[str] | list[str | None]]:
    return {"urls": [url for url, _ in addresses], "authorities": [authority for _, authority in addresses]}

"""The stored CRLs, the newest issue of every scope, and the addresses from which they are fetched."""

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import datetime, timedelta

from sqlalchemy import case, func, or_, select, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.revocation import RevocationSource
from certificate_registry.pki.revocation_list import ListVersion, RevocationList
from certificate_registry.store.tables import crl, crl_source
from servicekit.database_clock import LEEWAY


async def read_versions(connection: AsyncConnection) -> Mapping[bytes, bytes]:
    """Returns scope → SHA-256 of every stored CRL: a few rows, read before every use of the CRLs."""
    rows = await connection.execute(select(crl.c.scope, crl.c.sha256))
    return {row.scope: row.sha256 for row in rows}


async def read_lists(connection: AsyncConnection, scopes: Sequence[bytes]) -> Sequence[bytes]:
    """Returns the CRLs of these scopes, in DER."""
    rows = await connection.execute(select(crl.c.der).where(crl.c.scope.in_(scopes)))
    return list(rows.scalars())


async def read_current_scopes(connection: AsyncConnection) -> Set[bytes]:
    """Returns the scopes that are the last ones fetched from their address.

    A CA that partitions its CRLs anew leaves old scopes behind, which no address publishes any more.
    """
    newest = select(crl.c.scope).ext(distinct_on(crl.c.url)).order_by(crl.c.url, crl.c.fetched_at.desc())
    return set((await connection.execute(newest)).scalars())


async def count_failures(connection: AsyncConnection) -> Mapping[str | None, int]:
    """Returns failed fetches since the last success, the most at one address, by CA id (None: several or no CA)."""
    rows = await connection.execute(
        select(crl_source.c.authority, func.max(crl_source.c.failures)).group_by(crl_source.c.authority)
    )
    return {authority: failures for authority, failures in rows}


async def lock_version(connection: AsyncConnection, scope: bytes) -> ListVersion | None:
    """Returns the stored issue of a CRL; no other transaction can replace it until this one ends."""
    # An advisory lock, because there may be no row yet: of two workers with a first issue one waits for the other.
    await connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(scope[:8], "big", signed=True))))
    row = (await connection.execute(select(crl.c.number, crl.c.this_update).where(crl.c.scope == scope))).one_or_none()
    if row is None:
        return None
    return ListVersion(None if row.number is None else int(row.number), row.this_update)


async def save(connection: AsyncConnection, accepted: RevocationList, *, url: str, now: datetime) -> bool:
    """Writes an accepted CRL, in place of the stored one of its scope; returns False if it is the stored one."""
    unchanged = await connection.execute(
        update(crl).where(crl.c.scope == accepted.scope, crl.c.sha256 == accepted.sha256).values(fetched_at=now)
    )
    if unchanged.rowcount:
        return False
    values = {
        "sha256": accepted.sha256,
        "issuer": accepted.issuer,
        "number": accepted.version.number,
        "this_update": accepted.this_update,
        "next_update": accepted.next_update,
        "url": url,
        "fetched_at": now,
        "der": accepted.der,
    }
    await connection.execute(
        insert(crl).values(scope=accepted.scope, **values).on_conflict_do_update(index_elements=["scope"], set_=values)
    )
    return True


async def add_sources(
    connection: AsyncConnection, addresses: Iterable[tuple[str, str | None]], now: datetime
) -> Sequence[str]:
    """Adds unknown addresses, (url, authority) each, to be fetched immediately; returns the new ones."""
    new_urls: list[str] = []
    for url, authority in addresses:
        inserted = await connection.execute(
            insert(crl_source)
            .values(url=url, authority=authority, next_fetch_at=now)
            .on_conflict_do_nothing()
            .returning(crl_source.c.url)
        )
        new_urls += inserted.scalars()
    return new_urls


async def claim_due(
    connection: AsyncConnection, refreshes: Mapping[str | None, timedelta], *, now: datetime, duration: timedelta
) -> Sequence[RevocationSource]:
    """Returns the addresses that are due. No other worker gets them for `duration`, not even after a crash.

    `refreshes` are the longest pauses between two fetches, by CA id; None is that of addresses of no one CA. A due time
    that is further ahead than it could have been set is wrong, and the address is due.
    """
    latest = {authority: now + max(refresh, duration) + LEEWAY for authority, refresh in refreshes.items()}
    of_others = latest.pop(None)
    due = (
        select(crl_source.c.url)
        .where(
            or_(
                crl_source.c.next_fetch_at <= now,
                crl_source.c.next_fetch_at
                > (case(latest, value=crl_source.c.authority, else_=of_others) if latest else of_others),
            )
        )
        .with_for_update(skip_locked=True)
    ).scalar_subquery()
    claimed = await connection.execute(
        update(crl_source)
        .where(crl_source.c.url.in_(due))
        .values(next_fetch_at=now + duration)
        .returning(crl_source.c.url, crl_source.c.authority, crl_source.c.failures)
    )
    return [RevocationSource(row.url, row.authority, row.failures) for row in claimed]


async def record_success(connection: AsyncConnection, url: str, *, next_fetch_at: datetime, now: datetime) -> None:
    """Records that a CRL was fetched and accepted."""
    await connection.execute(
        update(crl_source)
        .where(crl_source.c.url == url)
        .values(next_fetch_at=next_fetch_at, tried_at=now, failures=0, last_refusal=None)
    )


async def record_failure(
    connection: AsyncConnection, url: str, *, reason: str, failures: int, next_fetch_at: datetime, now: datetime
) -> None:
    """Records that no usable CRL was fetched."""
    await connection.execute(
        update(crl_source)
        .where(crl_source.c.url == url)
        .values(next_fetch_at=next_fetch_at, tried_at=now, failures=failures, last_refusal=reason)
    )


async def expedite(
    connection: AsyncConnection, *, authority: str | None, urls: Sequence[str], tried_before: datetime, now: datetime
) -> bool:
    """Makes addresses due now whose last fetch failed before `tried_before`: those of the CA, and `urls`.

    Returns whether there were any.
    """
    expedited = await connection.execute(
        update(crl_source)
        .where(
            or_(crl_source.c.authority == authority, crl_source.c.url.in_(urls)),
            crl_source.c.failures > 0,
            crl_source.c.tried_at < tried_before,
            crl_source.c.next_fetch_at > now,
        )
        .values(next_fetch_at=now)
    )
    return expedited.rowcount > 0

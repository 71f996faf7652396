"""Revocation lists that are held, where they are fetched, and the cards on them. The transaction is the caller's."""

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.domain.card import Card
from certificate_registry.pki.revocation_list import ListVersion, RevocationList
from certificate_registry.store.log_in import card_of_row, issuer_sha256
from certificate_registry.store.tables import card, crl, crl_source

# Serial numbers are looked up in slices, so that a long list makes no statement of megabytes.
_SLICE = 5000


@dataclass(frozen=True, slots=True)
class Source:
    """A place where a list is fetched. `authority` is the CA of the profile that it belongs to, where that is known."""

    url: str
    authority: str | None
    failures: int


async def held_versions(connection: AsyncConnection) -> Mapping[bytes, bytes]:
    """Which lists are held: scope → SHA-256. A few rows; asked before every use of the lists."""
    rows = await connection.execute(select(crl.c.scope, crl.c.sha256))
    return {row.scope: row.sha256 for row in rows}


async def read_lists(connection: AsyncConnection, scopes: Sequence[bytes]) -> Sequence[bytes]:
    """The lists of these scopes, in DER."""
    rows = await connection.execute(select(crl.c.der).where(crl.c.scope.in_(scopes)))
    return list(rows.scalars())


async def standing_scopes(connection: AsyncConnection) -> Set[bytes]:
    """The scopes of the lists that stand at the places where they were fetched: a CA that divides its lists anew leaves
    old ones behind, which no place has any more."""
    newest = select(crl.c.scope).ext(distinct_on(crl.c.url)).order_by(crl.c.url, crl.c.fetched_at.desc())
    return set((await connection.execute(newest)).scalars())


async def failures_in_a_row(connection: AsyncConnection) -> Mapping[str | None, int]:
    """How often fetching failed since it last succeeded: CA's id, where that is known → at its worst place."""
    rows = await connection.execute(
        select(crl_source.c.authority, func.max(crl_source.c.failures)).group_by(crl_source.c.authority)
    )
    return {authority: failures for authority, failures in rows}


async def held_version(connection: AsyncConnection, scope: bytes) -> ListVersion | None:
    """Which issue of a list is held; keeps others from replacing it until the transaction ends."""
    # Also where none is held yet: of two workers with the first issue of a list one waits for the other.
    await connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(scope[:8], "big", signed=True))))
    row = (await connection.execute(select(crl.c.number, crl.c.this_update).where(crl.c.scope == scope))).one_or_none()
    if row is None:
        return None
    return ListVersion(None if row.number is None else int(row.number), row.this_update)


async def hold(connection: AsyncConnection, accepted: RevocationList, *, url: str, now: datetime) -> None:
    """Holds a list that was accepted, in place of the one held of its scope."""
    unchanged = await connection.execute(
        update(crl).where(crl.c.scope == accepted.scope, crl.c.sha256 == accepted.sha256).values(fetched_at=now)
    )
    if unchanged.rowcount:
        return
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


async def learn_sources(
    connection: AsyncConnection, urls: Iterable[tuple[str, str | None]], now: datetime
) -> Sequence[str]:
    """Takes up places that are not known yet, to be fetched at once; gives the new ones. (url, authority) each."""
    found = []
    for url, authority in urls:
        learned = await connection.execute(
            insert(crl_source)
            .values(url=url, authority=authority, next_fetch_at=now)
            .on_conflict_do_nothing()
            .returning(crl_source.c.url)
        )
        found += list(learned.scalars())
    return found


async def take_due(connection: AsyncConnection, now: datetime, *, hold_until: datetime) -> Sequence[Source]:
    """The places whose time has come. They are ours until `hold_until`; after a crash they are due again then."""
    due = (
        select(crl_source.c.url).where(crl_source.c.next_fetch_at <= now).with_for_update(skip_locked=True)
    ).scalar_subquery()
    taken = await connection.execute(
        update(crl_source)
        .where(crl_source.c.url.in_(due))
        .values(next_fetch_at=hold_until)
        .returning(crl_source.c.url, crl_source.c.authority, crl_source.c.failures)
    )
    return [Source(row.url, row.authority, row.failures) for row in taken]


async def fetched(connection: AsyncConnection, url: str, *, next_fetch_at: datetime, now: datetime) -> None:
    """Records a fetch that brought a list."""
    await connection.execute(
        update(crl_source)
        .where(crl_source.c.url == url)
        .values(next_fetch_at=next_fetch_at, tried_at=now, failures=0, last_refusal=None)
    )


async def not_fetched(
    connection: AsyncConnection, url: str, *, reason: str, failures: int, next_fetch_at: datetime, now: datetime
) -> None:
    """Records a fetch that brought nothing usable."""
    await connection.execute(
        update(crl_source)
        .where(crl_source.c.url == url)
        .values(next_fetch_at=next_fetch_at, tried_at=now, failures=failures, last_refusal=reason)
    )


async def hurry(
    connection: AsyncConnection, *, authority: str | None, urls: Sequence[str], tried_before: datetime, now: datetime
) -> bool:
    """Makes the places of a CA, and these, due now where the last try failed and was before a moment; says whether any
    was."""
    hurried = await connection.execute(
        update(crl_source)
        .where(
            or_(crl_source.c.authority == authority, crl_source.c.url.in_(urls)),
            crl_source.c.failures > 0,
            crl_source.c.tried_at < tried_before,
            crl_source.c.next_fetch_at > now,
        )
        .values(next_fetch_at=now)
    )
    return hurried.rowcount > 0


async def listed_cards(connection: AsyncConnection, issuer_key: str, serials: Sequence[bytes]) -> Sequence[Card]:
    """The cards of an issuer that are not known to be revoked and have one of these serial numbers (unsigned bytes)."""
    found: list[Card] = []
    query = select(card).where(
        card.c.issuer_sha256 == issuer_sha256(issuer_key),
        card.c.serial == text("ANY (CAST(:serials AS bytea[]))"),
        card.c.revoked_at.is_(None),
    )
    for start in range(0, len(serials), _SLICE):
        rows = await connection.execute(query, {"serials": list(serials[start : start + _SLICE])})
        found += [card_of_row(row) for row in rows]
    return found


async def unrevoked_cards(connection: AsyncConnection, authority: str) -> Sequence[Card]:
    """The cards of a CA of the profile that are not known to be revoked."""
    query = select(card).where(card.c.authority == authority, card.c.revoked_at.is_(None))
    return [card_of_row(row) for row in await connection.execute(query)]


async def revoked_cards(connection: AsyncConnection, issuer_key: str) -> Sequence[Card]:
    """The cards of an issuer that are known to be revoked."""
    query = select(card).where(card.c.issuer_sha256 == issuer_sha256(issuer_key), card.c.revoked_at.is_not(None))
    return [card_of_row(row) for row in await connection.execute(query)]


async def set_revoked(connection: AsyncConnection, certificate_sha256: bytes, revoked_at: datetime | None) -> bool:
    """Marks a card as revoked, or takes the mark away (None); False where it stood so already."""
    stands_otherwise = card.c.revoked_at.is_(None) if revoked_at else card.c.revoked_at.is_not(None)
    changed = await connection.execute(
        update(card)
        .where(card.c.certificate_sha256 == certificate_sha256, stands_otherwise)
        .values(revoked_at=revoked_at)
    )
    return changed.rowcount == 1

"""Fetching revocation lists, and what a new one means for the cards that are kept (LIF-02)."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import aiohttp
from sqlalchemy.ext.asyncio import AsyncConnection

from certificate_registry.adapters import crl_download as crl
from certificate_registry.adapters.trust_store_cache import Trusted
from certificate_registry.domain.card import Card
from certificate_registry.pki.certificate import Certificate, parse_certificate
from certificate_registry.pki.path_validation import RevocationStatus, validate_certificate
from certificate_registry.pki.revocation_list import RevocationList, parse_revocation_list, schedule_fetch
from certificate_registry.pki.trust_store import TrustStore, accept_revocation_list
from certificate_registry.store import registrations as registration_store
from certificate_registry.store import revocation_lists as crl_store
from certificate_registry.store.revocation_lists import Source
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database

log = logging.getLogger(__name__)

FETCH = "fetch_crls"
# Longer than the slowest fetch; after a crash a place is asked again when this is over.
HOLD = timedelta(minutes=3)
# A place that failed is not asked again because of a waiting card before so much time has passed.
PATIENCE = timedelta(minutes=1)
WHO = "certificate-registry"


async def fetch_soon(connection: AsyncConnection) -> None:
    """Has the worker fetch what is due, at once."""
    await jobs.enqueue(connection, FETCH, queue="stop", arguments={})


async def look_for_lists(
    connection: AsyncConnection, certificate: Certificate, authority: str | None, now: datetime
) -> None:
    """Has the lists fetched that say something about a card of a trusted CA, when its revocation is not known.

    Places that only the card names are taken up; known ones that failed are tried again before their time.
    """
    places = [(url, authority) for url in certificate.crl_urls]
    learned = await crl_store.learn_sources(connection, places, now)
    hurried = await crl_store.hurry(
        connection, authority=authority, urls=certificate.crl_urls, tried_before=now - PATIENCE, now=now
    )
    if learned or hurried:
        await fetch_soon(connection)


async def fetch_due(database: Database, trusted: Trusted, clock: Callable[[], datetime]) -> None:
    """Fetches every list whose time has come. What can't be fetched or believed is logged and tried again later."""
    now = clock()
    async with database.transaction() as connection:
        await trusted.now(connection)
        await crl_store.learn_sources(connection, trusted.sources(), now)
        due = await crl_store.take_due(connection, now, hold_until=now + HOLD)
    if not due:
        return
    async with crl.open_client() as session:
        fetches = [_fetch(database, trusted, session, source, clock) for source in due]
        # One that breaks must not break off the others; they would be asked again only when their hold is over.
        broken = [end for end in await asyncio.gather(*fetches, return_exceptions=True) if end is not None]
    for error in broken:
        raise error


async def _fetch(
    database: Database, trusted: Trusted, session: aiohttp.ClientSession, source: Source, clock: Callable[[], datetime]
) -> None:
    rule = trusted.rule(source.authority)
    try:
        der = await crl.download_revocation_list(session, source.url, {source.url})
        fetched = await asyncio.to_thread(parse_revocation_list, der)
        now = clock()
        async with database.transaction() as connection:
            held = await crl_store.held_version(connection, fetched.scope)
            trust = await trusted.now(connection)
            await asyncio.to_thread(accept_revocation_list, fetched, trust, held, now)
            await crl_store.hold(connection, fetched, url=source.url, now=now)
            # Also where the list is the one held already: a card may have come while it was applied the first time.
            await apply_list(connection, fetched, await trusted.now(connection), now)
            await crl_store.fetched(
                connection,
                source.url,
                next_fetch_at=schedule_fetch(rule, now, fetched.next_update),
                now=now,
            )
    except Refusal as refusal:
        log.warning("no list of revoked certificates from %s: %s", source.url, refusal)
        failures = source.failures + 1
        now = clock()
        async with database.transaction() as connection:
            await crl_store.not_fetched(
                connection,
                source.url,
                reason=refusal.reason,
                failures=failures,
                next_fetch_at=schedule_fetch(rule, now, None, failures),
                now=now,
            )


async def apply_list(connection: AsyncConnection, new: RevocationList, trust: TrustStore, now: datetime) -> None:
    """Marks the cards that are revoked since this list, and takes the mark from those that are not any more (a hold).

    A serial number in the list only makes a card a suspect; whether it is revoked, the path validation says, which
    knows what each list covers.
    """
    for suspect in await _suspects(connection, new, trust):
        at = await _revoked(suspect, trust, now)
        if at is not None and await crl_store.set_revoked(connection, suspect.certificate_sha256, now):
            await _record(connection, suspect, "revoked", {"revoked_at": at, "crl_sha256": new.sha256.hex()}, now)
    if new.is_delta:
        return
    for released in await crl_store.revoked_cards(connection, new.issuer_key):
        if b"\0" + released.serial in new.entries or released.serial in new.entries:
            continue
        if await _is_good(released, trust, now) and await crl_store.set_revoked(
            connection, released.certificate_sha256, None
        ):
            await _record(connection, released, "revocation lifted", {"crl_sha256": new.sha256.hex()}, now)


async def _suspects(connection: AsyncConnection, new: RevocationList, trust: TrustStore) -> Sequence[Card]:
    serials = [serial.lstrip(b"\0") for serial in new.entries]
    suspects = list(await crl_store.listed_cards(connection, new.issuer_key, serials))
    revoked_authorities = any(
        new.issuer_key == certificate.parsed.issuer.hashable and new.contains(certificate.parsed)
        for certificate in trust.certificates
    )
    if revoked_authorities:
        # A CA is revoked, and with it every card below it, however far.
        for authority in {authority.id for authority in trust.pinned.values()}:
            suspects += await crl_store.unrevoked_cards(connection, authority)
    return suspects


async def _revoked(card: Card, trust: TrustStore, now: datetime) -> str | None:
    # Between two cards others get their turn; a CA may have many.
    await asyncio.sleep(0)
    try:
        await validate_certificate(parse_certificate(card.certificate), card.other_certificates, trust, now)
    except Refusal as refusal:
        if refusal.reason == "CERTIFICATE_REVOKED":
            return refusal.metadata.get("at", now.isoformat())
    return None


async def _is_good(card: Card, trust: TrustStore, now: datetime) -> bool:
    await asyncio.sleep(0)
    certificate = parse_certificate(card.certificate)
    try:
        validated = await validate_certificate(certificate, card.other_certificates, trust, now)
    except Refusal:
        return False
    return validated.revocation.status is RevocationStatus.GOOD


async def _record(connection: AsyncConnection, card: Card, what: str, after: dict[str, str], now: datetime) -> None:
    before = {"revoked_at": card.revoked_at.isoformat()} if card.revoked_at else {}
    await registration_store.write_history(
        connection,
        who=WHO,
        what=what,
        certificate_sha256=card.certificate_sha256,
        category=None,
        agencies=(),
        bidder_id=None,
        before=before,
        after=after,
        now=now,
    )

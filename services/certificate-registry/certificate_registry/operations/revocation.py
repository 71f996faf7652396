"""Fetches CRLs and marks the stored cards that they list (LIF-02)."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp

from certificate_registry.adapters.crl_download import download_revocation_list, open_client
from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.domain.card import Card
from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.revocation import RevocationSource
from certificate_registry.operations.card_trust import enqueue_refresh
from certificate_registry.operations.deliveries import tell_of_certificates
from certificate_registry.pki.certificate import parse_certificate
from certificate_registry.pki.path_validation import RevocationStatus, validate_certificate
from certificate_registry.pki.revocation_list import RevocationList, parse_revocation_list, schedule_fetch
from certificate_registry.pki.trust_store import TrustStore, accept_revocation_list
from certificate_registry.store import cards, revocation_lists
from history.entries import Chain, Entry, State
from history.writing import write_history
from refusals import Refusal
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.telemetry import find_trace_id

log = logging.getLogger(__name__)

# Longer than the slowest fetch. After a crash an address is due again when this is over.
_CLAIM = timedelta(minutes=3)
_WHO = "certificate-registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationListFetch:
    """Fetches the CRLs of one instance."""

    database: Database
    trust_stores: TrustStoreCache
    chain: Chain
    clock: DatabaseClock

    async def fetch_due(self) -> None:
        """Fetches every CRL that is due and applies it. Refused ones are logged and fetched again later."""
        async with self.database.single_change() as connection:
            now = await self.clock(connection)
            await self.trust_stores.current(connection)
            due = await revocation_lists.claim_due(
                connection,
                self.trust_stores.list_sources(),
                self.trust_stores.list_refreshes(),
                now=now,
                duration=_CLAIM,
            )
        if not due:
            return
        async with open_client() as client:
            # An error must not cancel the other fetches, which would be due again only after their claim.
            results = await asyncio.gather(*(self._fetch(client, source) for source in due), return_exceptions=True)
        for error in results:
            if error is not None:
                raise error

    async def _fetch(self, client: aiohttp.ClientSession, source: RevocationSource) -> None:
        rule = self.trust_stores.revocation_rule(source.authority)
        try:
            der = await download_revocation_list(client, source.url, {source.url})
            fetched = await asyncio.to_thread(parse_revocation_list, der)
            async with self.database.transaction() as connection:
                now = await self.clock(connection)
                stored_version = await revocation_lists.lock_version(connection, fetched.scope)
                trust_store = await self.trust_stores.current(connection)
                await asyncio.to_thread(accept_revocation_list, fetched, trust_store, stored_version, now)
                is_new = await revocation_lists.save(connection, fetched, url=source.url, now=now)
                if is_new:
                    await enqueue_refresh(connection)
                # Also if the CRL is the stored one: a card may have been added while it was applied the first time.
                trust_store = await self.trust_stores.current(connection, parsed=fetched)
                entries = await apply_list(connection, fetched, trust_store, now)
                await write_history(connection, self.chain, entries)
                await revocation_lists.record_success(
                    connection, source.url, next_fetch_at=schedule_fetch(rule, now, fetched.next_update), now=now
                )
        except Refusal as refusal:
            log.warning("the CRL of %s is refused: %s", source.url, refusal)
            failures = source.failures + 1
            async with self.database.single_change() as connection:
                now = await self.clock(connection)
                await revocation_lists.record_failure(
                    connection,
                    source.url,
                    reason=refusal.reason,
                    failures=failures,
                    next_fetch_at=schedule_fetch(rule, now, None, failures),
                    now=now,
                )


async def apply_list(
    connection: Connection, accepted: RevocationList, trust_store: TrustStore, now: datetime
) -> list[Entry]:
    """Marks the cards that this CRL revokes, and removes the mark from cards that are no longer on it (a hold).

    Other services are told of them.

    Returns the entries of the history. A listed serial number only selects a card for path validation, which decides
    what each CRL covers. Cards below a revoked CA are judged by `card_trust`, since they may be many.
    """
    changes: dict[bytes, datetime | None] = {}
    entries: dict[bytes, Entry] = {}
    serials = [serial.lstrip(b"\0") for serial in accepted.entries]
    for card in await cards.find_listed_cards(connection, accepted.issuer_key, serials):
        revoked_at = await _find_revocation(card, trust_store, now)
        if revoked_at is not None:
            changes[card.certificate_sha256] = now
            after = {"revoked_at": revoked_at, "crl_sha256": accepted.sha256.hex()}
            entries[card.certificate_sha256] = _describe(card, HistoryAction.REVOKED, after, now)
    # A delta CRL does not list all revoked cards.
    if not accepted.is_delta:
        for card in await cards.find_revoked_cards(connection, accepted.issuer_key):
            if b"\0" + card.serial in accepted.entries or card.serial in accepted.entries:
                continue
            if await _is_good(card, trust_store, now):
                changes[card.certificate_sha256] = None
                after = {"crl_sha256": accepted.sha256.hex()}
                entries[card.certificate_sha256] = _describe(card, HistoryAction.REVOCATION_LIFTED, after, now)
    changed = await cards.set_revoked(connection, changes) if changes else frozenset()
    await tell_of_certificates(connection, changed)
    return [entry for card, entry in entries.items() if card in changed]


async def _find_revocation(card: Card, trust_store: TrustStore, now: datetime) -> str | None:
    # Yields to the event loop between two cards; a CA may have many.
    await asyncio.sleep(0)
    try:
        await validate_certificate(parse_certificate(card.certificate), card.other_certificates, trust_store, now)
    except Refusal as refusal:
        if refusal.reason == "CERTIFICATE_REVOKED":
            return refusal.metadata.get("at", now.isoformat())
    return None


async def _is_good(card: Card, trust_store: TrustStore, now: datetime) -> bool:
    await asyncio.sleep(0)
    certificate = parse_certificate(card.certificate)
    try:
        validated = await validate_certificate(certificate, card.other_certificates, trust_store, now)
    except Refusal:
        return False
    return validated.revocation.status is RevocationStatus.GOOD


def _describe(card: Card, what: HistoryAction, after: State, now: datetime) -> Entry:
    return Entry(
        happened_at=now,
        who=_WHO,
        what=what,
        trace_id=find_trace_id(),
        certificate_sha256=card.certificate_sha256,
        before={"revoked_at": card.revoked_at.isoformat()} if card.revoked_at else {},
        after=after,
    )

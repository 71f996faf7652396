"""Judges the chains of stored cards anew when what they rest on changes: CRLs, or the CAs and rules of the profile.

`refresh` compares, by path, what cards rest on with what they were last judged by. What a newer CRL changes is written
set by set, and `copy_limits` brings it into the cards. Where the answer may differ from card to card, `judge` validates
each one again, a slice at a time, each slice a job of its own, so that nothing waits behind thousands of cards.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.trust import (
    Judgement,
    StoredPath,
    TrustLimits,
    TrustPath,
    assess_limits,
    has_listed_authority,
    hash_grounds,
    index_lists,
    judge_card,
)
from certificate_registry.operations.deliveries import tell_of_certificates
from certificate_registry.pki.revocation_list import RevocationList
from certificate_registry.pki.trust_store import TrustStore
from certificate_registry.store import cards, trust
from history.entries import Chain, Entry
from history.writing import write_history
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.telemetry import find_trace_id

log = logging.getLogger(__name__)

REFRESH_TRUST = "refresh_trust"
COPY_LIMITS = "copy_limits"
JUDGE_CARDS = "judge_cards"
TRUST_QUEUE = "card_trust"
# Cards of one transaction, which log-ins and revocations wait for.
MOST_COPIES = 1000
# Cards of one job: about two seconds.
MOST_CARDS = 250
# Before a worker that started with other rules than the newest passes a job on to one that has them.
_PAUSE = timedelta(seconds=5)
_WHO = "certificate-registry"
_UNKNOWN = "REVOCATION_STATUS_UNKNOWN"


async def enqueue_refresh(connection: Connection) -> None:
    """Enqueues a job that judges anew what has to be."""
    await jobs.enqueue(connection, REFRESH_TRUST, queue=TRUST_QUEUE, arguments={})


def describe_trust(
    certificate_sha256: bytes, before: str | None, after: str | None, *, who: str, now: datetime
) -> Entry:
    """Returns the history entry of a card that is no longer trusted, for another reason, or trusted again."""
    return Entry(
        happened_at=now,
        who=who,
        what=HistoryAction.TRUSTED_AGAIN if after is None else HistoryAction.DISTRUSTED,
        trace_id=find_trace_id(),
        certificate_sha256=certificate_sha256,
        before={"distrusted_because": before},
        after={"distrusted_because": after},
    )


def ground_path(
    path: TrustPath, limits: TrustLimits, trust_stores: TrustStoreCache, trust_store: TrustStore, now: datetime
) -> StoredPath:
    """Returns the path of a card that was just found valid by this trust store, to be stored where it is new.

    With what it was judged by: that the path is new is no reason to judge its cards again.
    """
    rule = trust_stores.revocation_rule(path.authority)
    grounds = hash_grounds(path, limits, index_lists(trust_store), rule, trust_stores.rules_sha256, now)
    return StoredPath(path, limits, grounds)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardTrust:
    """The trust in the stored cards of one instance."""

    database: Database
    trust_stores: TrustStoreCache
    chain: Chain
    clock: DatabaseClock

    async def adopt_rules(self, connection: Connection) -> None:
        """Makes the CAs and rules of this process those by which cards are judged: of several workers the last wins."""
        if await trust.read_rules(connection) != self.trust_stores.rules_sha256:
            await trust.save_rules(connection, self.trust_stores.rules_sha256, await self.clock(connection))
            await enqueue_refresh(connection)

    async def refresh(self) -> None:
        """Brings limits up to date, marks cards whose grace is over, and has judged anew what has to be."""
        async with self.database.transaction() as connection:
            now = await self.clock(connection)
            if not await self._has_rules(connection):
                return
            # CRLs are parsed before anything is locked; then there is nothing new to parse, except in a rare case.
            await self.trust_stores.current(connection)
            stored_paths = await trust.lock_paths(connection)
            trust_store = await self.trust_stores.current(connection)
            lists = index_lists(trust_store)
            assessed = [self._assess(stored, lists, now) for stored in stored_paths]
            pairs = list(zip(stored_paths, assessed, strict=True))
            await trust.update_paths(connection, [new for old, new in pairs if new != old])
            await self._settle(connection, assessed, lists, now)
            moved = [new.path.sha256.hex() for old, new in pairs if new.limits != old.limits]
            if moved:
                await jobs.enqueue(connection, COPY_LIMITS, queue=TRUST_QUEUE, arguments={"paths": moved})
            changed = [new.path.sha256 for old, new in pairs if new.judged_by != old.judged_by]
            if changed:
                await _enqueue_judging(connection, changed, b"")

    async def copy_limits(self, paths: Sequence[bytes]) -> None:
        """Copies the limits of paths to their cards, in portions, so that log-ins and revocations do not wait long."""
        copied = MOST_COPIES
        while copied == MOST_COPIES:
            async with self.database.single_change() as connection:
                copied = await trust.copy_limits(connection, paths, MOST_COPIES)

    async def judge(self, paths: Sequence[bytes], after: bytes) -> None:
        """Judges the next cards of these paths, in the order of their hashes; enqueues the job that goes on."""
        async with self.database.single_change() as connection:
            now = await self.clock(connection)
            if not await self._has_rules(connection):
                await _enqueue_judging(connection, paths, after, delay=_PAUSE)
                return
            trust_store = await self.trust_stores.current(connection)
            stored_cards = await trust.read_cards(connection, paths, after=after, most=MOST_CARDS, now=now)
        judgements: list[Judgement] = []
        for stored in stored_cards:
            # Yields to the event loop: a revocation must not wait for the slice.
            await asyncio.sleep(0)
            judgements.append(await judge_card(stored, trust_store, now))
        async with self.database.transaction() as connection:
            saved = await trust.save_judgements(connection, judgements, now)
            await self._record(connection, [one for one in judgements if one.stored.certificate_sha256 in saved], now)
            if len(saved) < len(judgements):
                # Somebody else judged some of them meanwhile, perhaps by older CRLs: the slice is judged again.
                await _enqueue_judging(connection, paths, after)
            elif len(stored_cards) == MOST_CARDS:
                await _enqueue_judging(connection, paths, stored_cards[-1].certificate_sha256)

    async def _has_rules(self, connection: Connection) -> bool:
        # While a new profile is rolled out, the workers of the old one leave judging to the others.
        has_rules = await trust.read_rules(connection) == self.trust_stores.rules_sha256
        if not has_rules:
            log.info("cards are judged by the CAs and rules of a worker that started later")
        return has_rules

    def _assess(self, stored: StoredPath, lists: Mapping[bytes, Sequence[RevocationList]], now: datetime) -> StoredPath:
        path, limits = stored.path, stored.limits
        rule = self.trust_stores.revocation_rule(path.authority)
        if path.authority in self.trust_stores.authority_ids:
            by_scope = {one.scope: one for issuer in path.issuers for one in lists.get(issuer, ())}
            limits = assess_limits(path, by_scope, rule, now, limits.trusted_until)
        grounds = hash_grounds(path, limits, lists, rule, self.trust_stores.rules_sha256, now)
        return replace(stored, limits=limits, judged_by=grounds)

    async def _settle(
        self,
        connection: Connection,
        paths: Sequence[StoredPath],
        lists: Mapping[bytes, Sequence[RevocationList]],
        now: datetime,
    ) -> None:
        overdue, covered = [], []
        for stored in paths:
            until = stored.limits.trusted_until
            if until is not None and until < now:
                overdue.append(stored.path.sha256)
            elif stored.limits.lists_until is not None and not has_listed_authority(stored.path, lists):
                covered.append(stored.path.sha256)
        distrusted = await trust.distrust_overdue(connection, overdue, now)
        restored = await trust.restore_covered(connection, covered)
        await tell_of_certificates(connection, {*distrusted, *restored})
        await write_history(
            connection,
            self.chain,
            [
                *(describe_trust(card, None, _UNKNOWN, who=_WHO, now=now) for card in distrusted),
                *(describe_trust(card, _UNKNOWN, None, who=_WHO, now=now) for card in restored),
            ],
        )

    async def _record(self, connection: Connection, saved: Sequence[Judgement], now: datetime) -> None:
        revoked = {judged.stored.certificate_sha256: now for judged in saved if judged.is_revoked}
        newly_revoked = await cards.set_revoked(connection, revoked) if revoked else frozenset()
        changed = {one.stored.certificate_sha256 for one in saved if _has_changed(one)}
        await tell_of_certificates(connection, newly_revoked | changed)
        await write_history(
            connection,
            self.chain,
            [
                *(_describe_revoked(card, now) for card in sorted(newly_revoked)),
                *_describe_changes(saved, now),
            ],
        )


def _describe_changes(judgements: Iterable[Judgement], now: datetime) -> Iterable[Entry]:
    for judged in judgements:
        if _has_changed(judged):
            before, after = judged.stored.distrusted_because, judged.distrusted_because
            yield describe_trust(judged.stored.certificate_sha256, before, after, who=_WHO, now=now)


def _has_changed(judged: Judgement) -> bool:
    return judged.stored.distrusted_because != judged.distrusted_because


def _describe_revoked(certificate_sha256: bytes, now: datetime) -> Entry:
    return Entry(
        happened_at=now,
        who=_WHO,
        what=HistoryAction.REVOKED,
        trace_id=find_trace_id(),
        certificate_sha256=certificate_sha256,
        before={},
        after={"revoked_at": now.isoformat()},
    )


async def _enqueue_judging(
    connection: Connection, paths: Sequence[bytes], after: bytes, delay: timedelta | None = None
) -> None:
    arguments = {"paths": [path.hex() for path in paths], "after": after.hex()}
    await jobs.enqueue(connection, JUDGE_CARDS, queue=TRUST_QUEUE, arguments=arguments, delay=delay)

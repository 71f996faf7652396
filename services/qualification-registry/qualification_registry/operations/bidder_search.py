"""A search, from the count of tries to the proof: every failure after the same work and the same time (QUA-06)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from instance_profile.model import Profile
from qualification_registry.domain import throttle
from qualification_registry.domain.bidders import Company
from qualification_registry.domain.search import (
    Search,
    bidder_not_found,
    qualification_found,
    refuse_who_may_not,
    today_in_japan,
)
from qualification_registry.adapters.password_hashing import PasswordHashing
from qualification_registry.store import bidders, passwords, search_counts
from servicekit.database import Database
from servicekit.telemetry import span


@dataclass(frozen=True, slots=True)
class Finder:
    """What a search needs."""

    database: Database
    profile: Profile
    hashing: PasswordHashing
    clock: Callable[[], datetime]

    async def find(self, search: Search) -> Company:
        """The company that the search is about.

        Raises TOO_MANY_TRIES, BIDDER_NOT_FOUND and, after a right password only, what `refuse_who_may_not` raises.
        """
        rule = self.profile.password
        keys = throttle.keys(search.certificate_sha256, search.bidder_id)
        await self._count(keys)
        loop = asyncio.get_running_loop()
        answer_at = loop.time() + self.hashing.answer_seconds

        now = self.clock()
        async with self.database.read() as connection:
            status = await bidders.status(connection, search.bidder_id)
            password = await passwords.password(connection, search.category.code, search.bidder_id)
            known = await bidders.qualifications(connection, search.bidder_id, search.category.code)
        with span("verify password"):
            encoded = password.encoded if password is not None else None
            right = await self.hashing.matches(encoded, search.password) or not search.asks_password
        qualification = qualification_found(search, known, today_in_japan(now))
        if status is None or qualification is None or not right:
            await asyncio.sleep(max(0.0, answer_at - loop.time()))
            raise bidder_not_found()

        async with self.database.transaction() as connection:
            await search_counts.take_back(connection, keys)
        refuse_who_may_not(search, qualification, status, password, rule, now)
        return qualification.company

    async def _count(self, keys: dict[throttle.Scope, bytes]) -> None:
        """Counts the try, for good, before anything is looked at; waits where many cards try the same bidder."""
        rule, now = self.profile.password, self.clock()
        window_ends = now + timedelta(minutes=rule.window_minutes)
        of_card: dict[throttle.Scope, bytes] = {
            scope: key for scope, key in keys.items() if scope is not throttle.Scope.BIDDER
        }
        async with self.database.transaction() as connection:
            counts = await search_counts.count_try(connection, of_card, now=now, window_ends=window_ends)
        throttle.refuse_too_many(counts, rule, now)
        # Tries that are refused do not count against the bidder, or one card could slow everybody down.
        of_bidder = {throttle.Scope.BIDDER: keys[throttle.Scope.BIDDER]}
        async with self.database.transaction() as connection:
            counts = await search_counts.count_try(connection, of_bidder, now=now, window_ends=window_ends)
        await asyncio.sleep(throttle.delay(counts[throttle.Scope.BIDDER], rule).total_seconds())

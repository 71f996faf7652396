"""Finds the bidder that a contractor searches for; every failure takes the same work and the same time (QUA-06)."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from qualification_registry.adapters.password_hashing import PasswordHashing
from qualification_registry.domain import throttle
from qualification_registry.domain.bidders import Company
from qualification_registry.domain.proof import LIFETIME, Proven, Statement
from qualification_registry.domain.search import (
    FoundBidder,
    Search,
    SearchEntry,
    belongs_to_another,
    check_entry,
    compare_company,
    find_qualification,
    refuse_search,
    require_may_register,
    write_patterns_in_question,
)
from qualification_registry.operations.bidder_proof import BidderProofs
from qualification_registry.store import bidders, search_counts
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.telemetry import span


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderSearch:
    """Searches of contractors."""

    database: Database
    profile: Profile
    hashing: PasswordHashing
    proofs: BidderProofs
    clock: DatabaseClock

    async def find(self, entry: SearchEntry) -> FoundBidder:
        """Returns the company that a contractor searches for, and the proof that the search found it.

        Raises what `check_entry` raises, TOO_MANY_TRIES, BIDDER_NOT_FOUND and, after a right password only, what
        `require_may_register` raises.
        """
        search = check_entry(self.profile, entry)
        company, statement = await self._find_company(search)
        return FoundBidder(company, self.proofs.sign(statement))

    async def _find_company(self, search: Search) -> tuple[Company, Statement]:
        keys = throttle.derive_keys(search.certificate_sha256, search.bidder_id)
        now = await self._count_try(keys)
        today = find_japan_day(now)
        loop = asyncio.get_running_loop()
        answer_at = loop.time() + self.hashing.answer_seconds

        async with self.database.read() as connection:
            bidder = await bidders.find_searched(connection, search.bidder_id, search.offer.category.code)
            qualification = find_qualification(search, bidder.qualifications if bidder is not None else (), today)
            # Asked in every search, of no names where none is in question.
            names_of_others = await bidders.list_names_of_others(
                connection,
                search.bidder_id,
                search.offer.category.code,
                agency=search.offer.agency.code,
                patterns=write_patterns_in_question(
                    (search.name, search.certificate_company_name),
                    qualification.company.name if qualification is not None else None,
                ),
                today=today,
            )
        password = bidder.password if bidder is not None else None
        with span("verify password"):
            encoded = password.encoded if password is not None else None
            is_right = await self.hashing.matches(encoded, search.password)
        # A wrong password is refused also where none is required.
        password_fails = not is_right and (search.requires_password or bool(search.password))
        if qualification is not None and belongs_to_another(search.name, qualification.company.name, names_of_others):
            qualification = None
        if bidder is None or qualification is None or password_fails:
            await asyncio.sleep(max(0.0, answer_at - loop.time()))
            raise refuse_search()

        async with self.database.single_change() as connection:
            await search_counts.revert_try(connection, keys)
        company = qualification.company
        proven = Proven(is_right, compare_company(search.certificate_company_name, company.name, names_of_others))
        require_may_register(
            search.offer, company.bidder_id, proven.company, bidder.status, password, self.profile, now
        )
        return company, Statement(
            instance=self.profile.id,
            bidder_id=company.bidder_id,
            agency=search.offer.agency.code,
            category=search.offer.category.code,
            certificate_sha256=search.certificate_sha256,
            issued_at=now,
            expires_at=now + LIFETIME,
            proven=proven,
            password_issued_at=password.issued_at if is_right and password is not None else None,
        )

    async def _count_try(self, keys: dict[throttle.Scope, bytes]) -> datetime:
        """Counts the try, committed before the search; delays it where many cards try the same bidder.

        Returns when it was. Refused tries do not count against the bidder, or one card could delay all others.
        """
        rule = self.profile.password
        window = timedelta(minutes=rule.window_minutes)
        limits = throttle.find_limits(rule)
        async with self.database.single_change() as connection:
            now = await self.clock(connection)
            counts = await search_counts.count_try(connection, keys, limits=limits, now=now, window=window)
        throttle.require_tries_left(counts, rule, now)
        await asyncio.sleep(throttle.compute_delay(counts[throttle.Scope.BIDDER], rule).total_seconds())
        return now

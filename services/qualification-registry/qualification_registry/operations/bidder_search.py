"""Finds the bidder that a contractor searches for; every failure takes the same work and the same time (QUA-06)."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from qualification_registry.adapters.password_hashing import PasswordHashing
from qualification_registry.domain import throttle
from qualification_registry.domain.bidders import Company
from qualification_registry.domain.card_approval import CardAtAgency, find_questions, require_approved
from qualification_registry.domain.certificate_names import compare_company, compare_holder
from qualification_registry.domain.name_variants import belongs_to_another, write_patterns_in_question
from qualification_registry.domain.proof import LIFETIME, Proven, Statement
from qualification_registry.domain.search import (
    FoundBidder,
    Search,
    SearchEntry,
    check_entry,
    find_qualification,
    refuse_search,
    require_may_register,
)
from qualification_registry.operations.bidder_proof import BidderProofs
from qualification_registry.store import bidders, card_approvals, search_counts
from servicekit.database import Database
from servicekit.database_clock import StatementClock
from servicekit.telemetry import span


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedCompany:
    """The company that a search found, whose bidder may register, but for what an officer has to decide of the card."""

    search: Search
    company: Company
    proven: Proven
    password_issued_at: datetime | None
    at: datetime

    @property
    def card(self) -> CardAtAgency:
        """What an officer's approval would be of."""
        offer = self.search.offer
        return CardAtAgency(
            offer.agency.code, offer.category.code, self.company.bidder_id, self.search.certificate_sha256
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderSearch:
    """Searches of contractors."""

    database: Database
    profile: Profile
    hashing: PasswordHashing
    proofs: BidderProofs
    clock: StatementClock

    async def find(self, entry: SearchEntry) -> FoundBidder:
        """Returns the company that a contractor searches for, and the proof that the search found it.

        Raises what `find_company` raises and, after a right password only, what `require_approved` raises.
        """
        searched = await self.find_company(entry)
        offer, questions = searched.search.offer, find_questions(searched.search.offer.rules, searched.proven)
        approval = ""
        if questions:
            async with self.database.read() as connection:
                approvals = await card_approvals.list_of_card(connection, searched.card)
            approval = require_approved(offer, questions, approvals)
        statement = Statement(
            instance=self.profile.id,
            bidder_id=searched.company.bidder_id,
            agency=offer.agency.code,
            category=offer.category.code,
            certificate_sha256=searched.search.certificate_sha256,
            issued_at=searched.at,
            expires_at=searched.at + LIFETIME,
            proven=searched.proven,
            password_issued_at=searched.password_issued_at,
            card_approval=approval,
        )
        return FoundBidder(searched.company, self.proofs.sign(statement))

    async def find_company(self, entry: SearchEntry) -> SearchedCompany:
        """Returns the company that a contractor searches for, and how the card's names compare with it.

        Raises what `check_entry` raises, TOO_MANY_TRIES, BIDDER_NOT_FOUND and, after a right password only, what
        `require_may_register` raises.
        """
        search = check_entry(self.profile, entry)
        keys = throttle.derive_keys(search.certificate_sha256, search.bidder_id)
        now = await self._count_try(keys)
        today = find_japan_day(now)
        loop = asyncio.get_running_loop()
        answer_at = loop.time() + self.hashing.answer_seconds

        async with self.database.read() as connection:
            bidder, _ = await bidders.find_searched(
                connection, search.bidder_id, search.offer.category.code, search.offer.agency.code, now
            )
            qualification = find_qualification(search, bidder.qualifications if bidder is not None else (), today)
            roster_names = [company.name for company in qualification.companies] if qualification is not None else []
            # Asked in every search, of no names where none is in question.
            names_of_others = await bidders.list_names_of_others(
                connection,
                search.bidder_id,
                search.offer.category.code,
                agency=search.offer.agency.code,
                patterns=write_patterns_in_question((search.name, search.names.company), roster_names),
                today=today,
            )
        password = bidder.password if bidder is not None else None
        with span("verify password"):
            encoded = password.encoded if password is not None else None
            is_right = await self.hashing.matches(encoded, search.password)
        # A wrong password is refused also where none is required.
        password_fails = not is_right and (search.requires_password or bool(search.password))
        if any(belongs_to_another(search.name, roster_name, names_of_others) for roster_name in roster_names):
            qualification = None
        if bidder is None or qualification is None or password_fails:
            await asyncio.sleep(max(0.0, answer_at - loop.time()))
            raise refuse_search()

        async with self.database.single_change() as connection:
            await search_counts.revert_try(connection, keys)
        company = qualification.company
        proven = Proven(
            is_right,
            compare_company(search.names.company, roster_names, names_of_others),
            compare_holder(search.names.holder, qualification.companies),
        )
        require_may_register(search.offer, company.bidder_id, proven, bidder.status, password, self.profile, now)
        return SearchedCompany(
            search=search,
            company=company,
            proven=proven,
            password_issued_at=password.issued_at if is_right and password is not None else None,
            at=now,
        )

    async def _count_try(self, keys: dict[throttle.Scope, bytes]) -> datetime:
        """Counts the try, committed before the search; delays it where many cards try the same bidder.

        Returns when it was. Refused tries do not count against the bidder, or one card could delay all others.
        """
        rule = self.profile.password
        window = timedelta(minutes=rule.window_minutes)
        limits = throttle.find_limits(rule)
        async with self.database.single_change() as connection:
            counts, now = await search_counts.count_try(
                connection, keys, limits=limits, now=self.clock(connection), window=window
            )
        throttle.require_tries_left(counts, rule, now)
        await asyncio.sleep(throttle.compute_delay(counts[throttle.Scope.BIDDER], rule).total_seconds())
        return now

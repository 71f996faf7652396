"""Proves that a bidder, whose old card proved itself, may have a new card in its place (REN-02)."""

from dataclasses import dataclass
from datetime import datetime

from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from instance_profile.offers import Offer, require_offer
from qualification_registry.domain.bidders import Company, Qualification, can_be_bidder_id
from qualification_registry.domain.card_approval import (
    CardAtAgency,
    find_questions,
    require_approved,
    require_company,
)
from qualification_registry.domain.new_card import NewCard
from qualification_registry.domain.predecessor import require_no_successor
from qualification_registry.domain.proof import LIFETIME, Proven, Statement
from qualification_registry.domain.search import FoundBidder, refuse_unqualified, require_active, require_qualified
from qualification_registry.operations.bidder_proof import BidderProofs
from qualification_registry.operations.card_comparison import compare_card
from qualification_registry.store import bidders, card_approvals
from servicekit.database import Database
from servicekit.database_clock import StatementClock
from servicekit.database_connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedCard:
    """A new card whose bidder may have it, but for what an officer has to decide of it."""

    new_card: NewCard
    offer: Offer
    company: Company
    proven: Proven
    at: datetime

    @property
    def card(self) -> CardAtAgency:
        """What an officer's approval would be of."""
        new = self.new_card
        return CardAtAgency(new.agency, new.category, new.bidder_id, new.certificate_sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderRenewal:
    """Bidders of cards that are renewed. The caller knows the bidder from the old card, so nobody searches."""

    database: Database
    profile: Profile
    proofs: BidderProofs
    clock: StatementClock

    async def find_company(self, agency: str, category: str, bidder_id: str) -> Company:
        """Returns the company of a bidder whose card proved itself, from an agency's roster.

        Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED, BIDDER_NOT_QUALIFIED, BIDDER_ENDED,
        BIDDER_SUSPENDED.
        """
        offer = require_offer(self.profile, agency, category)
        async with self.database.read() as connection:
            qualification, _ = await self._find_qualification(connection, offer, bidder_id, for_renewal=False)
        return qualification.company

    async def prove(self, new_card: NewCard) -> FoundBidder:
        """Returns the company of a bidder that may have a new card, and the proof of it, which states no password.

        Raises what `judge` raises, and what `require_approved` raises.
        """
        judged = await self.judge(new_card)
        approval = ""
        if questions := find_questions(judged.offer.rules, judged.proven):
            async with self.database.read() as connection:
                approvals = await card_approvals.list_of_card(connection, judged.card)
            approval = require_approved(judged.offer, questions, approvals)
        statement = Statement(
            instance=self.profile.id,
            bidder_id=judged.company.bidder_id,
            agency=new_card.agency,
            category=new_card.category,
            certificate_sha256=new_card.certificate_sha256,
            issued_at=judged.at,
            expires_at=judged.at + LIFETIME,
            proven=judged.proven,
            password_issued_at=None,
            card_approval=approval,
            for_renewal=True,
        )
        return FoundBidder(judged.company, self.proofs.sign(statement))

    async def judge(self, new_card: NewCard) -> JudgedCard:
        """Returns how a new card compares with its bidder, which may have it.

        Raises what `find_company`, `require_no_successor` and `require_company` raise.
        """
        offer = require_offer(self.profile, new_card.agency, new_card.category)
        async with self.database.read() as connection:
            qualification, now = await self._find_qualification(connection, offer, new_card.bidder_id, for_renewal=True)
            proven = await compare_card(
                connection,
                new_card.names,
                qualification,
                agency=new_card.agency,
                category=new_card.category,
                today=find_japan_day(now),
                password=False,
            )
        require_company(offer, proven)
        return JudgedCard(new_card=new_card, offer=offer, company=qualification.company, proven=proven, at=now)

    async def _find_qualification(
        self, connection: Connection, offer: Offer, bidder_id: str, *, for_renewal: bool
    ) -> tuple[Qualification, datetime]:
        """Returns the qualification of an active bidder, and when that was."""
        if not can_be_bidder_id(bidder_id):
            raise refuse_unqualified()
        agency, category = offer.agency.code, offer.category.code
        searched, now = await bidders.find_searched(connection, bidder_id, category, agency, self.clock(connection))
        if for_renewal:
            # First: such a bidder has often left the roster, and that says less.
            require_no_successor(searched.succession if searched is not None else None)
        bidder, qualification = require_qualified(searched, agency, find_japan_day(now))
        require_active(bidder_id, bidder.status)
        return qualification, now

"""Compares a name with a bidder's in the roster, for officers who are asked why a search does not find it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from instance_profile.field_rules import refuse_violations
from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from instance_profile.name_comparison import compare_names
from instance_profile.offers import require_offer
from qualification_registry.domain.bidders import can_be_bidder_id, refuse_unknown_bidder
from qualification_registry.domain.name_variants import belongs_to_another, write_patterns_in_question
from qualification_registry.domain.search import ComparedName, check_compared_name, find_compared_name
from qualification_registry.store import bidders
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderNames:
    """Comparisons of names with those of bidders."""

    database: Database
    profile: Profile
    clock: Callable[[], datetime]

    async def compare(self, agency_code: str, category_code: str, bidder_id: str, name: str) -> ComparedName:
        """Returns the bidder's name in the agency's newest roster, and how a search compares the other name with it.

        While a changed name is under review, either of the two may be the roster's: see `find_compared_name`.

        Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED, FIELDS_INVALID and BIDDER_UNKNOWN.
        """
        offer = require_offer(self.profile, agency_code, category_code)
        refuse_violations(check_compared_name(name))
        if not can_be_bidder_id(bidder_id):
            raise refuse_unknown_bidder(bidder_id)
        agency, category, today = offer.agency.code, offer.category, find_japan_day(self.clock())
        async with self.database.read() as connection:
            qualifications = await bidders.list_qualifications(
                connection, [bidder_id], category.code, agency=agency, today=today
            )
            if bidder_id not in qualifications:
                raise refuse_unknown_bidder(bidder_id)
            roster_name = find_compared_name(name, qualifications[bidder_id])
            names_of_others = await bidders.list_names_of_others(
                connection,
                bidder_id,
                category.code,
                agency=agency,
                patterns=write_patterns_in_question([name], [roster_name]),
                today=today,
            )
        is_another = belongs_to_another(name, roster_name, names_of_others)
        comparison = compare_names(name, roster_name, category.name_strictness, is_borne_by_another=is_another)
        return ComparedName(roster_name, comparison)

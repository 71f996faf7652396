"""Lists the agencies where bidders are qualified (SYN-01)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from instance_profile.offers import require_category
from qualification_registry.domain.bidders import QualifiedAgencies, can_be_bidder_id
from qualification_registry.store import bidders
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class QualifiedAgencyList:
    """Where bidders are qualified, for other services."""

    database: Database
    profile: Profile
    clock: Callable[[], datetime]

    async def list_agencies(self, category_code: str, bidder_ids: Sequence[str]) -> QualifiedAgencies:
        """Returns the agencies that offer the category and where each bidder is qualified now, from one snapshot.

        Every id is listed once, in the order given; without agencies where the bidder is unknown, ended or qualified
        nowhere. Raises CATEGORY_UNKNOWN.
        """
        now = self.clock()
        category = require_category(self.profile, category_code)
        offering = [agency.code for agency in self.profile.agencies if category.code in agency.categories]
        async with self.database.read() as connection:
            agencies = await bidders.list_qualified_agencies(
                connection,
                set(filter(can_be_bidder_id, bidder_ids)),
                category.code,
                agencies=offering,
                today=find_japan_day(now),
            )
        return QualifiedAgencies({bidder_id: agencies.get(bidder_id, ()) for bidder_id in bidder_ids}, now)

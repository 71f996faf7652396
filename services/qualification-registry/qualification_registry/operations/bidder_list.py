"""Lists the bidders of an agency in a category, page by page, for officers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from instance_profile.offers import require_offer
from qualification_registry.domain.bidders import ListedBidder
from qualification_registry.store import bidders
from servicekit.database import Database

# Bidders in one page.
_DEFAULT_PAGE = 100
_LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderList:
    """The list of bidders that are or will be qualified."""

    database: Database
    profile: Profile
    clock: Callable[[], datetime]

    async def read_page(self, agency_code: str, category_code: str, *, after: str, most: int) -> Sequence[ListedBidder]:
        """Returns the bidders of an agency in a category with ids after `after`, sorted by id.

        At most `most` and at most 1000; 100 where `most` is not positive. Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN and
        CATEGORY_NOT_OFFERED.
        """
        offer = require_offer(self.profile, agency_code, category_code)
        async with self.database.read() as connection:
            return await bidders.list_bidders(
                connection,
                offer.category.code,
                agency=offer.agency.code,
                # PostgreSQL accepts no NUL in a text; no id is between an id with NUL and the part before the NUL.
                after=after.partition("\0")[0],
                most=min(most, _LARGEST_PAGE) if most > 0 else _DEFAULT_PAGE,
                today=find_japan_day(self.clock()),
            )

"""Officers make a bidder the successor of another one in a category (QUA-10), by two of them."""

from dataclasses import dataclass

from history.entries import Chain
from history.writing import write_history
from instance_profile.model import Profile
from officers.act import check_reason
from qualification_registry.domain.bidders import can_be_bidder_id, refuse_unknown_bidder
from qualification_registry.domain.history import Circumstances, describe_link
from qualification_registry.domain.predecessor import LinkRequest, require_linkable
from qualification_registry.operations.suspension import require_place
from qualification_registry.store import commits, predecessors, previews
from servicekit.database import Database
from servicekit.database_connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class BidderSuccession:
    """Links between bidders and their predecessors, as officers decide them. A roster brings others."""

    database: Database
    profile: Profile
    chain: Chain

    async def check(self, connection: Connection, request: LinkRequest) -> str:
        """Returns of what a proposed link depends beside its own bidders: the successor of its successor, or empty.

        No link is added until the transaction ends. Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, OFFICER_REASON_INVALID,
        BIDDER_UNKNOWN, and what `require_linkable` raises.
        """
        link = request.link
        require_place(self.profile, request.agency, link.category)
        check_reason(request.reason)
        await commits.lock_all_imports(connection)
        both = [link.bidder_id, link.predecessor]
        known = await previews.find_existing_ids(connection, list(filter(can_be_bidder_id, both)))
        for bidder_id in both:
            if bidder_id not in known:
                raise refuse_unknown_bidder(bidder_id)
        successors = await predecessors.list_successors(connection, link.category)
        require_linkable(successors, link.bidder_id, link.predecessor)
        return successors.get(link.bidder_id, "")

    async def link(self, connection: Connection, request: LinkRequest, circumstances: Circumstances) -> None:
        """Links a bidder to its predecessor, as two officers decided, from now on. Raises as `check`."""
        await self.check(connection, request)
        await predecessors.add_link(connection, request.link, since=circumstances.happened_at)
        entries = describe_link(
            circumstances, request.link, agencies=(request.agency,), because={"reason": request.reason}
        )
        await write_history(connection, self.chain, entries)

"""Lists how far a registration has come at the other agencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from agency_sync.domain.offers import Offering
from agency_sync.domain.propagation import Propagation, add_planned
from agency_sync.store import intentions, propagations
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationListing:
    """Lists propagations. `offering` has the rules of the agencies that offer each category."""

    database: Database
    offering: Offering

    async def list_propagations(self, registration_id: UUID, agency: str) -> Sequence[Propagation]:
        """Returns the propagations of a registration at an agency (SYN-05), ordered by the further agencies.

        None of an unknown registration, of another agency's, and of one that propagation made.
        """
        # The intention first: if a worker closes it between the two reads, its results are read too.
        async with self.database.read() as connection:
            intention = await intentions.find_intention(connection, registration_id, agency)
            if intention is None:
                return []
            recorded = await propagations.list_propagations(connection, registration_id)
        return add_planned(registration_id, recorded, intention=intention, offering=self.offering)

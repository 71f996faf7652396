"""Lists how far a registration has come at the other agencies."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from agency_sync.domain.propagation import Propagation, add_planned
from agency_sync.store import intentions, propagations
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationListing:
    """Lists propagations. `offering` has the agencies that offer each category."""

    database: Database
    offering: Mapping[str, Collection[str]]

    async def list_propagations(self, registration_id: UUID) -> Sequence[Propagation]:
        """Returns the propagations of a registration (SYN-05), ordered by agency; none of an unknown registration."""
        # The intention first: if a worker closes it between the two reads, its results are read too.
        async with self.database.read() as connection:
            intention = await intentions.find_open(connection, registration_id)
            recorded = await propagations.list_propagations(connection, registration_id)
        return add_planned(registration_id, recorded, intention=intention, offering=self.offering)

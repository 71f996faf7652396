"""Lists how far registrations, renewals and changes have come at the other agencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from agency_sync.domain.card_state import CardKey
from agency_sync.domain.offers import Offering
from agency_sync.domain.propagation import Propagation, PropagationProgress, add_planned
from agency_sync.domain.schedule import Schedule
from agency_sync.operations.batches import CLAIM
from agency_sync.store import listed_intentions, propagations
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagationListing:
    """Lists propagations. `offering` has the rules of the agencies that offer each category."""

    database: Database
    clock: DatabaseClock
    schedule: Schedule
    offering: Offering

    async def list_propagations(self, registration_id: UUID, agency: str) -> Sequence[Propagation]:
        """Returns the propagations of a registration or change at an agency (SYN-05), ordered by the further agencies.

        None of what is unknown, was made at another agency, or was made by propagation.
        """
        # The intention first: if a worker closes it between the two reads, its results are read too.
        async with self.database.read() as connection:
            intention = await listed_intentions.find_intention(connection, registration_id, agency)
            if intention is None:
                return []
            recorded = await propagations.list_propagations(connection, [registration_id])
        return add_planned(recorded, intention=intention, offering=self.offering)

    async def list_of_card(self, card: CardKey, agency: str) -> tuple[Sequence[Propagation], datetime]:
        """Returns the propagations of what a card did at an agency, the newest act first, and when this was true.

        Of its newest acts only (`listed_intentions.MOST_ACTS`); within an act they are ordered by agency.
        """
        async with self.database.read() as connection:
            now = await self.clock(connection)
            intentions = await listed_intentions.list_intentions(connection, card, agency)
            ids = [intention.registration_id for intention in intentions]
            recorded = await propagations.list_propagations(connection, ids) if ids else []
        listed = [
            propagation
            for intention in intentions
            for propagation in add_planned(
                [each for each in recorded if each.registration_id == intention.registration_id],
                intention=intention,
                offering=self.offering,
            )
        ]
        return listed, now

    async def read_progress(self, agency: str) -> tuple[PropagationProgress, datetime | None]:
        """Returns how far everything is that an agency's contractors did, and when the next night batch begins."""
        async with self.database.read() as connection:
            now = await self.clock(connection)
            progress = await listed_intentions.count_progress(connection, agency, now=now, longest_claim=CLAIM)
        return progress, None if self.schedule.is_at_once else self.schedule.plan(now)

"""Records a committed registration, with the intention to propagate it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from agency_sync.domain.intention import Timing
from agency_sync.domain.registration import Registration
from agency_sync.operations.propagate import enqueue_propagation
from agency_sync.store import intentions, registrations
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRecord:
    """Records registrations as their events arrive. `timing` is None where the instance does not propagate."""

    database: Database
    clock: Callable[[], datetime]
    timing: Timing | None

    async def record(self, registration: Registration) -> None:
        """Records a registration, once per version, and opens the intention to propagate it in the same transaction.

        The intention of Timing.AT_ONCE gets a job. Nothing carries out the intentions of Timing.NIGHT yet
        (docs/limitations.md): they stay open, and their propagations are listed as planned.
        """
        async with self.database.transaction() as connection:
            is_newer = await registrations.record_registration(connection, registration)
            # A registration made by propagation is not propagated again, or propagation would never end.
            if not is_newer or registration.by_propagation or self.timing is None:
                return
            await intentions.open_intention(connection, registration, self.timing, now=self.clock())
            if self.timing is Timing.AT_ONCE:
                await enqueue_propagation(connection)

"""Keeps what went wrong for contractors, for a help desk to find by the number on the screen."""

from collections.abc import Sequence
from dataclasses import dataclass

from certificate_registry.domain.incident import Incident
from certificate_registry.store.incidents import add_incidents
from servicekit.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRecord:
    """The incidents of the last 90 days (`operations.expiry` deletes the older ones)."""

    database: Database

    async def record(self, incidents: Sequence[Incident]) -> None:
        """Keeps incidents, once each."""
        async with self.database.transaction() as connection:
            await add_incidents(connection, incidents)

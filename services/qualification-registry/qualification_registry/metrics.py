"""How old the rosters are."""

from sqlalchemy.ext.asyncio import AsyncConnection

from instance_profile.model import Profile
from qualification_registry.store import commits
from servicekit.metrics import Ages, Metrics


class RosterMetrics:
    """The age of each roster that the profile has a mapping for and that was imported."""

    def __init__(self, metrics: Metrics, profile: Profile) -> None:
        self._mappings = frozenset(mapping.name for mapping in profile.roster_mappings)
        self._age = Ages(
            metrics,
            "toroku_roster_age_seconds",
            "How long ago an import of the roster was last committed, in seconds; missing where none ever was",
            ("roster", "category"),
        )

    async def look(self, connection: AsyncConnection) -> None:
        """Reads when the rosters were imported; for `Metrics.refreshed`."""
        committed = await commits.last_commits(connection)
        # One that the profile has no mapping for any more will not be imported again.
        self._age.since({roster: at for roster, at in committed.items() if roster[0] in self._mappings})

"""The metric of the age of rosters."""

from instance_profile.model import Profile
from qualification_registry.store import commits
from servicekit.database_connection import Connection
from servicekit.metrics import Ages, Metrics


class RosterMetrics:
    """The age of every imported roster that the profile has a mapping for."""

    def __init__(self, metrics: Metrics, profile: Profile) -> None:
        self._rosters = frozenset(mapping.roster for mapping in profile.roster_mappings)
        self._age = Ages(
            metrics,
            "toroku_roster_age_seconds",
            "How long ago an import of the roster was last committed, in seconds; missing where none ever was",
            ("roster", "category"),
        )

    async def look(self, connection: Connection) -> None:
        """Reads when rosters were last imported; for `Metrics.refreshed`."""
        last_commits = await commits.list_last_commits(connection)
        # A roster whose mappings left the profile is not imported again, so its age means nothing.
        self._age.since({roster: at for roster, at in last_commits.items() if roster[0] in self._rosters})

"""Shows officers the versions of a roster: which there are, and the lines and the file of each (QUA-12)."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from instance_profile.japan_time import find_japan_day
from instance_profile.model import Profile
from qualification_registry.domain.roster_versions import (
    LinePage,
    RosterVersion,
    VersionState,
    find_responsible_agency,
    refuse_unknown_version,
    require_page,
)
from qualification_registry.domain.stored_file import FileExpansion
from qualification_registry.store import versions
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.identity import Caller, require_acts_for

_DEFAULT_VERSIONS = 20
_MOST_VERSIONS = 100
_DEFAULT_LINES = 100
_MOST_LINES = 1000
# A page ends early where its values are longer: clients receive 4 MiB at most unless they say otherwise.
_MOST_CHARACTERS = 500_000
# Of a stored file, read at a time: 8 kB each.
_ROWS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterVersions:
    """The versions of all rosters, for officers of the agencies that are responsible for them."""

    database: Database
    profile: Profile
    clock: DatabaseClock

    async def list_versions(
        self, roster: str, *, before: int, most: int, officer: Caller
    ) -> Sequence[tuple[RosterVersion, VersionState]]:
        """Returns versions with their states, the newest first: those before `before` if it is positive.

        At most `most` and at most 100; 20 where `most` is not positive. Raises ROSTER_UNKNOWN, AGENCY_NOT_OWN.
        """
        most = min(most, _MOST_VERSIONS) if most > 0 else _DEFAULT_VERSIONS
        async with self.database.read() as connection:
            await self._require_responsible(connection, roster, officer)
            today = find_japan_day(await self.clock(connection))
            page = await versions.list_versions(connection, roster, before=before if before > 0 else None, most=most)
        return [(version, version.judge_state(today)) for version in page]

    async def read_lines(self, roster: str, version: int, *, page: str, most: int, officer: Caller) -> LinePage:
        """Returns lines of a version by bidder id: at most `most` and at most 1000; 100 where `most` is not positive.

        Raises ROSTER_UNKNOWN, AGENCY_NOT_OWN, ROSTER_VERSION_UNKNOWN, PAGE_INVALID.
        """
        after = require_page(page)
        most = min(most, _MOST_LINES) if most > 0 else _DEFAULT_LINES
        async with self.database.read() as connection:
            found = await self._find_version(connection, roster, version, officer)
            # One more than asked for, which tells whether there is another page.
            lines = await versions.list_lines(connection, found, after=after, most=most + 1)
        shown, characters = 0, 0
        while shown < min(most, len(lines)) and characters <= _MOST_CHARACTERS:
            characters += lines[shown].characters
            shown += 1
        return LinePage(lines[:shown], lines[shown - 1].company.bidder_id if shown < len(lines) else "")

    async def read_file(self, roster: str, version: int, *, officer: Caller) -> AsyncGenerator[bytes, None]:
        """Yields the file of a version in pieces. Raises ROSTER_UNKNOWN, AGENCY_NOT_OWN, ROSTER_VERSION_UNKNOWN."""
        async with self.database.read() as connection:
            found = await self._find_version(connection, roster, version, officer)
        first, expansion = 0, FileExpansion()
        # Read by read: a slow client holds no connection, and the file of a version never changes.
        while True:
            async with self.database.read() as connection:
                rows = await versions.read_file(connection, found.number, first=first, most=_ROWS)
            if not rows:
                break
            for content in expansion.expand(rows):
                yield content
            first += _ROWS
        if content := expansion.finish():
            yield content

    async def _require_responsible(self, connection: Connection, roster: str, officer: Caller) -> None:
        # PostgreSQL accepts no NUL in a text.
        newest = await versions.list_versions(connection, roster, before=None, most=1) if roster.isprintable() else ()
        require_acts_for(officer, find_responsible_agency(self.profile, roster, newest[0] if newest else None))

    async def _find_version(self, connection: Connection, roster: str, version: int, officer: Caller) -> RosterVersion:
        await self._require_responsible(connection, roster, officer)
        found = await versions.find_version(connection, roster, version)
        if found is None:
            raise refuse_unknown_version(roster, version)
        return found

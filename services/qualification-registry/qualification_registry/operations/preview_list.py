"""Lists what an import would do, line by line and page by page, for officers (QUA-12)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from instance_profile.model import Profile
from qualification_registry.domain.roster_changes import (
    LineKind,
    Position,
    PreviewLine,
    PreviewPage,
    list_changes,
    read_page,
    write_page,
)
from qualification_registry.domain.roster_comparison import read_name
from qualification_registry.domain.roster_import import (
    RosterImport,
    UndecidedRow,
    preview_outdated,
    preview_unknown,
    require_committable,
)
from qualification_registry.store import commits, lines, previews
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection
from servicekit.identity import Caller, require_acts_for

# Lines in one page, and undecided rows, each of which comes with the bidders that it may be.
_DEFAULT_PAGE = 100
_LARGEST_PAGE = 1000
_LARGEST_UNDECIDED_PAGE = 200
# A page ends early where its values are longer: clients receive 4 MiB at most unless they say otherwise.
_MOST_CHARACTERS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewList:
    """The lines and the undecided rows of previews that can be committed."""

    database: Database
    profile: Profile
    clock: DatabaseClock

    async def read_lines(
        self, import_id: UUID, kinds: Collection[LineKind], *, page: str, most: int, officer: Caller
    ) -> PreviewPage:
        """Returns lines of some kinds, sorted by kind and bidder id: at most `most` and at most 1000.

        100 where `most` is not positive. Raises PAGE_INVALID, ROSTER_PREVIEW_UNKNOWN, AGENCY_NOT_OWN,
        ROSTER_HAS_ERRORS, ROSTER_PREVIEW_OUTDATED.
        """
        start = read_page(page)
        most = min(most, _LARGEST_PAGE) if most > 0 else _DEFAULT_PAGE
        async with self.database.transaction() as connection:
            roster_import = await self._find_import(connection, import_id, officer)
            read: dict[Position, PreviewLine] = {}
            for kind in sorted(kinds):
                if kind >= start.kind and roster_import.counts.kinds[kind] and len(read) <= most:
                    after = start.bidder_id if kind is start.kind else ""
                    # One more than asked for, which tells whether there is another page.
                    wanted = most + 1 - len(read)
                    read |= await _read_kind(connection, roster_import, kind, after=after, most=wanted)
            await _require_current(connection, roster_import)
        return _cut(read, most)

    async def read_undecided(
        self, import_id: UUID, *, after: int, most: int, officer: Caller
    ) -> Sequence[UndecidedRow]:
        """Returns undecided rows in the order of the file: those after row `after`, at most `most` and at most 200.

        100 where `most` is not positive. Raises what `read_lines` raises, except PAGE_INVALID.
        """
        most = min(most, _LARGEST_UNDECIDED_PAGE) if most > 0 else _DEFAULT_PAGE
        async with self.database.read() as connection:
            roster_import = await self._find_import(connection, import_id, officer)
            rows = await commits.list_undecided_rows(connection, roster_import.number, after=after, most=most)
            await _require_current(connection, roster_import)
        return rows

    async def _find_import(self, connection: Connection, import_id: UUID, officer: Caller) -> RosterImport:
        roster_import = await commits.find_import(connection, import_id)
        if roster_import is None:
            raise preview_unknown()
        require_acts_for(officer, roster_import.responsible_agency)
        require_committable(roster_import, self.profile, await self.clock(connection))
        return roster_import


async def _require_current(connection: Connection, roster_import: RosterImport) -> None:
    """Raises ROSTER_PREVIEW_OUTDATED where another version was committed, perhaps while the lines were read."""
    if await previews.find_version(connection, roster_import.roster) != roster_import.base_version:
        raise preview_outdated()


async def _read_kind(
    connection: Connection, roster_import: RosterImport, kind: LineKind, *, after: str, most: int
) -> dict[Position, PreviewLine]:
    number = roster_import.number
    in_file: dict[str, tuple[int, str | None]] = {}
    if kind is LineKind.GONE:
        gone = await previews.list_gone(connection, number, after=after, most=most)
        in_file |= dict.fromkeys(gone, (0, None))
    else:
        in_file |= await lines.read_import_lines(connection, number, kind, after=after, most=most)
    current = await lines.read_current_lines(connection, roster_import.term_number, list(in_file))
    if len(current) != (0 if kind is LineKind.NEW else len(in_file)):
        raise preview_outdated()
    is_assigned = kind is LineKind.NEW and roster_import.ids_are_assigned
    known = await previews.find_existing_ids(connection, in_file) if is_assigned else in_file
    grade_kinds = await previews.list_grade_kinds(connection)
    return {
        Position(kind, bidder_id): PreviewLine(
            kind=kind,
            bidder_id=bidder_id if bidder_id in known else "",
            name=read_name(line or current[bidder_id]),
            row=row,
            changes=list_changes(current.get(bidder_id), line, grade_kinds),
        )
        for bidder_id, (row, line) in in_file.items()
    }


def _cut(read: Mapping[Position, PreviewLine], most: int) -> PreviewPage:
    """Returns the page of the first lines, and the position of its last one where there are more."""
    shown: list[PreviewLine] = []
    last, characters = "", 0
    for position, line in read.items():
        if len(shown) == most or characters > _MOST_CHARACTERS:
            return PreviewPage(shown, last)
        shown.append(line)
        last = write_page(position)
        characters += sum(len(change.kind + change.before + change.after) for change in line.changes)
    return PreviewPage(shown, "")

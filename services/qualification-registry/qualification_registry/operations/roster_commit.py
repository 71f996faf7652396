"""A preview becomes the current version of its roster, all or nothing (QUA-12)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from instance_profile.model import Profile
from qualification_registry.operations.bidder_events import announce_named_first_by
from qualification_registry.domain.roster_comparison import numbered_ids
from qualification_registry.domain.roster_decisions import decided_bidders, twice
from qualification_registry.operations.roster_preview import mapping_sha256
from qualification_registry.store import commits, previews
from qualification_registry.store import lines as stored_lines
from refusals import Code, Refusal
from servicekit.database import Database

# A preview is kept for a day.
LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Committed:
    """What an import did. `roster_version` counts from 1."""

    import_id: UUID
    roster_version: int
    new: int
    changed: int
    gone: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Committer:
    """What a commit needs."""

    database: Database
    profile: Profile
    clock: Callable[[], datetime]

    async def commit(
        self, import_id: UUID, decisions: Sequence[tuple[int, str]], *, accept_suggestions: bool, officer: str
    ) -> Committed:
        """Commits a preview; one that was committed before gives what it gave then.

        Raises ROSTER_PREVIEW_UNKNOWN, ROSTER_PREVIEW_OUTDATED, ROSTER_HAS_ERRORS, BIDDER_UNKNOWN and what
        `decided_bidders` raises.
        """
        now = self.clock()
        async with self.database.transaction() as connection:
            held = await previews.import_by_id(connection, import_id)
            if held is not None and held.committed_at is not None:
                return _committed(held)
            if held is None or held.previewed_at + LIFETIME <= now:
                raise Refusal("ROSTER_PREVIEW_UNKNOWN", Code.NOT_FOUND)
            if held.error_count:
                raise Refusal("ROSTER_HAS_ERRORS", Code.FAILED_PRECONDITION, {"count": str(held.error_count)})
            self._check_mapping(held)
            if await commits.lock_roster(connection, held.roster, held.category) != held.base_version:
                raise _outdated()
            done = {"committed_by": officer, "committed_at": now}
            if held.same_as_current:
                done["result_version"] = held.base_version
            else:
                done |= await self._make_version(connection, held, decisions, accept_suggestions)
            await previews.set_import(connection, held.number, done)
            return _committed(await previews.import_by_id(connection, import_id))

    def _check_mapping(self, held: Any) -> None:
        """The lines were made by the profile as it was then."""
        try:
            mapping = self.profile.mapping(held.roster)
        except KeyError:
            raise _outdated() from None
        if mapping_sha256(self.profile, mapping) != held.mapping_sha256:
            raise _outdated()

    async def _make_version(
        self, connection: AsyncConnection, held: Any, decisions: Sequence[tuple[int, str]], accept_suggestions: bool
    ) -> dict[str, Any]:
        epoch = await commits.wait_for_turn(connection)
        if held.ids_are_assigned and await commits.assigned_otherwise(connection, held.number):
            raise _outdated()
        counts = {"new": held.new, "changed": held.changed, "unchanged": held.unchanged}
        not_named = set(held.not_named)
        undecided = await commits.undecided_rows(connection, held.number)
        suggestions = {row.row: row.suggested_bidder_id for row in undecided}
        decided = decided_bidders(suggestions, decisions, accept_suggestions=accept_suggestions)
        await self._check_decisions(connection, held, decided, not_named)
        before = await stored_lines.current_lines(connection, held.roster, list(decided.values()))
        added = []
        fresh = await self._fresh_ids(connection, sum(not bidder_id for bidder_id in decided.values()))
        for row in undecided:
            bidder_id = decided[row.row] or fresh.pop(0)
            was = before.get(bidder_id)
            counts["new" if was is None else "unchanged" if was == row.line else "changed"] += 1
            if was != row.line:
                added.append(f"{held.number}\t{row.row}\t{bidder_id}\t{row.line}\n")
        if added:
            async with stored_lines.adding_lines(connection) as write:
                await write("".join(added).encode())
        gone = sorted(not_named - set(decided.values()))
        new_bidders = await commits.add_bidders(
            connection, held.number, ids_are_assigned=held.ids_are_assigned, epoch=epoch
        )
        if held.base_version:
            await commits.supersede(connection, held.roster, held.number, gone=gone)
        version = held.base_version + 1
        await commits.make_current(connection, held.roster, held.number, version, category=held.category)
        if new_bidders:
            await announce_named_first_by(connection, held.number)
        return {**counts, "gone": len(gone), "made_version": version, "result_version": version}

    async def _check_decisions(
        self, connection: AsyncConnection, held: Any, decided: dict[int, str], not_named: set[str]
    ) -> None:
        """A decision names a bidder that there is, and that no other line of the file names."""
        chosen = {bidder_id: row for row, bidder_id in decided.items() if bidder_id}
        if not chosen:
            return
        # PostgreSQL takes no NUL in a text, and no bidder id has one.
        known = await previews.existing(connection, [bidder_id for bidder_id in chosen if bidder_id.isprintable()])
        for bidder_id in chosen:
            if bidder_id not in known:
                shown = "".join(filter(str.isprintable, bidder_id))[:40]
                raise Refusal("BIDDER_UNKNOWN", Code.NOT_FOUND, {"bidder_id": shown})
        named = await commits.named_by(connection, held.number, chosen)
        # A line that did not change is not in the import's lines; its bidder stands in the roster and was named.
        standing = await stored_lines.current_lines(connection, held.roster, chosen)
        for bidder_id, row in chosen.items():
            if bidder_id in named or (bidder_id in standing and bidder_id not in not_named):
                raise twice(bidder_id, row)

    async def _fresh_ids(self, connection: AsyncConnection, count: int) -> list[str]:
        if not count:
            return []
        first = await previews.take_numbers(connection, count)
        return numbered_ids(self.profile.bidder_id, first, count)


def _outdated() -> Refusal:
    return Refusal("ROSTER_PREVIEW_OUTDATED", Code.ABORTED)


def _committed(held: Any) -> Committed:
    return Committed(held.import_id, held.result_version, held.new, held.changed, held.gone, held.unchanged)

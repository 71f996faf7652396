"""What a commit changes: the current lines of a roster, its version, and the bidders that it names first (QUA-12)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from qualification_registry.store.tables import registry_state, roster_imports, rosters, undecided_lines

# A preview's ids for new 法人番号 are good unless another import gave one of these numbers another id meanwhile.
_ASSIGNED_OTHERWISE = text(
    """
    SELECT EXISTS (
        SELECT FROM roster_lines line
        JOIN bidders bidder ON bidder.assigned_for = line.corporate_number AND bidder.bidder_id <> line.bidder_id
        WHERE line.import_number = :number
    )
    """
)
_ADD_BIDDERS = text(
    """
    INSERT INTO bidders (bidder_id, first_import, assigned_for, version_epoch)
    SELECT line.bidder_id, :number, CASE WHEN :ids_are_assigned THEN line.corporate_number END, :epoch
    FROM roster_lines line
    WHERE line.import_number = :number
      AND NOT EXISTS (SELECT FROM bidders bidder WHERE bidder.bidder_id = line.bidder_id)
    """
)
# `:number` itself has made no version yet, so its own lines are none of these.
_SUPERSEDE = text(
    """
    UPDATE roster_lines line SET superseded_by = :number
    FROM roster_imports import
    WHERE import.number = line.import_number AND import.roster = :roster AND import.made_version IS NOT NULL
      AND line.superseded_by IS NULL
      AND (
          line.bidder_id = ANY(:gone)
          OR EXISTS (
              SELECT FROM roster_lines new
              WHERE new.import_number = :number AND new.bidder_id = line.bidder_id
          )
      )
    """
)
_NAMED_BY_IMPORT = text(
    "SELECT bidder_id FROM roster_lines WHERE import_number = :number AND bidder_id = ANY(:bidder_ids)"
)


@dataclass(frozen=True, slots=True)
class UndecidedRow:
    """A line that waits for an officer's word."""

    row: int
    suggested_bidder_id: str
    line: str


async def lock_roster(connection: AsyncConnection, name: str, category: str) -> int:
    """Locks a roster for this transaction, made anew where nobody imported it before; gives its version."""
    made = insert(rosters).values(name=name, category=category).on_conflict_do_nothing()
    await connection.execute(made)
    locked = await connection.execute(select(rosters.c.version).where(rosters.c.name == name).with_for_update())
    return int(locked.scalar_one())


async def wait_for_turn(connection: AsyncConnection) -> int:
    """Makes imports of all rosters take turns until this transaction ends, so that two of them do not number or name
    the same new bidder. Gives the epoch."""
    locked = await connection.execute(select(registry_state.c.epoch).with_for_update())
    return int(locked.scalar_one())


async def assigned_otherwise(connection: AsyncConnection, number: int) -> bool:
    """Whether a 法人番号 of the import got another bidder id from another import since the preview."""
    return bool((await connection.execute(_ASSIGNED_OTHERWISE, {"number": number})).scalar_one())


async def undecided_rows(connection: AsyncConnection, number: int) -> list[UndecidedRow]:
    """The lines of a preview that wait for an officer's word, in the order of the file."""
    found = await connection.execute(
        select(undecided_lines.c.row, undecided_lines.c.suggested_bidder_id, undecided_lines.c.line)
        .where(undecided_lines.c.import_number == number)
        .order_by(undecided_lines.c.row)
    )
    return [UndecidedRow(*row) for row in found]


async def named_by(connection: AsyncConnection, number: int, bidder_ids: Collection[str]) -> set[str]:
    """Those of the bidders that other lines of the import name."""
    found = await connection.execute(_NAMED_BY_IMPORT, {"number": number, "bidder_ids": list(bidder_ids)})
    return set(found.scalars())


async def add_bidders(connection: AsyncConnection, number: int, *, ids_are_assigned: bool, epoch: int) -> int:
    """Makes a bidder of each new id in the import's lines; says how many. Imports take turns, so nobody else does."""
    # What was copied in a moment ago has no statistics yet, and the planner would look up each line by itself.
    await connection.execute(text("SET LOCAL enable_nestloop = off"))
    added = await connection.execute(
        _ADD_BIDDERS, {"number": number, "ids_are_assigned": ids_are_assigned, "epoch": epoch}
    )
    await connection.execute(text("SET LOCAL enable_nestloop = on"))
    return added.rowcount


async def supersede(connection: AsyncConnection, roster: str, number: int, *, gone: Sequence[str]) -> None:
    """Ends the current lines of the roster that the import has anew, and those of bidders that are gone."""
    await connection.execute(_SUPERSEDE, {"roster": roster, "number": number, "gone": list(gone)})


async def make_current(connection: AsyncConnection, roster: str, number: int, version: int, *, category: str) -> None:
    """Makes an import the roster's current version; all lines of a roster are of the category of its last import."""
    await connection.execute(
        update(rosters)
        .where(rosters.c.name == roster)
        .values(version=version, current_import=number, category=category)
    )


async def last_commits(connection: AsyncConnection) -> Mapping[tuple[str, str], datetime]:
    """When an import of each roster was last committed, also one that brought nothing new: (name, category) → when."""
    found = await connection.execute(
        select(rosters.c.name, rosters.c.category, func.max(roster_imports.c.committed_at))
        .join(roster_imports, roster_imports.c.roster == rosters.c.name)
        .where(roster_imports.c.committed_at.is_not(None))
        .group_by(rosters.c.name, rosters.c.category)
    )
    return {(name, category): at for name, category, at in found}

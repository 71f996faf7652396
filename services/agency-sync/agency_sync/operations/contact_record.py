"""Records the states of contacts' owners, and has planned what the other agencies follow by plan."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from agency_sync.domain.contact_owner import ContactOwnerState
from agency_sync.operations.feed_appending import FeedAppending
from agency_sync.store import contact_owners
from servicekit.database import Database
from servicekit.database_connection import Connection

# Opens the intentions of the changes that these owners plan, in the caller's transaction.
OpenChanges = Callable[[Connection, Sequence[ContactOwnerState]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactOwnerRecord:
    """Records the states of contacts' owners as they arrive."""

    database: Database
    feeds: FeedAppending
    # None where no change is planned.
    open_changes: OpenChanges | None = None

    async def record(self, states: Sequence[ContactOwnerState]) -> None:
        """Replaces the states of owners by newer ones, and appends what the feeds lack of them, in one transaction.

        The number of statements does not depend on the number of states.
        """
        newest = select_newest_owners(states)
        async with self.database.transaction() as connection:
            written_ids = await contact_owners.replace_states(connection, list(newest.values()))
            written = [newest[owner_id] for owner_id in written_ids]
            if written and self.open_changes is not None:
                await self.open_changes(connection, written)
            await self.feeds.append_of_contacts(connection, written)


def select_newest_owners(states: Iterable[ContactOwnerState]) -> Mapping[UUID, ContactOwnerState]:
    """Returns one state for each owner, since a list may have an older one of the same beside it."""
    newest: dict[UUID, ContactOwnerState] = {}
    for state in states:
        if state.owner_id not in newest or newest[state.owner_id].version < state.version:
            newest[state.owner_id] = state
    return newest

"""The newest head is told to a witness, who keeps it where those who run the database can't write.

Best effort: nothing waits for the witness, and of several heads it is told the newest alone, which contains all others.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from history.heads import Head
from history.reading import find_newest_head
from servicekit import jobs
from servicekit.database import Database

# The task that tells the newest head. It has no arguments.
SEND_HEAD = "send_history_head"
HEADS_QUEUE = "heads_to_agency_sync"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadNews:
    """Tells the newest head by `tell`, which hands it to the service named `witness`."""

    database: Database
    witness: str
    tell: Callable[[Head], Awaitable[None]]

    def register(self, work: jobs.Work) -> None:
        """Adds the task to the work of a worker."""

        @work.task(SEND_HEAD, queue=HEADS_QUEUE)
        async def send_history_head(_: dict[str, Any]) -> None:
            await self.send()

        work.wait_for(self.witness, queue=HEADS_QUEUE)

    async def enqueue(self) -> None:
        """Has the newest head told, unless a job waits already that will read it."""
        async with self.database.transaction() as connection:
            if not await jobs.is_any_waiting(connection, HEADS_QUEUE):
                await jobs.enqueue(connection, SEND_HEAD, queue=HEADS_QUEUE, arguments={})

    async def send(self) -> None:
        """Tells the head that is the newest now; nothing where nothing is sealed yet."""
        async with self.database.read() as connection:
            head = await find_newest_head(connection)
        if head is not None:
            await self.tell(head)

"""Erases the details of a card's entries in the history: its certificate, and the lines that it signed."""

from dataclasses import dataclass

from history.entries import ERASED, Chain, Entry
from history.erasing import erase_details, find_detailed
from history.erasure_order import OPERATOR
from history.writing import WrittenEntry
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock


@dataclass(frozen=True, slots=True, kw_only=True)
class CardErasure:
    """Erases what the history says of a card beside ids (docs/erasure.md)."""

    database: Database
    chain: Chain
    clock: DatabaseClock

    async def erase(self, certificate_sha256: bytes, reason: str) -> tuple[int, WrittenEntry | None]:
        """Erases a card's details by an act that is an entry itself; returns how many, and the act's entry.

        What was erased before is passed over; the act is None where nothing is left. The reason stays in the history,
        so it names no person.
        """
        async with self.database.transaction() as connection:
            numbers = await find_detailed(connection, "certificate_sha256", certificate_sha256)
            act = Entry(
                happened_at=await self.clock(connection),
                who=OPERATOR,
                what=ERASED,
                certificate_sha256=certificate_sha256,
                before={},
                after={"reason": reason},
            )
            return len(numbers), await erase_details(connection, self.chain, act, numbers)

"""All details of a bidder's entries are erased, as an operator orders it on the command line of a registry."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from history.entries import ERASED, Chain, Entry
from history.erasing import erase_details, find_detailed
from history.erasure_order import OPERATOR, ErasureOrder
from history.writing import write_history
from servicekit.database_connection import Connection


@dataclass(frozen=True, slots=True)
class BidderErasure:
    """What was erased: rows by what they are, details of so many entries, and the number of the act's entry.

    The act is None where nothing was left to erase.
    """

    rows: Mapping[str, int]
    entries: int
    act: int | None


async def erase_bidder(
    connection: Connection, chain: Chain, order: ErasureOrder, rows: Mapping[str, int], *, now: datetime
) -> BidderErasure:
    """Erases the details of a bidder's entries, in the transaction that erases the registry's own `rows` of it.

    The act is an entry also where rows were erased and no details.
    """
    numbers = await find_detailed(connection, "bidder_id", order.subject)
    act = Entry(
        happened_at=now,
        who=OPERATOR,
        what=ERASED,
        bidder_id=order.subject,
        before={},
        after={"reason": order.reason, "rows": {name: str(count) for name, count in rows.items() if count}},
    )
    written = await erase_details(connection, chain, act, numbers)
    if written is not None:
        return BidderErasure(rows, len(numbers), written.number)
    if not any(rows.values()):
        return BidderErasure(rows, 0, None)
    [written] = await write_history(connection, chain, [act])
    return BidderErasure(rows, 0, written.number)


def describe_erasure(order: ErasureOrder, erasure: BidderErasure) -> str:
    """Returns what was erased, for the terminal: a line for each kind of rows."""
    if erasure.act is None:
        return f"nothing is left to erase of bidder {order.subject}"
    counts = {**erasure.rows, "entries of the history with details": erasure.entries}
    lines = [f"{name}: {count}" for name, count in counts.items()]
    return "\n".join([f"erased of bidder {order.subject}, by entry {erasure.act} of the history:", *lines])

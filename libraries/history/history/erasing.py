"""Details are taken out of the history, by an act that is an entry itself.

The act's details name the erased entries by the SHA-256 of their digests, ascending, so that nobody can say of other
details that the same act erased them.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from sqlalchemy import text

from history.entries import ERASED, ERASED_ENTRIES, Chain, Entry, digest_erased
from history.writing import WrittenEntry, write_history
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_DETAILED = {
    column: Statement(
        text(
            "SELECT entry.number FROM history_entry AS entry "  # noqa: S608  # the names of columns below
            "JOIN history_details AS details USING (number) "
            f"WHERE entry.{column} = :sought AND entry.what <> :erased"
        )
    )
    for column in ("bidder_id", "certificate_sha256")
}
# Whoever erases some of these at the same time waits, and does not find them any more.
_FIND = Statement(
    text(
        """
        SELECT entry.number, entry.digest
        FROM history_details AS details JOIN history_entry AS entry ON entry.number = details.number
        WHERE details.number = ANY (CAST(:numbers AS bigint[])) AND entry.what <> :erased
        ORDER BY entry.number FOR UPDATE OF details
        """
    )
)
_NOTE = Statement(
    text(
        """
        INSERT INTO history_erasure (number, erased_by)
        SELECT number, CAST(:erased_by AS bigint) FROM unnest(CAST(:numbers AS bigint[])) AS erased (number)
        """
    )
)
_ERASE = Statement(text("DELETE FROM history_details WHERE number = ANY (CAST(:numbers AS bigint[]))"))


async def find_detailed(
    connection: Connection, column: Literal["bidder_id", "certificate_sha256"], sought: str | bytes
) -> list[int]:
    """Returns the numbers of a subject's entries that still have details, but for acts of erasure."""
    return await connection.fetch_values(_DETAILED[column], sought=sought, erased=ERASED)


async def erase_details(
    connection: Connection, chain: Chain, act: Entry, numbers: Sequence[int]
) -> WrittenEntry | None:
    """Erases the details of the entries with these numbers, in the caller's transaction; returns the act's entry.

    `act` says who did it and why; its `what` becomes ERASED. Entries without details, and acts of erasure, are passed
    over. Returns None where nothing is left to erase.
    """
    entries = await connection.fetch_rows(_FIND, numbers=list(numbers), erased=ERASED)
    if not entries:
        return None
    names = {ERASED_ENTRIES: digest_erased(entry.digest for entry in entries)}
    [written] = await write_history(connection, chain, [replace(act, what=ERASED, after={**act.after, **names})])
    found = [entry.number for entry in entries]
    await connection.change(_NOTE, numbers=found, erased_by=written.number)
    await connection.change(_ERASE, numbers=found)
    return written

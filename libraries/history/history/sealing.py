"""One batch of entries gets its positions and its head, in one transaction.

Whoever dies at any moment leaves the chain as it was: entries that have no position still stand in `history_unsealed`.
"""

from typing import Any

from sqlalchemy import text

from history.entries import Chain
from history.heads import BEFORE_THE_FIRST, MOST_ENTRIES, PREFIX, Head
from history.merkle import compute_root
from servicekit.database import Database
from servicekit.database_connection import Connection
from servicekit.signed_statement import SigningKey
from servicekit.statements import Statement

# Of two sealers the second one waits, and then goes on from the first one's head. Readers wait for neither.
_LOCK = Statement(text("LOCK TABLE history_head IN SHARE ROW EXCLUSIVE MODE"))
# Entries that were committed late have a lower number than some that are sealed, and come into a later batch.
_TAKE = Statement(
    text(
        """
        SELECT entry.number, entry.digest
        FROM (SELECT number FROM history_unsealed ORDER BY number LIMIT CAST(:most AS bigint)) AS unsealed
        JOIN history_entry AS entry ON entry.number = unsealed.number
        ORDER BY entry.number
        """
    )
)
_NEWEST_HEAD = Statement(
    text(
        """
        SELECT chain, number, first_position, last_position, sealed_at, root, previous, key_id, signature
        FROM history_head ORDER BY number DESC LIMIT 1
        """
    )
)
_SEAL = Statement(
    text(
        """
        WITH head AS (
            INSERT INTO history_head (
                chain, number, first_position, last_position, sealed_at, root, previous, key_id, signature, leaves
            ) VALUES (
                :chain, CAST(:number AS bigint), CAST(:first_position AS bigint), CAST(:last_position AS bigint),
                :sealed_at, :root, :previous, :key_id, :signature, :leaves
            )
        ), positions AS (
            INSERT INTO history_position (position, number)
            SELECT CAST(:first_position AS bigint) + place - 1, number
            FROM unnest(CAST(:numbers AS bigint[])) WITH ORDINALITY AS sealed (number, place)
        )
        DELETE FROM history_unsealed WHERE number = ANY (CAST(:numbers AS bigint[]))
        """
    )
)


def load_sealing_key(pem: bytes) -> SigningKey:
    """Returns the key in a PEM file that signs heads; raises ValueError, which does not show the content."""
    return SigningKey.from_pem(pem, PREFIX)


async def seal_batch(database: Database, chain: Chain, key: SigningKey) -> int:
    """Seals the oldest entries that are not sealed, at most MOST_ENTRIES; returns how many, 0 where there were none."""
    async with database.transaction() as connection:
        await connection.change(_LOCK)
        entries = await connection.fetch_rows(_TAKE, most=MOST_ENTRIES)
        if entries:
            await _seal(connection, chain, key, entries)
        return len(entries)


async def _seal(connection: Connection, chain: Chain, key: SigningKey, entries: list[Any]) -> None:
    newest = await connection.fetch_row(_NEWEST_HEAD)
    previous = None if newest is None else Head._make(newest)
    first_position = 1 if previous is None else previous.last_position + 1
    if connection.began_at is None:
        raise ValueError("a batch is sealed in a transaction")
    leaves = [entry.digest for entry in entries]
    head = Head(
        chain=chain.id,
        number=1 if previous is None else previous.number + 1,
        first_position=first_position,
        last_position=first_position + len(entries) - 1,
        # Who waited for another sealer began before the head that it goes on from.
        sealed_at=connection.began_at if previous is None else max(connection.began_at, previous.sealed_at),
        root=compute_root(leaves),
        previous=BEFORE_THE_FIRST if previous is None else previous.hash,
    )
    signed = key.sign(head.statement)
    signed_head = head._replace(key_id=signed.key_id, signature=signed.signature)
    numbers = [entry.number for entry in entries]
    await connection.change(_SEAL, **signed_head._asdict(), leaves=b"".join(leaves), numbers=numbers)

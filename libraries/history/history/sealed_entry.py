"""The entry of an act as a mail about it shows it, and how long the mail waits for the seal.

A statement that names an entry `entry` reads it with SEAL_COLUMNS, SEAL_TABLES and `write_waiting`.
"""

from datetime import timedelta
from typing import Any

from history.entries import SealedEntry
from history.heads import Head, SealedBatch
from history.merkle import compute_path
from history.receipt import Receipt
from history.receipt_text import encode_receipt
from servicekit.database_clock import write_interval

# Until an entry is usually sealed (`seal_keeper.GATHER` after its commit), and between two looks after that.
USUAL_WAIT = timedelta(seconds=3)
NEXT_LOOK = timedelta(seconds=2)
# So long a mail waits; then it shows the digest alone.
LONGEST_WAIT = timedelta(minutes=1)

_OF_HEAD = ("chain", "first_position", "last_position", "sealed_at", "root", "previous", "key_id", "signature")
# The path is computed of all digests of the batch.
_LEAVES = (*_OF_HEAD, "leaves")

SEAL_COLUMNS = ", ".join(
    ("entry.digest", "position.position", "head.number AS head_number", *(f"head.{name}" for name in _LEAVES))
)
SEAL_TABLES = f"""
    LEFT JOIN history_position AS position ON position.number = entry.number
    LEFT JOIN LATERAL (
        SELECT number, {", ".join(_LEAVES)} FROM history_head WHERE first_position <= position.position
        ORDER BY first_position DESC LIMIT 1
    ) AS head ON true
"""  # noqa: S608  # constants


def write_waiting(since: str, now: str) -> str:
    """Returns, in SQL, whether a mail that waits `since` goes on waiting `now` for the seal of its entry."""
    return f"position.position IS NULL AND {since} > {now} - {write_interval(LONGEST_WAIT)}"


def read_sealed_entry(row: Any) -> SealedEntry:
    """Returns the entry of a row with SEAL_COLUMNS."""
    if row.head_number is None:
        return SealedEntry(row.digest, row.position, None, None)
    head = Head(number=row.head_number, **{name: getattr(row, name) for name in _OF_HEAD})
    digests = SealedBatch(head, row.leaves).split_leaves()
    path = tuple(compute_path(digests, row.position - head.first_position))
    proof = encode_receipt(Receipt(row.digest, row.position, path, head))
    return SealedEntry(row.digest, row.position, head.number, head.hash, proof)

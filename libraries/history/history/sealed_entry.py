"""The entry of an act as a mail about it shows it, and how long the mail waits for the seal.

A statement that names an entry `entry` reads it with SEAL_COLUMNS, SEAL_TABLES and `write_waiting`.
"""

from datetime import timedelta
from typing import Any

from history.entries import SealedEntry
from history.heads import Head
from servicekit.database_clock import write_interval

# Until an entry is usually sealed (`seal_keeper.GATHER` after its commit), and between two looks after that.
USUAL_WAIT = timedelta(seconds=3)
NEXT_LOOK = timedelta(seconds=2)
# So long a mail waits; then it shows the digest alone.
LONGEST_WAIT = timedelta(minutes=1)

_OF_HEAD = ("chain", "first_position", "last_position", "sealed_at", "root", "previous", "key_id", "signature")

SEAL_COLUMNS = ", ".join(
    ("entry.digest", "position.position", "head.number AS head_number", *(f"head.{name}" for name in _OF_HEAD))
)
SEAL_TABLES = f"""
    LEFT JOIN history_position AS position ON position.number = entry.number
    LEFT JOIN LATERAL (
        SELECT number, {", ".join(_OF_HEAD)} FROM history_head WHERE first_position <= position.position
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
    return SealedEntry(row.digest, row.position, head.number, head.hash)

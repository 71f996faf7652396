"""The history: append-only, written here and nowhere else."""

import json
from collections.abc import Iterable
from itertools import islice
from typing import Any

from sqlalchemy import text

from certificate_registry.domain.history import HistoryEntry
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Entries of one statement. Building its parameter blocks the event loop for a few milliseconds per thousand entries.
_SLICE = 1000

# One parameter for any number of entries: arrays of arrays, as `agencies`, can't be unnested.
_WRITE = Statement(
    text(
        """
        INSERT INTO history (
            happened_at, who, what, certificate_sha256, category, agencies, bidder_id, before, after,
            purpose, algorithm, signature, certificate
        )
        SELECT happened_at, who, what, certificate_sha256, category, agencies, bidder_id, before, after,
            purpose, algorithm, signature, certificate
        FROM json_to_recordset(CAST(:entries AS json)) AS entry (
            happened_at timestamptz, who text, what text, certificate_sha256 bytea, category text, agencies text[],
            bidder_id text, before jsonb, after jsonb, purpose bytea, algorithm text, signature bytea, certificate bytea
        )
        """
    )
)


async def write_history(connection: Connection, entries: Iterable[HistoryEntry]) -> None:
    """Appends entries, in their order, with one statement per thousand."""
    rest = map(_row, entries)
    while rows := list(islice(rest, _SLICE)):
        await connection.change(_WRITE, entries=json.dumps(rows, ensure_ascii=False))


def _row(entry: HistoryEntry) -> dict[str, Any]:
    row: dict[str, Any] = {
        "happened_at": entry.happened_at.isoformat(),
        "who": entry.who,
        "what": entry.what.value,
        "certificate_sha256": _bytea(entry.certificate_sha256),
        "category": entry.category,
        "agencies": entry.agencies,
        "bidder_id": entry.bidder_id,
        "before": entry.before,
        "after": entry.after,
    }
    if entry.act is not None:
        row["purpose"] = _bytea(entry.act.purpose)
        row["algorithm"] = entry.act.algorithm
        row["signature"] = _bytea(entry.act.signature)
        row["certificate"] = _bytea(entry.act.certificate)
    return row


def _bytea(value: bytes) -> str:
    return f"\\x{value.hex()}"

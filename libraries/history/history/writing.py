"""Entries are added to the history, in the transaction of what they tell of."""

import asyncio
import json
import secrets
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from sqlalchemy import text

from history.entries import SALT_LENGTH, Chain, Entry, digest_details, digest_entry, write_details, write_instant
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Entries of one statement, and of one stretch in which nothing else runs in the process: some milliseconds.
_SLICE = 1000
_STRETCH = 100

# One parameter for any number of entries. Numbers are taken in their order.
_WRITE = Statement(
    text(
        """
        WITH given AS MATERIALIZED (
            SELECT nextval('history_entry_number_seq') AS number, entry.*
            FROM json_to_recordset(CAST(:entries AS json)) AS entry (
                happened_at timestamptz, who text, what text, request_id uuid, trace_id text, certificate_sha256 bytea,
                category text, agencies text[], bidder_id text, details_digest bytea, digest bytea,
                salt bytea, details text
            )
        ), written AS (
            INSERT INTO history_entry (
                number, happened_at, who, what, request_id, trace_id, certificate_sha256, category, agencies, bidder_id,
                details_digest, digest
            ) OVERRIDING SYSTEM VALUE
            SELECT number, happened_at, who, what, request_id, trace_id, certificate_sha256, category, agencies,
                bidder_id, details_digest, digest
            FROM given
        ), detailed AS (
            INSERT INTO history_details (number, salt, details) SELECT number, salt, details FROM given
        )
        SELECT number FROM given ORDER BY number
        """
    )
)


class WrittenEntry(NamedTuple):
    """What a receipt can promise at the commit: the entry's number in the database, and its digest."""

    number: int
    digest: bytes


async def write_history(connection: Connection, chain: Chain, entries: Iterable[Entry]) -> list[WrittenEntry]:
    """Appends entries in their order, with one statement per thousand; returns number and digest of each.

    They count if the caller's transaction is committed, and are sealed afterwards (`history.seal_keeper`).
    """
    rest = iter(entries)
    written: list[WrittenEntry] = []
    while True:
        rows: list[str] = []
        digests: list[bytes] = []
        for entry in islice(rest, _SLICE):
            row, digest = _build_row(chain, entry)
            rows.append(row)
            digests.append(digest)
            if len(rows) % _STRETCH == 0:
                await asyncio.sleep(0)
        if not rows:
            return written
        numbers = await connection.fetch_values(_WRITE, entries=f"[{','.join(rows)}]")
        written += map(WrittenEntry, numbers, digests)


def _build_row(chain: Chain, entry: Entry) -> tuple[str, bytes]:
    salt = secrets.token_bytes(SALT_LENGTH)
    details = write_details(entry)
    details_digest = digest_details(salt, details)
    digest = digest_entry(chain, entry, details_digest)
    row = {
        "happened_at": write_instant(entry.happened_at),
        "who": entry.who,
        "what": entry.what,
        "request_id": None if entry.request_id is None else str(entry.request_id),
        "trace_id": entry.trace_id,
        "certificate_sha256": None if entry.certificate_sha256 is None else _bytea(entry.certificate_sha256),
        "category": entry.category,
        "agencies": [*entry.agencies],
        "bidder_id": entry.bidder_id,
        "details_digest": _bytea(details_digest),
        "digest": _bytea(digest),
        "salt": _bytea(salt),
        "details": details,
    }
    return json.dumps(row, ensure_ascii=False), digest


def _bytea(value: bytes) -> str:
    return f"\\x{value.hex()}"

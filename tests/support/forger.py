"""A forger: as superuser, with triggers off, it changes what a database has of the history, and hides what it can.

It knows the tables and the encodings from their description (docs/adr/0028) and imports nothing of this repository.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg.rows import dict_row

INSTANCE, REGISTRY = "saitama", "certificate-registry"
TABLES = ("history_entry", "history_details", "history_erasure", "history_unsealed", "history_position", "history_head")
Forgery = psycopg.Connection[dict[str, Any]]


@contextmanager
def forging(dsn: str) -> Iterator[Forgery]:
    """Opens a superuser's connection with triggers off; commits at the end."""
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


def compute_digest(entry: dict[str, Any]) -> bytes:
    """Returns the digest that an entry has to have."""
    certificate, request_id = entry["certificate_sha256"], entry["request_id"]
    content = {
        **{name: entry[name] for name in ("who", "what", "trace_id", "category", "agencies", "bidder_id")},
        "instance": INSTANCE,
        "registry": REGISTRY,
        "certificate_sha256": certificate and certificate.hex(),
        "details_digest": entry["details_digest"].hex(),
        "happened_at": entry["happened_at"].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "request_id": request_id and str(request_id),
    }
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return sha256(b"\x00" + text.encode()).digest()


def read_entry(connection: Forgery, position: int) -> dict[str, Any]:
    """Returns the columns of the entry at a position."""
    query = "SELECT entry.* FROM history_entry AS entry JOIN history_position USING (number) WHERE position = %s"
    row = connection.execute(query, [position]).fetchone()
    assert row is not None
    return row


def change_entry(connection: Forgery, position: int, *, bidder_id: str, is_thorough: bool = True) -> None:
    """Says that it was another bidder; thoroughly also in the digest."""
    entry = read_entry(connection, position) | {"bidder_id": bidder_id}
    digest = compute_digest(entry) if is_thorough else entry["digest"]
    connection.execute(
        "UPDATE history_entry SET bidder_id = %s, digest = %s WHERE number = %s", [bidder_id, digest, entry["number"]]
    )


def change_leaf(connection: Forgery, head: int, position: int) -> None:
    """Puts the digest of the entry at a position where a head has its own, so that both agree."""
    digest = read_entry(connection, position)["digest"]
    connection.execute(
        "UPDATE history_head SET leaves = overlay(leaves PLACING %s FROM (%s - first_position)::integer * 32 + 1)"
        " WHERE number = %s",
        [digest, position, head],
    )


def change_details(connection: Forgery, position: int, details: str, *, is_thorough: bool = False) -> None:
    """Puts other details in the place of an entry's; thoroughly also into its digests."""
    entry = read_entry(connection, position)
    row = connection.execute(
        "UPDATE history_details SET details = %s WHERE number = %s RETURNING salt", [details, entry["number"]]
    ).fetchone()
    assert row is not None
    if is_thorough:
        entry["details_digest"] = sha256(row["salt"] + details.encode()).digest()
        connection.execute(
            "UPDATE history_entry SET details_digest = %s, digest = %s WHERE number = %s",
            [entry["details_digest"], compute_digest(entry), entry["number"]],
        )


def remove_details(connection: Forgery, position: int, *, blame: int | None = None) -> None:
    """Deletes the details of an entry; with `blame` it says that the act at this position has erased them."""
    number = read_entry(connection, position)["number"]
    connection.execute("DELETE FROM history_details WHERE number = %s", [number])
    if blame is not None:
        act = read_entry(connection, blame)["number"]
        connection.execute("INSERT INTO history_erasure VALUES (%s, %s)", [number, act])


def remove(connection: Forgery, position: int, *, closes_gap: bool = False) -> None:
    """Deletes an entry with its details and its position; closing the gap, all behind it move up."""
    number = read_entry(connection, position)["number"]
    for table in ("history_entry", "history_details", "history_position"):
        connection.execute(f"DELETE FROM {table} WHERE number = %s".encode(), [number])  # noqa: S608  # constants
    if closes_gap:
        move(connection, position, -1)


def insert(connection: Forgery, position: int | None) -> int:
    """Writes an entry that never was, with all that belongs to it; returns its number.

    At a position all from there on make room; without one it waits for nothing.
    """
    salt, details = bytes(32), '{"after":{},"before":{}}'
    entry: dict[str, Any] = {
        "happened_at": datetime(2026, 11, 30, tzinfo=UTC),
        "who": "card/0",
        "what": "registered",
        "request_id": None,
        "trace_id": None,
        "certificate_sha256": None,
        "category": "works",
        "agencies": ["saitama"],
        "bidder_id": "1",
        "details_digest": sha256(salt + details.encode()).digest(),
    }
    names = ", ".join(entry)
    values = ", ".join(f"%({name})s" for name in entry)
    row = connection.execute(
        f"INSERT INTO history_entry ({names}, digest) VALUES ({values}, %(digest)s) RETURNING number".encode(),  # noqa: S608  # constants
        entry | {"digest": compute_digest(entry)},
    ).fetchone()
    assert row is not None
    number = int(row["number"])
    connection.execute("INSERT INTO history_details VALUES (%s, %s, %s)", [number, salt, details])
    if position is not None:
        move(connection, position, 1)
        connection.execute("INSERT INTO history_position VALUES (%s, %s)", [position, number])
    return number


def move(connection: Forgery, first: int, places: int) -> None:
    """Moves all entries from a position on."""
    # In two steps, since no two may have the same position in between.
    connection.execute("UPDATE history_position SET position = position + 1000000 WHERE position >= %s", [first])
    connection.execute(
        "UPDATE history_position SET position = position - 1000000 + %s WHERE position > 1000000", [places]
    )


def swap(connection: Forgery, first: int, second: int) -> None:
    """Exchanges the positions of two entries."""
    numbers = [read_entry(connection, position)["number"] for position in (first, second)]
    connection.execute("DELETE FROM history_position WHERE number = ANY (%s)", [numbers])
    for position, number in zip((second, first), numbers, strict=True):
        connection.execute("INSERT INTO history_position VALUES (%s, %s)", [position, number])


def cut(connection: Forgery, position: int, *, with_heads: bool = False) -> None:
    """Deletes all entries from a position on, and the heads of batches that begin there or later."""
    gone = "SELECT number FROM history_position WHERE position >= %(position)s"
    for table in ("history_entry", "history_details", "history_erasure"):
        connection.execute(f"DELETE FROM {table} WHERE number IN ({gone})".encode(), {"position": position})  # noqa: S608  # constants
    connection.execute("DELETE FROM history_position WHERE position >= %s", [position])
    if with_heads:
        connection.execute("DELETE FROM history_head WHERE first_position >= %s", [position])


def save(connection: Forgery) -> None:
    """Keeps a copy of all tables, as a backup does."""
    for table in TABLES:
        connection.execute(f"CREATE TABLE saved_{table} AS SELECT * FROM {table}".encode())  # noqa: S608  # constants


def roll_back(connection: Forgery) -> None:
    """Puts the copy in place of what there is."""
    for table in TABLES:
        connection.execute(f"TRUNCATE {table}".encode())
        overriding = "OVERRIDING SYSTEM VALUE" if table == "history_entry" else ""
        connection.execute(f"INSERT INTO {table} {overriding} SELECT * FROM saved_{table}".encode())  # noqa: S608  # constants


def rewrite(connection: Forgery, key: Ed25519PrivateKey) -> None:
    """Makes all heads anew over the entries as they are now, signed by a key."""
    chain = sha256(f'{{"instance":"{INSTANCE}","registry":"{REGISTRY}"}}'.encode()).digest()
    key_id = sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]
    previous = bytes(32)
    for head in connection.execute("SELECT * FROM history_head ORDER BY number").fetchall():
        bounds = head["number"], head["first_position"], head["last_position"]
        digests = [
            row["digest"]
            for row in connection.execute(
                "SELECT digest FROM history_entry JOIN history_position USING (number)"
                " WHERE position BETWEEN %s AND %s ORDER BY position",
                bounds[1:],
            )
        ]
        microseconds = (head["sealed_at"] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        numbers = b"".join(number.to_bytes(8, "big") for number in (*bounds, microseconds))
        root = hash_tree(digests)
        statement = chain + numbers + root + previous
        connection.execute(
            "UPDATE history_head SET root = %s, previous = %s, key_id = %s, signature = %s, leaves = %s"
            " WHERE number = %s",
            [root, previous, key_id, key.sign(b"toroku history head v1\0" + statement), b"".join(digests), bounds[0]],
        )
        previous = sha256(statement).digest()


def hash_tree(digests: list[bytes]) -> bytes:
    """Returns the root of a Merkle tree, as RFC 9162 defines it."""
    if len(digests) == 1:
        return digests[0]
    half = 1 << (len(digests) - 1).bit_length() - 1
    return sha256(b"\x01" + hash_tree(digests[:half]) + hash_tree(digests[half:])).digest()

"""A history for tests: its chain, keys, entries, and the verification of what a database has."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from history.entries import Chain, Entry, SignedAct
from history.findings import Fault, Finding
from history.heads import PREFIX, Head, Witness
from history.reading import find_newest_head, read_history
from history.sealing import seal_batch
from history.verification import Verification
from history.writing import WrittenEntry, write_history
from servicekit.database import Database
from servicekit.signed_statement import SigningKey

CHAIN = Chain("saitama", "certificate-registry")
ACT = SignedAct(b'{"type":"act"}', "ecdsa-p256-sha256", b"signature", b"certificate")
_BEGAN_AT = datetime(2026, 11, 30, 3, 0, 0, 123456, tzinfo=UTC)


def make_key() -> SigningKey:
    return SigningKey(Ed25519PrivateKey.generate(), PREFIX)


def write_key_file(folder: Path) -> Path:
    """Writes a new key as a worker reads it; returns its file."""
    file = folder / "history.key"
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file


def make_entry(number: int, **changes: Any) -> Entry:
    """Returns an entry that differs from those with other numbers."""
    values: dict[str, Any] = {
        "happened_at": _BEGAN_AT + timedelta(seconds=number),
        "who": f"card/{number:064x}",
        "what": "registered",
        "request_id": UUID(int=number),
        "trace_id": f"{number:032x}",
        "certificate_sha256": number.to_bytes(32, "big"),
        "category": "works",
        "agencies": ("saitama", "kawagoe"),
        "bidder_id": f"{1000000000 + number}",
        "before": {"binding": None},
        "after": {"binding": "live", "company": "髙橋建設"},
        "act": ACT,
    }
    return Entry(**values | changes)


async def write_entries(database: Database, numbers: Iterable[int]) -> list[WrittenEntry]:
    """Writes entries in one transaction."""
    async with database.transaction() as connection:
        return await write_history(connection, CHAIN, map(make_entry, numbers))


async def seal_all(database: Database, key: SigningKey, chain: Chain = CHAIN) -> None:
    while await seal_batch(database, chain, key):
        pass


async def get_newest_head(database: Database) -> Head:
    async with database.read() as connection:
        head = await find_newest_head(connection)
    assert head is not None
    return head


async def verify(
    database: Database,
    *keys: SigningKey,
    chain: Chain = CHAIN,
    witnesses: Iterable[Witness] = (),
    first_position: int | None = None,
    last_position: int | None = None,
) -> list[Finding]:
    """Returns what a verification of a database finds: of all, or of a range."""
    is_range = first_position is not None or last_position is not None
    public_keys = {key.key_id: key.public_key for key in keys}
    verification = Verification(chain, public_keys, witnesses=witnesses, is_range=is_range)
    findings: list[Finding] = []
    async for portion in read_history(database, first_position=first_position, last_position=last_position):
        for item in portion:
            findings += verification.take(item)
    return [*findings, *verification.end()]


def name_places(findings: Sequence[Finding]) -> list[tuple[Fault | None, int | None, int | None]]:
    """Returns fault, first and last position of each."""
    return [(finding.fault, finding.first_position, finding.last_position) for finding in findings]

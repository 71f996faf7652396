"""A verification takes heads and entries from wherever they come, and reports how far it is."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from history.entries import StoredEntry, digest_details, digest_entry, write_details
from history.findings import Fault, Finding
from history.heads import BEFORE_THE_FIRST, MOST_ENTRIES, PREFIX, Head, SealedBatch
from history.merkle import compute_root
from history.verification import Verification, verify_history
from servicekit.signed_statement import SigningKey
from tests.support.history import CHAIN, make_entry, name_places

KEY = SigningKey(Ed25519PrivateKey.generate(), PREFIX)
KEYS = {KEY.key_id: KEY.public_key}
Items = list[SealedBatch | StoredEntry]


def store(position: int) -> StoredEntry:
    entry = make_entry(position)
    details, salt = write_details(entry), bytes(32)
    details_digest = digest_details(salt, details)
    columns = (entry.happened_at, entry.who, entry.what, entry.request_id, entry.trace_id, entry.certificate_sha256)
    subjects = (entry.category, entry.agencies, entry.bidder_id)
    digests = (details_digest, digest_entry(CHAIN, entry, details_digest))
    return StoredEntry(position, position, *columns, *subjects, *digests, salt, details, None)


def seal(*sizes: int) -> Items:
    """Returns a history of batches with these sizes."""
    items: Items = []
    first, previous = 1, BEFORE_THE_FIRST
    for number, size in enumerate(sizes, start=1):
        entries = [store(position) for position in range(first, first + size)]
        leaves = [entry.digest for entry in entries]
        sealed_at = datetime(2026, 11, 30, tzinfo=UTC)
        head = Head(CHAIN.id, number, first, first + size - 1, sealed_at, compute_root(leaves), previous)
        signed = KEY.sign(head.statement)
        head = head._replace(key_id=signed.key_id, signature=signed.signature)
        items += [SealedBatch(head, b"".join(leaves)), *entries]
        first, previous = first + size, head.hash
    return items


def verify(items: Items) -> list[Finding]:
    return list(verify_history(items, Verification(CHAIN, KEYS)))


def test_progress_is_reported() -> None:
    reports: list[int] = []
    verification = Verification(CHAIN, KEYS)
    assert list(verify_history(seal(1500, 1000), verification, reports.append)) == []
    assert reports == [1000, 2000, 2500]
    assert verification.newest_head is not None
    assert verification.newest_head.last_position == 2500


def test_history_without_entries_has_no_fault() -> None:
    assert verify([]) == []


def test_all_heads_removed_leave_entries_that_none_covers() -> None:
    items: Items = [item for item in seal(3, 3) if isinstance(item, StoredEntry)]
    assert name_places(verify(items)) == [(Fault.INSERTED, 1, 6)]


def test_more_entries_behind_the_newest_head_than_a_batch_are_named() -> None:
    items: Items = [*seal(1), *(store(position) for position in range(2, MOST_ENTRIES + 10))]
    assert sorted(name_places(verify(items))) == [
        (Fault.INSERTED, 2, MOST_ENTRIES + 1),
        (Fault.INSERTED, MOST_ENTRIES + 2, MOST_ENTRIES + 9),
    ]


def test_head_that_claims_all_entries_is_found() -> None:
    items = seal(2, 2)
    batch = items[0]
    assert isinstance(batch, SealedBatch)
    items[0] = batch._replace(head=batch.head._replace(last_position=1_000_000))
    findings = verify([*items[:3], *items[4:]])
    assert (Fault.SIGNATURE_WRONG, None, None) in name_places(findings)
    assert (Fault.BATCH_CHANGED, 1, 1_000_000) in name_places(findings)


def test_numbers_that_no_head_can_have_are_found() -> None:
    items = seal(2)
    batch = items[0]
    assert isinstance(batch, SealedBatch)
    items[0] = batch._replace(head=batch.head._replace(first_position=-1, number=-(1 << 63)))
    assert {Fault.CHAIN_BROKEN, Fault.SIGNATURE_WRONG} <= {finding.fault for finding in verify(items)}


@pytest.mark.parametrize("gone", [[1], [2, 3], [6], [1, 6], [3, 4]])
def test_removed_entries_are_named_where_the_others_moved_up(gone: list[int]) -> None:
    kept = [item for item in seal(3, 3, 3) if isinstance(item, StoredEntry) and item.position not in gone]
    moved = [entry._replace(position=position) for position, entry in enumerate(kept, start=1)]
    batches = [item for item in seal(3, 3, 3) if isinstance(item, SealedBatch)]
    items: Items = []
    for batch in batches:
        first, last = batch.head.first_position, batch.head.last_position
        items += [batch, *(entry for entry in moved if first <= (entry.position or 0) <= last)]
    named = [
        position
        for fault, first, last in name_places(verify(items))
        if fault is Fault.REMOVED and first is not None and last is not None
        for position in range(first, last + 1)
    ]
    assert named == gone

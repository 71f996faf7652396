"""A history is written, sealed, verified, shown and erased, and receipts prove its entries."""

import psycopg
import pytest

from history.entries import ERASED, Chain
from history.erasing import erase_details
from history.findings import Fault, Finding
from history.heads import MOST_ENTRIES
from history.reading import find_entries, find_receipt
from history.receipt import ReceiptInvalid, read_receipt, verify_receipt, write_receipt
from history.sealing import seal_batch
from history.writing import write_history
from servicekit.database import Database
from servicekit.signed_statement import SigningKey
from tests.support.history import (
    CHAIN,
    get_newest_head,
    make_entry,
    make_key,
    name_places,
    seal_all,
    verify,
    write_entries,
)

pytestmark = pytest.mark.every_postgresql
TABLES = ("history_entry", "history_details", "history_erasure", "history_unsealed", "history_position", "history_head")


async def test_sealed_history_has_no_fault(opened: Database, key: SigningKey) -> None:
    await write_entries(opened, range(5))
    await seal_all(opened, key)
    await write_entries(opened, [5])
    await seal_all(opened, key)
    # This one waits for its seal, which is no fault.
    await write_entries(opened, [6])
    assert await verify(opened, key, witnesses=[(await get_newest_head(opened)).witness]) == []
    head = await get_newest_head(opened)
    assert (head.number, head.first_position, head.last_position) == (2, 6, 6)


async def test_nothing_is_sealed_twice_or_without_entries(opened: Database, key: SigningKey) -> None:
    assert await seal_batch(opened, CHAIN, key) == 0
    await write_entries(opened, range(3))
    assert [await seal_batch(opened, CHAIN, key) for _ in range(2)] == [3, 0]
    assert await verify(opened, key) == []


async def test_many_entries_become_several_batches(opened: Database, key: SigningKey) -> None:
    written = await write_entries(opened, range(MOST_ENTRIES + 2))
    assert [entry.number for entry in written] == sorted(entry.number for entry in written)
    assert [await seal_batch(opened, CHAIN, key) for _ in range(2)] == [MOST_ENTRIES, 2]
    assert await verify(opened, key) == []
    assert await verify(opened, key, first_position=MOST_ENTRIES + 1) == []
    async with opened.read() as connection:
        for entry in (written[0], written[MOST_ENTRIES - 1], written[-1]):
            receipt = await find_receipt(connection, entry.number)
            assert receipt is not None
            verify_receipt(receipt, {key.key_id: key.public_key}, entry=entry.digest)


async def test_entry_that_is_committed_late_comes_into_a_later_batch(opened: Database, key: SigningKey) -> None:
    async with opened.transaction() as late:
        [first] = await write_history(late, CHAIN, [make_entry(0)])
        [second] = await write_entries(opened, [1])
        await seal_all(opened, key)
    await seal_all(opened, key)
    assert first.number < second.number
    async with opened.read() as connection:
        receipts = [await find_receipt(connection, number) for number in (first.number, second.number)]
    assert [receipt and receipt.position for receipt in receipts] == [2, 1]
    assert await verify(opened, key) == []


async def test_entry_of_a_transaction_that_fails_leaves_nothing(opened: Database, key: SigningKey) -> None:
    async def fail() -> None:
        async with opened.transaction() as connection:
            await write_history(connection, CHAIN, [make_entry(0)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await write_entries(opened, [1])
    assert await seal_batch(opened, CHAIN, key) == 1
    assert await verify(opened, key) == []


async def test_key_can_be_replaced(opened: Database, key: SigningKey) -> None:
    newer = make_key()
    await write_entries(opened, [0])
    await seal_all(opened, key)
    await write_entries(opened, [1])
    await seal_all(opened, newer)
    assert await verify(opened, key, newer) == []
    assert await verify(opened, newer) == [Finding(fault=Fault.KEY_UNKNOWN, head=1)]


async def test_history_of_another_registry_is_told_apart(opened: Database, key: SigningKey) -> None:
    other = Chain(CHAIN.instance, "qualification-registry")
    async with opened.transaction() as connection:
        await write_history(connection, other, [make_entry(0)])
    await seal_batch(opened, other, key)
    assert {finding.fault for finding in await verify(opened, key)} == {Fault.HEAD_OF_ANOTHER_CHAIN, Fault.CHANGED}


async def test_receipt_proves_its_entry_without_the_instance(opened: Database, key: SigningKey) -> None:
    written = await write_entries(opened, range(7))
    async with opened.read() as connection:
        assert await find_receipt(connection, written[4].number) is None
        await seal_all(opened, key)
        receipt = await find_receipt(connection, written[4].number)
        assert await find_receipt(connection, 1_000_000) is None
    assert receipt is not None
    keys = {key.key_id: key.public_key}
    received = read_receipt(write_receipt(receipt))
    assert received == receipt
    assert verify_receipt(received, keys, entry=written[4].digest) == await get_newest_head(opened)
    with pytest.raises(ReceiptInvalid, match="another entry"):
        verify_receipt(received, keys, entry=written[3].digest)


async def test_entries_are_shown_by_their_subjects(opened: Database, key: SigningKey) -> None:
    entry = make_entry(3)
    await write_entries(opened, [*range(10), 3])
    await seal_all(opened, key)
    assert entry.certificate_sha256 is not None
    assert entry.bidder_id is not None
    assert entry.request_id is not None
    async with opened.read() as connection:
        for found in (
            await find_entries(connection, "bidder_id", entry.bidder_id),
            await find_entries(connection, "certificate_sha256", entry.certificate_sha256),
            await find_entries(connection, "request_id", entry.request_id),
            await find_entries(connection, "who", entry.who),
        ):
            assert [(shown.position, shown.what) for shown in found] == [(11, "registered"), (4, "registered")]
            assert '"company":"髙橋建設"' in (found[0].details or "")
        [older] = await find_entries(connection, "who", entry.who, before=found[0].number, most=1)
        assert older.position == 4


async def test_erased_details_leave_the_chain_whole(opened: Database, key: SigningKey) -> None:
    written = await write_entries(opened, range(4))
    await seal_all(opened, key)
    # One is sealed, the other one not yet.
    [unsealed] = await write_entries(opened, [4])
    async with opened.transaction() as connection:
        numbers = [written[1].number, unsealed.number]
        act = await erase_details(connection, CHAIN, make_entry(9, after={"reason": "on request"}), numbers)
        assert act is not None
        assert await erase_details(connection, CHAIN, make_entry(9), numbers) is None
        assert await erase_details(connection, CHAIN, make_entry(9), [act.number]) is None
    await seal_all(opened, key)
    assert await verify(opened, key) == [
        Finding(fault=None, first_position=position, last_position=position, number=number, act=act.number)
        for position, number in ((2, written[1].number), (5, unsealed.number))
    ]
    assert name_places(await verify(opened, key, last_position=3)) == [(None, 2, 2)]
    async with opened.read() as connection:
        [shown] = await find_entries(connection, "bidder_id", "1000000001")
        assert (shown.details, shown.erased_by) == (None, act.number)
        acts = await find_entries(connection, "who", make_entry(9).who)
        assert [entry.what for entry in acts] == [ERASED]


async def test_statements_survive_a_column_that_a_migration_adds(opened: Database, key: SigningKey, dsn: str) -> None:
    async def use(first: int) -> None:
        written = await write_entries(opened, [first, first + 1])
        async with opened.transaction() as connection:
            assert await erase_details(connection, CHAIN, make_entry(first), [written[0].number])
        await seal_all(opened, key)
        assert len(await verify(opened, key, first_position=first + 1)) == 1
        async with opened.read() as connection:
            assert await find_receipt(connection, written[1].number)
            assert await find_entries(connection, "who", make_entry(first).who)

    await use(0)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in TABLES:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN added_later text".encode())
    await use(3)


async def test_history_is_only_added_to(opened: Database, key: SigningKey, dsn: str) -> None:
    await write_entries(opened, range(2))
    await seal_all(opened, key)
    await write_entries(opened, [2])
    refused = "the history is only ever added to"
    columns = {"history_entry": "who", "history_erasure": "erased_by", "history_head": "sealed_at"}
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in TABLES:
            column = columns.get(table, "number")
            with pytest.raises(psycopg.errors.RaiseException, match=refused):
                connection.execute(f"UPDATE {table} SET {column} = {column}".encode())  # noqa: S608  # constants
            with pytest.raises(psycopg.errors.RaiseException, match=refused):
                connection.execute(f"TRUNCATE {table}".encode())
        for table in ("history_entry", "history_erasure", "history_position", "history_head"):
            with pytest.raises(psycopg.errors.RaiseException, match=refused):
                connection.execute(f"DELETE FROM {table}".encode())  # noqa: S608  # constants
        with pytest.raises(psycopg.errors.RaiseException, match="waits until it has a position"):
            connection.execute("DELETE FROM history_unsealed")
        with pytest.raises(psycopg.errors.RaiseException, match="erased by an act"):
            connection.execute("DELETE FROM history_details")
        with pytest.raises(psycopg.errors.CheckViolation):
            connection.execute("INSERT INTO history_erasure VALUES (2, 1)")

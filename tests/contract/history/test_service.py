"""The service History: pages of entries, the whole history or a range of it, and who may read."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from history.convert import read_entry, read_record
from history.entries import StoredEntry
from history.erasing import erase_details
from history.findings import Fault
from history.heads import MOST_ENTRIES, SealedBatch
from history.reading import find_entries, read_history
from history.writing import write_history
from refusals import Refusal
from servicekit.database import Database
from servicekit.signed_statement import SigningKey
from tests.contract.history.conftest import Forge
from tests.support.history import CHAIN, make_entry, name_places, seal_all, write_entries
from tests.support.services.history import (
    READER,
    ROLE,
    Registries,
    list_entries,
    read_items,
    read_responses,
    serving_histories,
    verify_items,
)
from toroku.history.v1 import history_pb2

if TYPE_CHECKING:
    from toroku.history.v1.history_pb2_grpc import HistoryAsyncStub

REGISTRY = CHAIN.registry


def describe(item: SealedBatch | StoredEntry) -> SealedBatch | StoredEntry:
    # A list and a tuple of agencies are the same.
    return item if isinstance(item, SealedBatch) else item._replace(agencies=tuple(item.agencies))


@pytest.fixture
async def registries(opened: Database, tmp_path: Path) -> AsyncIterator[Registries]:
    """A registry that serves the history in the database of the test."""
    async with serving_histories(tmp_path, {REGISTRY: opened}) as running:
        yield running


@pytest.fixture
async def stub(registries: Registries) -> AsyncIterator["HistoryAsyncStub"]:
    """The registry, as the operator's officer who reads histories calls it."""
    async with registries.reading(REGISTRY, registries.authority.enrol(READER, ROLE)) as opened:
        yield opened


async def list_numbers(stub: "HistoryAsyncStub", **request: Any) -> list[int]:
    return [entry.number for entry in await list_entries(stub, **request)]


@pytest.mark.requirement("LIF-05")
async def test_entries_come_in_pages(opened: Database, stub: "HistoryAsyncStub") -> None:
    numbers = [entry.number for entry in await write_entries(opened, [7] * 105)]
    newest_first = numbers[::-1]
    bidder_id = make_entry(7).bidder_id
    for most in (0, -1, 100, 1000):
        assert await list_numbers(stub, bidder_id=bidder_id, most=most) == newest_first[:100]
    assert await list_numbers(stub, bidder_id=bidder_id, before_number=newest_first[99]) == newest_first[100:]
    assert await list_numbers(stub, bidder_id=bidder_id, before_number=newest_first[3], most=2) == newest_first[4:6]
    assert await list_numbers(stub, bidder_id=bidder_id, before_number=newest_first[-1]) == []


async def test_entries_are_listed_by_each_subject(opened: Database, key: SigningKey, stub: "HistoryAsyncStub") -> None:
    entry = make_entry(3, trace_id=None, category=None)
    async with opened.transaction() as connection:
        await write_history(connection, CHAIN, [make_entry(1), make_entry(2), entry])
    await seal_all(opened, key)
    await write_entries(opened, [3])
    async with opened.read() as connection:
        stored = await find_entries(connection, "who", entry.who)
    assert [found.position for found in stored] == [None, 3]
    for subject in (
        {"bidder_id": entry.bidder_id},
        {"certificate_sha256": entry.certificate_sha256},
        {"request_id": str(entry.request_id)},
        {"who": entry.who},
    ):
        messages = await list_entries(stub, **subject)
        # Nothing is lost on the way, also what is absent.
        assert [read_entry(message) for message in messages] == list(map(describe, stored))
    assert await list_numbers(stub, bidder_id="unknown") == []


@pytest.mark.parametrize(
    "subject",
    [
        {},
        {"bidder_id": ""},
        {"bidder_id": "1\0"},
        {"certificate_sha256": b"short"},
        {"request_id": "no UUID"},
        {"who": ""},
    ],
)
async def test_subject_that_is_none_is_refused(stub: "HistoryAsyncStub", subject: dict[str, object]) -> None:
    with pytest.raises(Refusal, match="HISTORY_SUBJECT_INVALID"):
        await list_numbers(stub, **subject)


@pytest.mark.requirement("LIF-05")
async def test_whole_history_is_read_as_the_database_has_it(
    opened: Database, key: SigningKey, stub: "HistoryAsyncStub"
) -> None:
    written = await write_entries(opened, range(MOST_ENTRIES + 3))
    async with opened.transaction() as connection:
        await erase_details(connection, CHAIN, make_entry(9_000), [written[5].number])
    await seal_all(opened, key)
    # This one waits for its seal.
    await write_entries(opened, [9_001])
    responses = await read_responses(stub)
    items = read_items(responses)
    stored = [item async for portion in read_history(opened) for item in portion]
    assert [describe(item) for item in items] == [describe(item) for item in stored]
    [erased] = verify_items(items, key)
    assert (erased.fault, erased.number, erased.act) == (None, written[5].number, written[-1].number + 1)


async def test_no_message_is_large(opened: Database, key: SigningKey, stub: "HistoryAsyncStub") -> None:
    large = make_entry(1, after={"text": "髙" * 100_000})
    async with opened.transaction() as connection:
        await write_history(connection, CHAIN, [large] * 12)
    await seal_all(opened, key)
    responses = await read_responses(stub)
    assert len(responses) > 3
    assert max(response.ByteSize() for response in responses) < 1_000_000
    items = read_items(responses)
    assert verify_items(items, key) == []
    assert len(items) == 13


@pytest.mark.requirement("LIF-05")
async def test_range_is_whole_batches(opened: Database, key: SigningKey, stub: "HistoryAsyncStub") -> None:
    for batch in range(4):
        await write_entries(opened, range(batch * 3, batch * 3 + 3))
        await seal_all(opened, key)
    for first, last, positions in ((5, 8, range(4, 10)), (7, 0, range(7, 13)), (0, 2, range(1, 4)), (13, 20, ())):
        responses = await read_responses(stub, first=first, last=last)
        items = read_items(responses)
        assert [item.position for item in items if isinstance(item, StoredEntry)] == list(positions)
        assert verify_items(items, key, is_range=True) == []


@pytest.mark.parametrize(("first", "last"), [(-1, 0), (0, -1), (5, 4)])
async def test_range_that_is_none_is_refused(stub: "HistoryAsyncStub", first: int, last: int) -> None:
    with pytest.raises(Refusal, match="HISTORY_RANGE_INVALID"):
        await read_responses(stub, first=first, last=last)


@pytest.mark.requirement("LIF-05")
async def test_forgery_shows_through_the_service(
    opened: Database, key: SigningKey, forge: Forge, stub: "HistoryAsyncStub"
) -> None:
    async with opened.transaction() as connection:
        await write_history(connection, CHAIN, [make_entry(1, trace_id=None), make_entry(2)])
    await seal_all(opened, key)
    # An empty text says something else than none.
    forge(lambda connection: connection.execute("UPDATE history_entry SET trace_id = '' WHERE trace_id IS NULL"))
    assert name_places(verify_items(read_items(await read_responses(stub)), key)) == [(Fault.CHANGED, 1, 1)]


async def test_strangers_read_nothing(registries: Registries) -> None:
    authority = registries.authority
    for files in (
        authority.agency("saitama"),
        authority.enrol("saitama/tanaka", ROLE, "roster"),
        authority.enrol("operator/tanaka", "roster"),
        authority.service("front-door"),
    ):
        async with registries.reading(REGISTRY, files) as stub:
            with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
                await list_entries(stub, bidder_id="1")
            with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
                await read_responses(stub)
    # The same person, once with the role.
    async with registries.reading(REGISTRY, authority.enrol("operator/tanaka", ROLE)) as stub:
        assert await read_responses(stub) == []


def test_message_that_can_be_no_history_is_refused() -> None:
    late = history_pb2.Entry(number=1)
    late.happened_at.seconds = 1 << 60
    for record in (
        history_pb2.Record(),
        history_pb2.Record(entry=late),
        history_pb2.Record(entry=history_pb2.Entry(request_id="no UUID")),
    ):
        with pytest.raises(ValueError, match=r".+"):
            read_record(record)

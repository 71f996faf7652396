"""Whoever forges the history with all rights in its database is found, and the finding names what was done.

Batches have positions 1 to 4, 5 to 8 and 9 to 12.
"""

import ast
import sys
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from history.erasing import erase_details
from history.findings import Fault, Finding
from history.heads import PREFIX, Witness
from servicekit.database import Database
from servicekit.signed_statement import SigningKey
from tests.contract.history.conftest import Forge
from tests.support import forger
from tests.support.forger import Forgery
from tests.support.history import CHAIN, get_newest_head, make_entry, name_places, seal_all, verify, write_entries


@pytest.fixture
async def sealed(opened: Database, key: SigningKey) -> Database:
    """A history of three batches of four entries."""
    for batch in range(3):
        await write_entries(opened, range(4 * batch, 4 * batch + 4))
        await seal_all(opened, key)
    return opened


def one(fault: Fault, position: int) -> list[tuple[Fault, int, int]]:
    return [(fault, position, position)]


def test_forger_imports_nothing_of_ours() -> None:
    tree = ast.parse(Path(forger.__file__).read_text("utf-8"))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert imported - sys.stdlib_module_names == {"psycopg", "cryptography"}


@pytest.mark.parametrize("is_thorough", [False, True])
async def test_changed_entry_is_named(sealed: Database, key: SigningKey, forge: Forge, is_thorough: bool) -> None:
    forge(lambda connection: forger.change_entry(connection, 6, bidder_id="2", is_thorough=is_thorough))
    assert name_places(await verify(sealed, key)) == one(Fault.CHANGED, 6)


async def test_changed_digest_alone_is_named(sealed: Database, key: SigningKey, forge: Forge) -> None:
    forge(
        lambda connection: connection.execute(
            "UPDATE history_entry SET digest = sha256('') FROM history_position AS place"
            " WHERE place.number = history_entry.number AND position = 6"
        )
    )
    assert name_places(await verify(sealed, key)) == one(Fault.CHANGED, 6)


async def test_changed_entry_with_its_leaf_is_found_by_the_root(
    sealed: Database, key: SigningKey, forge: Forge
) -> None:
    def change(connection: Forgery) -> None:
        forger.change_entry(connection, 6, bidder_id="2")
        forger.change_leaf(connection, 2, 6)

    forge(change)
    assert await verify(sealed, key) == [Finding(fault=Fault.BATCH_CHANGED, head=2, first_position=5, last_position=8)]


async def test_changed_leaves_alone_are_named(sealed: Database, key: SigningKey, forge: Forge) -> None:
    forge(
        lambda connection: connection.execute(
            "UPDATE history_head SET leaves = overlay(leaves PLACING sha256('') FROM 33) WHERE number = 2"
        )
    )
    assert await verify(sealed, key) == [Finding(fault=Fault.LEAVES_CHANGED, head=2, first_position=5, last_position=8)]


async def test_changed_details_are_named(sealed: Database, key: SigningKey, forge: Forge) -> None:
    forge(lambda connection: forger.change_details(connection, 3, '{"after":{},"before":{}}'))
    assert name_places(await verify(sealed, key)) == one(Fault.DETAILS_CHANGED, 3)


async def test_changed_details_with_their_digests_are_a_changed_entry(
    sealed: Database, key: SigningKey, forge: Forge
) -> None:
    forge(lambda connection: forger.change_details(connection, 3, '{"after":{},"before":{}}', is_thorough=True))
    assert name_places(await verify(sealed, key)) == one(Fault.CHANGED, 3)


async def test_missing_details_are_named(sealed: Database, key: SigningKey, forge: Forge) -> None:
    forge(lambda connection: forger.remove_details(connection, 3))
    assert name_places(await verify(sealed, key)) == one(Fault.DETAILS_MISSING, 3)


async def test_details_that_another_act_is_blamed_for_are_named(
    sealed: Database, key: SigningKey, forge: Forge
) -> None:
    forge(lambda connection: forger.remove_details(connection, 3, blame=7))
    assert name_places(await verify(sealed, key)) == one(Fault.ERASED_WITHOUT_ACT, 3)


async def test_details_that_are_added_to_an_act_of_erasure_are_named(
    sealed: Database, key: SigningKey, forge: Forge
) -> None:
    async with sealed.transaction() as connection:
        assert await erase_details(connection, CHAIN, make_entry(12), [1])
    await seal_all(sealed, key)
    forge(lambda connection: forger.remove_details(connection, 3, blame=13))
    # Which of the two the act names can't be told.
    assert name_places(await verify(sealed, key)) == [
        *one(Fault.ERASED_WITHOUT_ACT, 1),
        *one(Fault.ERASED_WITHOUT_ACT, 3),
    ]


async def test_act_of_erasure_that_is_gone_is_missed(sealed: Database, key: SigningKey, forge: Forge) -> None:
    async with sealed.transaction() as connection:
        assert await erase_details(connection, CHAIN, make_entry(12), [1])
    await seal_all(sealed, key)
    forge(lambda connection: forger.remove(connection, 13))
    assert name_places(await verify(sealed, key)) == [(Fault.CUT, 13, 13), (Fault.ERASED_WITHOUT_ACT, 1, 1)]


@pytest.mark.parametrize("closes_gap", [False, True])
async def test_removed_entry_is_named(sealed: Database, key: SigningKey, forge: Forge, closes_gap: bool) -> None:
    forge(forger.save)
    for position in (1, 4, 5, 6, 8, 11):
        forge(partial(forger.remove, position=position, closes_gap=closes_gap))
        assert name_places(await verify(sealed, key)) == one(Fault.REMOVED, position)
        forge(forger.roll_back)


async def test_removed_batch_is_named(sealed: Database, key: SigningKey, forge: Forge) -> None:
    def remove(connection: Forgery) -> None:
        for position in (4, 5, 6, 7, 8):
            forger.remove(connection, position)

    forge(remove)
    assert name_places(await verify(sealed, key)) == [(Fault.REMOVED, 4, 8)]


async def test_inserted_entry_is_named(sealed: Database, key: SigningKey, forge: Forge) -> None:
    forge(forger.save)
    for position in (1, 4, 5, 6, 8, 12):
        forge(partial(forger.insert, position=position))
        assert name_places(await verify(sealed, key)) == one(Fault.INSERTED, position)
        forge(forger.roll_back)


async def test_entry_behind_the_last_head_is_inserted(sealed: Database, key: SigningKey, forge: Forge) -> None:
    forge(lambda connection: forger.insert(connection, 13))
    assert name_places(await verify(sealed, key)) == one(Fault.INSERTED, 13)


async def test_entry_that_was_never_sealed_is_inserted(sealed: Database, key: SigningKey, forge: Forge) -> None:
    numbers: list[int] = []
    forge(lambda connection: numbers.append(forger.insert(connection, None)))
    assert await verify(sealed, key) == [Finding(fault=Fault.INSERTED, number=numbers[0])]


async def test_reordered_entries_are_named(sealed: Database, key: SigningKey, forge: Forge) -> None:
    forge(forger.save)
    for first, second in ((6, 7), (5, 8), (2, 7), (4, 5)):
        forge(partial(forger.swap, first=first, second=second))
        assert name_places(await verify(sealed, key)) == [(Fault.REORDERED, first, second)]
        forge(forger.roll_back)


async def test_entries_that_change_places_over_more_than_a_batch_are_changed(
    sealed: Database, key: SigningKey, forge: Forge
) -> None:
    forge(lambda connection: forger.swap(connection, 2, 11))
    assert name_places(await verify(sealed, key)) == [*one(Fault.CHANGED, 2), *one(Fault.CHANGED, 11)]


async def test_cut_tail_is_named(sealed: Database, key: SigningKey, forge: Forge) -> None:
    forge(forger.save)
    for position in (12, 10, 9, 7, 1):
        forge(partial(forger.cut, position=position))
        assert name_places(await verify(sealed, key)) == [(Fault.CUT, position, 12)]
        forge(forger.roll_back)


async def test_cut_tail_with_its_heads_is_found_by_a_witness(sealed: Database, key: SigningKey, forge: Forge) -> None:
    newest = await get_newest_head(sealed)
    forge(lambda connection: forger.cut(connection, 9, with_heads=True))
    assert await verify(sealed, key) == []
    assert await verify(sealed, key, witnesses=[newest.witness]) == [Finding(fault=Fault.ROLLED_BACK, head=3)]


async def test_removed_head_is_named(sealed: Database, key: SigningKey, forge: Forge) -> None:
    forge(lambda connection: connection.execute("DELETE FROM history_head WHERE number = 2"))
    assert await verify(sealed, key) == [Finding(fault=Fault.HEAD_REMOVED, head=2, first_position=5, last_position=8)]


async def test_changed_head_is_named(sealed: Database, key: SigningKey, forge: Forge) -> None:
    forge(
        lambda connection: connection.execute(
            "UPDATE history_head SET sealed_at = sealed_at + interval '1 hour' WHERE number = 2"
        )
    )
    assert await verify(sealed, key) == [
        Finding(fault=Fault.SIGNATURE_WRONG, head=2),
        Finding(fault=Fault.CHAIN_BROKEN, head=3),
    ]


async def test_rolled_back_database_is_found_by_a_witness(sealed: Database, key: SigningKey, forge: Forge) -> None:
    forge(forger.save)
    older = await get_newest_head(sealed)
    await write_entries(sealed, [12])
    await seal_all(sealed, key)
    newest = await get_newest_head(sealed)
    forge(forger.roll_back)
    assert await verify(sealed, key, witnesses=[older.witness]) == []
    assert await verify(sealed, key, witnesses=[older.witness, newest.witness]) == [
        Finding(fault=Fault.ROLLED_BACK, head=4)
    ]
    # It goes on from there, and another head stands in the place of the one that is held.
    await write_entries(sealed, [13])
    await seal_all(sealed, key)
    assert await verify(sealed, key, witnesses=[newest.witness]) == [Finding(fault=Fault.REWRITTEN, head=4)]


async def test_history_rewritten_under_another_key_is_found(sealed: Database, key: SigningKey, forge: Forge) -> None:
    def rewrite(connection: Forgery) -> None:
        forger.change_entry(connection, 6, bidder_id="2")
        forger.rewrite(connection, Ed25519PrivateKey.generate())

    held = await get_newest_head(sealed)
    forge(rewrite)
    assert await verify(sealed, key) == [Finding(fault=Fault.KEY_UNKNOWN, head=head) for head in (1, 2, 3)]
    assert await verify(sealed, key, witnesses=[held.witness]) == [
        *(Finding(fault=Fault.KEY_UNKNOWN, head=head) for head in (1, 2, 3)),
        Finding(fault=Fault.REWRITTEN, head=3),
    ]


async def test_history_rewritten_under_the_stolen_key_is_found_by_a_witness(opened: Database, forge: Forge) -> None:
    stolen = Ed25519PrivateKey.generate()
    key = SigningKey(stolen, PREFIX)
    await write_entries(opened, range(4))
    await seal_all(opened, key)
    held = await get_newest_head(opened)

    def rewrite(connection: Forgery) -> None:
        forger.change_entry(connection, 2, bidder_id="2")
        forger.rewrite(connection, stolen)

    forge(rewrite)
    assert await verify(opened, key) == []
    assert await verify(opened, key, witnesses=[held.witness]) == [Finding(fault=Fault.REWRITTEN, head=1)]


async def test_witness_of_another_head_is_not_fooled(sealed: Database, key: SigningKey) -> None:
    held = await get_newest_head(sealed)
    wrong = [Witness(held.number, bytes(32)), Witness(held.number + 1, held.hash)]
    assert await verify(sealed, key, witnesses=[held.witness, *wrong]) == [
        Finding(fault=Fault.REWRITTEN, head=3),
        Finding(fault=Fault.ROLLED_BACK, head=4),
    ]

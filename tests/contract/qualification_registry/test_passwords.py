"""The issue of passwords: one letter for each qualified bidder, and only hashes are stored (QUA-02, QUA-09)."""

import asyncio
import logging
import re
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from qualification_registry.domain.bidders import BidderStatus
from qualification_registry.operations.password_issue import BATCH
from refusals import Refusal
from servicekit.processors import count_processors
from tests.support.example_profile import CITY, GOODS, PREFECTURE, WORKS
from tests.support.services.example_rosters import roster, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from toroku.qualification.v1 import qualification_registry_pb2

BIDDER, OTHER = "1000000001", "1000000002"
NAME = "株式会社見本建設"
HASHES = "SELECT bidder_id, encoded, changed_at IS NOT NULL, issued_by FROM passwords ORDER BY 1"


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        await running.officer.import_roster(
            roster(row(BIDDER, NAME), row(OTHER, "有限会社例示工務店"), row("1000000003", valid_until="2026-11-26"))
        )
        yield running


async def test_qualified_bidders_without_a_password_get_a_letter(registry: RunningQualificationRegistry) -> None:
    letters = await registry.officer.issue()
    assert set(letters) == {BIDDER, OTHER}
    assert letters[BIDDER].company.address == "例示県例示市一丁目"
    assert letters[BIDDER].category == WORKS
    for letter in letters.values():
        assert re.fullmatch(r"[2-9A-HJ-NP-Za-kmnp-z]{8}", letter.password)
    assert letters[BIDDER].password != letters[OTHER].password
    assert await registry.officer.issue() == {}


async def test_only_argon2id_hashes_are_stored(registry: RunningQualificationRegistry) -> None:
    letters = await registry.officer.issue()
    hashes = await registry.query(HASHES)
    assert [(bidder_id, changed, by) for bidder_id, _, changed, by in hashes] == [
        (BIDDER, False, "prefecture/hanako"),
        (OTHER, False, "prefecture/hanako"),
    ]
    for bidder_id, encoded, *_ in hashes:
        assert encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert letters[bidder_id].password not in encoded


@pytest.mark.every_postgresql
@pytest.mark.requirement("QUA-09")
@pytest.mark.requirement("QUA-14")
async def test_reissue_replaces_the_password_and_counts_as_a_change(registry: RunningQualificationRegistry) -> None:
    first = await registry.officer.issue()
    with pytest.raises(Refusal, match="PASSWORD_ALREADY_ISSUED") as caught:
        await registry.officer.issue(BIDDER)
    assert caught.value.metadata == {"bidder_id": BIDDER}
    second = await registry.officer.issue(BIDDER, reissue=True)
    assert second[BIDDER].password != first[BIDDER].password
    assert [(bidder_id, changed) for bidder_id, _, changed, _ in await registry.query(HASHES)] == [
        (BIDDER, True),
        (OTHER, False),
    ]
    with pytest.raises(Refusal, match="BIDDER_NOT_FOUND"):
        await registry.find(BIDDER, NAME, first[BIDDER].password)


async def test_first_issue_is_no_change_even_with_reissue(registry: RunningQualificationRegistry) -> None:
    await registry.officer.issue(BIDDER, reissue=True)
    assert [(bidder_id, changed) for bidder_id, _, changed, _ in await registry.query(HASHES)] == [(BIDDER, False)]


@pytest.mark.parametrize(
    ("unknown", "reason"),
    [
        ("1000009999", "BIDDER_UNKNOWN"),
        ("1000000003", "BIDDER_UNKNOWN"),
        ("", "PURPOSE_MALFORMED"),
        ("x\x00", "PURPOSE_MALFORMED"),
    ],
)
async def test_nothing_is_issued_if_one_of_the_bidders_is_unknown(
    registry: RunningQualificationRegistry, unknown: str, reason: str
) -> None:
    with pytest.raises(Refusal, match=reason):
        await registry.officer.issue(BIDDER, unknown)
    assert await registry.query(HASHES) == []


async def test_categories_have_separate_passwords(registry: RunningQualificationRegistry) -> None:
    await registry.officer.issue()
    assert await registry.officer.issue(category=GOODS) == {}
    with pytest.raises(Refusal, match="CATEGORY_UNKNOWN"):
        await registry.officer.issue(category="potions")


async def test_ended_bidder_gets_no_password(registry: RunningQualificationRegistry) -> None:
    await registry.change_status(OTHER, BidderStatus.ENDED)
    assert set(await registry.officer.issue()) == {BIDDER}


async def test_two_concurrent_issues_send_each_bidder_one_letter(
    registry: RunningQualificationRegistry,
) -> None:
    names = {f"1000001{number:03}": f"株式会社例示{number}" for number in range(BATCH + 5)}
    await registry.officer.import_roster(roster(*(row(bidder_id, name) for bidder_id, name in names.items())))
    one, other = await asyncio.gather(registry.officer.issue(), registry.officer.issue())
    assert set(one) | set(other) == set(names)
    assert not set(one) & set(other)
    for letters in (one, other):
        for bidder_id in list(letters)[:1]:
            result = await registry.find(bidder_id, names[bidder_id], letters[bidder_id].password)
            assert result.company.name == names[bidder_id]


async def test_letters_are_hashed_on_all_processors(registry: RunningQualificationRegistry) -> None:
    await registry.officer.import_roster(roster(*(row(f"1000001{number:03}") for number in range(BATCH))))
    await registry.officer.issue()
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("hashing")]
    assert len(threads) == min(count_processors(), 16)


async def test_broken_connection_loses_only_letters_in_transit(registry: RunningQualificationRegistry) -> None:
    lines = [row(f"1000001{number:03}", f"株式会社例示{number}") for number in range(3 * BATCH)]
    await registry.officer.import_roster(roster(*lines))
    call = registry.officer.asynchronous.IssuePasswords(
        await registry.officer.sign(
            "IssuePasswords", qualification_registry_pb2.IssuePasswordsRequest(agency=PREFECTURE, category=WORKS)
        )
    )
    received = 0
    async for answer in call:
        received += answer.HasField("letter")
        if received == BATCH:
            call.cancel()
            break
    rest = await registry.officer.issue()
    hashes = await registry.query(HASHES)
    assert len(hashes) == 3 * BATCH
    # Each password that is stored is in the history, whatever became of its letter.
    assert await registry.query("SELECT count(DISTINCT bidder_id) FROM history_entry WHERE bidder_id IS NOT NULL") == [
        (len(hashes),)
    ]
    # Bidders whose letter was lost count as having a password, and get another one with reissue.
    assert received == BATCH
    assert len(rest) <= 2 * BATCH


async def test_log_contains_no_password(
    registry: RunningQualificationRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    letters = await registry.officer.issue()
    await registry.find(BIDDER, NAME, letters[BIDDER].password)
    with pytest.raises(Refusal):
        await registry.find(OTHER, NAME, letters[OTHER].password)
    for letter in letters.values():
        assert letter.password not in caplog.text


async def test_officer_without_the_role_is_refused(registry: RunningQualificationRegistry) -> None:
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await registry.other_officer.issue()


@pytest.mark.every_postgresql
async def test_list_shows_qualified_bidders_and_whether_they_have_a_password(
    registry: RunningQualificationRegistry,
) -> None:
    await registry.officer.issue(BIDDER)

    async def listed(after: str = "", most: int = 0, category: str = WORKS) -> list[tuple[str, str, list[str], bool]]:
        request = qualification_registry_pb2.ListBiddersRequest(
            agency=PREFECTURE, category=category, after=after, most=most
        )
        answer = await registry.officer.asynchronous.ListBidders(request)
        return [(each.bidder_id, each.name, list(each.agencies), each.has_password) for each in answer.bidders]

    bidders = [
        (BIDDER, NAME, [CITY, PREFECTURE], True),
        (OTHER, "有限会社例示工務店", [CITY, PREFECTURE], False),
    ]
    assert await listed() == bidders
    assert await listed(most=1) == bidders[:1]
    assert await listed(after=BIDDER) == bidders[1:]
    assert await listed(after=f"{BIDDER}\x00") == bidders[1:]
    assert await listed(category=GOODS) == []

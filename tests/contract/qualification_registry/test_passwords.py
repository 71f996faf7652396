"""What the issuing of passwords promises: one letter for each, hashes only, and none for nobody (QUA-02, QUA-09)."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from qualification_registry.domain.bidders import BidderStatus
from qualification_registry.operations.password_issue import BATCH
from qualification_registry.operations.bidder_status import change_status
from refusals import Refusal
from tests.support.example_profile import CITY, GOODS, PREFECTURE, WORKS
from tests.support.services.qualification_registry import QualificationHouse, qualification_house, roster, row
from toroku.qualification.v1 import service_pb2

BIDDER, OTHER = "1000000001", "1000000002"
NAME = "株式会社見本建設"
HASHES = "SELECT bidder_id, encoded, changed_at IS NOT NULL, issued_by FROM passwords ORDER BY 1"


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[QualificationHouse]:
    async with qualification_house(migrated_database("qualification_registry"), tmp_path) as opened:
        await opened.officer.import_roster(
            roster(row(BIDDER, NAME), row(OTHER, "有限会社例示工務店"), row("1000000003", valid_until="2026-11-26"))
        )
        yield opened


@pytest.mark.requirement("QUA-02")
async def test_whoever_is_qualified_and_has_none_gets_a_letter(house: QualificationHouse) -> None:
    letters = await house.officer.issue()
    assert set(letters) == {BIDDER, OTHER}
    assert letters[BIDDER].company.address == "例示県例示市一丁目"
    assert letters[BIDDER].category == WORKS
    for letter in letters.values():
        assert re.fullmatch(r"[2-9A-HJ-NP-Za-kmnp-z]{8}", letter.password)
    assert letters[BIDDER].password != letters[OTHER].password
    assert await house.officer.issue() == {}


async def test_only_argon2id_hashes_are_kept(house: QualificationHouse) -> None:
    letters = await house.officer.issue()
    kept = await house.rows(HASHES)
    assert [(bidder_id, changed, by) for bidder_id, _, changed, by in kept] == [
        (BIDDER, False, "prefecture/hanako"),
        (OTHER, False, "prefecture/hanako"),
    ]
    for bidder_id, encoded, *_ in kept:
        assert encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert letters[bidder_id].password not in encoded


@pytest.mark.requirement("QUA-09")
async def test_a_reissue_replaces_the_password_and_counts_as_a_change(house: QualificationHouse) -> None:
    first = await house.officer.issue()
    with pytest.raises(Refusal, match="PASSWORD_ALREADY_ISSUED") as caught:
        await house.officer.issue(BIDDER)
    assert caught.value.metadata == {"bidder_id": BIDDER}
    second = await house.officer.issue(BIDDER, reissue=True)
    assert second[BIDDER].password != first[BIDDER].password
    assert [(bidder_id, changed) for bidder_id, _, changed, _ in await house.rows(HASHES)] == [
        (BIDDER, True),
        (OTHER, False),
    ]
    with pytest.raises(Refusal, match="BIDDER_NOT_FOUND"):
        await house.find(BIDDER, NAME, first[BIDDER].password)


async def test_a_first_issue_is_no_change_although_reissue_was_said(house: QualificationHouse) -> None:
    await house.officer.issue(BIDDER, reissue=True)
    assert [(bidder_id, changed) for bidder_id, _, changed, _ in await house.rows(HASHES)] == [(BIDDER, False)]


@pytest.mark.parametrize("unknown", ["1000009999", "1000000003", "", "x\x00"])
async def test_nothing_is_issued_where_one_of_the_bidders_is_unknown(house: QualificationHouse, unknown: str) -> None:
    with pytest.raises(Refusal, match="BIDDER_UNKNOWN"):
        await house.officer.issue(BIDDER, unknown)
    assert await house.rows(HASHES) == []


async def test_categories_have_passwords_of_their_own(house: QualificationHouse) -> None:
    await house.officer.issue()
    assert await house.officer.issue(category=GOODS) == {}
    with pytest.raises(Refusal, match="CATEGORY_UNKNOWN"):
        await house.officer.issue(category="potions")


async def test_an_ended_bidder_gets_no_password(house: QualificationHouse) -> None:
    await change_status(house.database, OTHER, BidderStatus.ENDED)
    assert set(await house.officer.issue()) == {BIDDER}


async def test_two_officers_at_the_same_time_give_each_bidder_one_letter(house: QualificationHouse) -> None:
    names = {f"1000001{number:03}": f"株式会社例示{number}" for number in range(BATCH + 5)}
    await house.officer.import_roster(roster(*(row(bidder_id, name) for bidder_id, name in names.items())))
    one, other = await asyncio.gather(house.officer.issue(), house.officer.issue())
    assert set(one) | set(other) == set(names)
    assert not set(one) & set(other)
    for letters in (one, other):
        for bidder_id in list(letters)[:1]:
            found = await house.find(bidder_id, names[bidder_id], letters[bidder_id].password)
            assert found.company.name == names[bidder_id]


async def test_a_connection_that_breaks_loses_only_what_was_under_way(house: QualificationHouse) -> None:
    lines = [row(f"1000001{number:03}", f"株式会社例示{number}") for number in range(3 * BATCH)]
    await house.officer.import_roster(roster(*lines))
    call = house.officer.asynchronous.IssuePasswords(service_pb2.IssuePasswordsRequest(category=WORKS))
    received = 0
    async for answer in call:
        received += answer.HasField("letter")
        if received == BATCH:
            call.cancel()
            break
    rest = await house.officer.issue()
    everybody = await house.rows(HASHES)
    assert len(everybody) == 3 * BATCH
    # Whoever has neither letter shows as issued, and gets another one with reissue.
    assert received == BATCH
    assert len(rest) <= 2 * BATCH


async def test_no_password_stands_in_the_log(house: QualificationHouse, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    letters = await house.officer.issue()
    await house.find(BIDDER, NAME, letters[BIDDER].password)
    with pytest.raises(Refusal):
        await house.find(OTHER, NAME, letters[OTHER].password)
    for letter in letters.values():
        assert letter.password not in caplog.text


async def test_an_officer_needs_the_role(house: QualificationHouse) -> None:
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await house.other_officer.issue()


async def test_officers_see_who_is_qualified_and_who_has_a_password(house: QualificationHouse) -> None:
    await house.officer.issue(BIDDER)

    async def listed(after: str = "", most: int = 0, category: str = WORKS) -> list[tuple[str, str, list[str], bool]]:
        request = service_pb2.ListBiddersRequest(category=category, after=after, most=most)
        answer = await house.officer.asynchronous.ListBidders(request)
        return [(each.bidder_id, each.name, list(each.agencies), each.has_password) for each in answer.bidders]

    everybody = [
        (BIDDER, NAME, [CITY, PREFECTURE], True),
        (OTHER, "有限会社例示工務店", [CITY, PREFECTURE], False),
    ]
    assert await listed() == everybody
    assert await listed(most=1) == everybody[:1]
    assert await listed(after=BIDDER) == everybody[1:]
    assert await listed(after=f"{BIDDER}\x00") == everybody[1:]
    assert await listed(category=GOODS) == []

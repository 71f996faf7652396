"""Lists belong to terms: the next one stands beside the current one until its day (QUA-12)."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from refusals import Refusal
from tests.support.example_profile import CITY, PREFECTURE, WORKS
from tests.support.services.example_rosters import roster, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.roster_officer import list_questions
from toroku.qualification.v1 import qualification_registry_pb2

# The registry's clock says 2026-11-27, 10:00 in Japan.
THIS, NEXT = ("2024-12-01", "2026-11-30"), ("2026-12-01", "2028-11-30")
STAYS, LEAVES, COMES = (f"100000000{number}" for number in (1, 2, 3))


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        yield running


def qualified(bidder_id: str, name: str) -> str:
    """Returns a line without days of its own, so that only the term counts."""
    return row(bidder_id, name, valid_from="", valid_until="", agencies="例示県、例示市") + ","


def write(*rows: str) -> bytes:
    """Returns a file whose last column is not empty, which a truncated file's could be."""
    header = "業者番号,法人番号,商号,所在地,代表者,電話番号,等級,調達機関,期間開始,期間終了,備考"
    return roster(*rows, header=header)


async def list_bidders(registry: RunningQualificationRegistry) -> list[tuple[str, str]]:
    """Returns ids and names of the bidders that are or will be qualified."""
    request = qualification_registry_pb2.ListBiddersRequest(agency=PREFECTURE, category=WORKS)
    answer = await registry.officer.asynchronous.ListBidders(request)
    return [(bidder.bidder_id, bidder.name) for bidder in answer.bidders]


@pytest.mark.requirement("QUA-12")
@pytest.mark.requirement("SYN-01")
async def test_next_terms_list_stands_beside_the_current_one_until_its_day(
    registry: RunningQualificationRegistry,
) -> None:
    officer = registry.officer
    this = [qualified(STAYS, "株式会社見本建設"), qualified(LEAVES, "株式会社例示土木")]
    await officer.import_roster(write(*this), term=THIS)
    following = [qualified(STAYS, "株式会社新見本建設"), qualified(COMES, "株式会社三号")]
    preview = await officer.preview(write(*following), term=NEXT)
    assert (preview.term_from, preview.term_until) == NEXT
    assert (preview.new, preview.changed, preview.gone) == (2, 0, 0)
    # One of the two bidders of the term before is not in the first list of the next one.
    assert list_questions(preview) == ["ROSTER_MANY_GONE"]
    await officer.commit(preview.import_id, confirmed=["ROSTER_MANY_GONE"])

    everywhere = [CITY, PREFECTURE]
    assert await registry.list_agencies(STAYS, LEAVES, COMES) == {STAYS: everywhere, LEAVES: everywhere, COMES: []}
    names = {STAYS: "株式会社見本建設", LEAVES: "株式会社例示土木", COMES: "株式会社三号"}
    assert await list_bidders(registry) == list(names.items())
    letters = await officer.issue()
    assert {bidder_id: letter.company.name for bidder_id, letter in letters.items()} == names
    password = letters[STAYS].password
    proof = (await registry.find(STAYS, "株式会社見本建設", password)).proof

    # Another list of the current term is compared with that term's.
    again = await officer.preview(write(qualified(STAYS, "株式会社見本建設")), term=THIS)
    assert (again.unchanged, again.gone) == (1, 1)
    # Midnight in Japan, between the two terms.
    registry.pass_time(timedelta(days=3, hours=13, minutes=59))
    assert await registry.list_agencies(STAYS, COMES) == {STAYS: everywhere, COMES: []}
    registry.pass_time(timedelta(minutes=1))
    assert await registry.list_agencies(STAYS, LEAVES, COMES) == {STAYS: everywhere, LEAVES: [], COMES: everywhere}
    assert [bidder_id for bidder_id, _ in await list_bidders(registry)] == [STAYS, COMES]
    found = await registry.find(STAYS, "株式会社新見本建設", password)
    assert found.company.name == "株式会社新見本建設"
    with pytest.raises(Refusal, match="BIDDER_NOT_FOUND"):
        await registry.find(STAYS, "株式会社見本建設", password)
    with pytest.raises(Refusal, match="BIDDER_PROOF_EXPIRED"):
        await registry.confirm(proof)
    assert (await registry.confirm(found.proof)).company.name == "株式会社新見本建設"
    # At the end of the term, with no other list, nobody is qualified.
    registry.pass_time(timedelta(days=731))
    assert await registry.list_agencies(STAYS, COMES) == {STAYS: [], COMES: []}
    assert await list_bidders(registry) == []


@pytest.mark.requirement("QUA-12")
async def test_who_is_gone_is_judged_within_one_term(registry: RunningQualificationRegistry) -> None:
    officer = registry.officer
    await officer.import_roster(write(qualified(STAYS, "株式会社一"), qualified(LEAVES, "株式会社二")), term=THIS)
    await officer.import_roster(write(qualified(STAYS, "株式会社一"), qualified(COMES, "株式会社三")), term=NEXT)
    commit = await officer.import_roster(write(qualified(STAYS, "株式会社一")), term=NEXT)
    assert (commit.roster_version, commit.gone, commit.unchanged) == (3, 1, 1)
    current = "SELECT line.bidder_id, term_from::text FROM roster_lines line JOIN roster_imports import"
    current += " ON number = import_number WHERE superseded_by IS NULL ORDER BY 2, 1"
    assert await registry.query(current) == [(STAYS, THIS[0]), (LEAVES, THIS[0]), (STAYS, NEXT[0])]
    # A list with another last day and the same lines moves the end of its term.
    longer = await officer.import_roster(write(qualified(STAYS, "株式会社一")), term=(NEXT[0], ""))
    assert (longer.roster_version, longer.unchanged) == (4, 1)
    assert await registry.query("SELECT term_until, holds_until::text FROM roster_terms ORDER BY term_from DESC") == [
        (None, None),
        (await registry.query("SELECT date '2026-11-30'"))[0] + (THIS[1],),
    ]


async def test_list_without_a_term_holds_until_the_first_term_begins(registry: RunningQualificationRegistry) -> None:
    officer = registry.officer
    await officer.import_roster(write(qualified(STAYS, "株式会社一")))
    await officer.import_roster(write(qualified(COMES, "株式会社三")), term=NEXT)
    assert await registry.list_agencies(STAYS, COMES) == {STAYS: [CITY, PREFECTURE], COMES: []}
    await officer.import_roster(write(qualified(STAYS, "株式会社新一")))
    registry.pass_time(timedelta(days=7))
    assert await registry.list_agencies(STAYS, COMES) == {STAYS: [], COMES: [CITY, PREFECTURE]}
    with pytest.raises(Refusal, match="ROSTER_TERM_MISSING"):
        await officer.preview(write(qualified(STAYS, "株式会社一")))


@pytest.mark.requirement("QUA-12")
async def test_term_that_cannot_be_is_refused(registry: RunningQualificationRegistry) -> None:
    officer = registry.officer
    await officer.import_roster(write(qualified(STAYS, "株式会社一")), term=THIS)
    for term, reason in (
        (("2026/12/01", ""), "ROSTER_TERM_WRONG"),
        (("20261201", ""), "ROSTER_TERM_WRONG"),
        (("2026-02-30", ""), "ROSTER_TERM_WRONG"),
        (("", "2028-11-30"), "ROSTER_TERM_WRONG"),
        (("2026-12-01", "2026-11-30"), "ROSTER_TERM_REVERSED"),
        (("2026-11-30", "2028-11-30"), "ROSTER_TERM_OVERLAPS"),
        (("2024-04-01", "2024-12-01"), "ROSTER_TERM_OVERLAPS"),
        (("2022-12-01", "2024-11-30"), "ROSTER_TERM_ENDED"),
        (("2022-12-01", ""), "ROSTER_TERM_ENDED"),
        (("", ""), "ROSTER_TERM_MISSING"),
    ):
        with pytest.raises(Refusal) as caught:
            await officer.preview(write(qualified(STAYS, "株式会社一")), term=term)
        assert caught.value.reason == reason, term
    # A term may end between preview and commit.
    preview = await officer.preview(write(qualified(STAYS, "株式会社二")), term=THIS)
    registry.pass_time(timedelta(days=3, hours=13, minutes=59))
    late = await officer.preview(write(qualified(STAYS, "株式会社二")), term=THIS)
    registry.pass_time(timedelta(minutes=1))
    with pytest.raises(Refusal, match="ROSTER_TERM_ENDED"):
        await officer.commit(late.import_id)
    with pytest.raises(Refusal, match="ROSTER_PREVIEW_UNKNOWN"):
        await officer.commit(preview.import_id)

"""Two officers make a bidder the successor of another one (QUA-10)."""

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, TOWN, WORKS
from tests.support.history import make_key, seal_all
from tests.support.services.bidder_officer import REASON, BidderOfficer
from tests.support.services.example_rosters import roster, row
from tests.support.services.history import list_entries
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from toroku.qualification.v1 import bidders_pb2

THIRD = "1000000003"
LINKS = "SELECT category, bidder_id, predecessor, kind FROM predecessors ORDER BY category, predecessor"


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningQualificationRegistry]:
    async with running_qualification_registry(migrated_database("qualification_registry"), tmp_path) as running:
        await running.officer.import_roster(
            roster(row(BIDDER), row(OTHER_BIDDER, "株式会社例示組"), row(THIRD, "見本工業株式会社"))
        )
        yield running


@pytest.fixture
async def mika(registry: RunningQualificationRegistry) -> BidderOfficer:
    return await registry.appoint(f"{PREFECTURE}/mika", "binding")


@pytest.fixture
async def taro(registry: RunningQualificationRegistry) -> BidderOfficer:
    return await registry.appoint(f"{PREFECTURE}/taro", "binding")


async def refusal_of(officer: BidderOfficer, bidder_id: str, predecessor: str, **changes: Any) -> str:
    """Returns the reason why a link is not proposed."""
    with pytest.raises(Refusal) as caught:
        await officer.propose_link(bidder_id, predecessor, **changes)
    return caught.value.reason


@pytest.mark.requirement("QUA-10")
async def test_two_officers_link_a_bidder_to_its_predecessor(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    record = await mika.propose_link(OTHER_BIDDER, BIDDER)
    assert any("契約権限の移譲" in line for line in record.proposal.lines)
    assert any("transfer of the authority" in line for line in record.proposal.lines)
    with pytest.raises(Refusal, match="PROPOSAL_OWN"):
        await mika.approve(record)
    assert await registry.query(LINKS) == []
    approved = await taro.approve(record)
    assert list(approved.not_yet_effective_at) == []
    assert await registry.query(LINKS) == [(WORKS, OTHER_BIDDER, BIDDER, "transfer")]
    with pytest.raises(Refusal, match="PROPOSAL_CLOSED"):
        await taro.approve(record)
    with pytest.raises(Refusal, match="BIDDER_AUTHORITY_TRANSFERRED"):
        await registry.prove(BIDDER)
    await registry.prove(OTHER_BIDDER)


@pytest.mark.requirement("LIF-05")
async def test_link_is_in_the_history_of_both_bidders(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    kind = bidders_pb2.SUCCESSION_KIND_MERGER
    await taro.approve(await mika.propose_link(OTHER_BIDDER, BIDDER, kind=kind))
    await seal_all(registry.database, make_key())
    for bidder_id, side, other in (
        (OTHER_BIDDER, "predecessor", BIDDER),
        (BIDDER, "successor", OTHER_BIDDER),
    ):
        entries = await list_entries(registry.history, bidder_id=bidder_id)
        (entry,) = [entry for entry in entries if entry.what == "bidder linked"]
        details = json.loads(entry.details.text)
        assert (details["before"], details["after"]) == (
            {},
            {side: other, "succession": "merger", "reason": REASON},
        )
        assert "act" in details
        assert (entry.who, entry.category, list(entry.agencies)) == (f"officer {PREFECTURE}/taro", WORKS, [PREFECTURE])


async def test_link_that_makes_no_sense_is_not_proposed(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    await taro.approve(await mika.propose_link(OTHER_BIDDER, BIDDER))
    await taro.approve(await mika.propose_link(THIRD, OTHER_BIDDER))
    assert await refusal_of(mika, OTHER_BIDDER, BIDDER) == "PREDECESSOR_LINKED"
    assert await refusal_of(mika, THIRD, BIDDER) == "PREDECESSOR_LINKED"
    assert await refusal_of(mika, BIDDER, THIRD) == "PREDECESSOR_CIRCULAR"
    assert await refusal_of(mika, BIDDER, BIDDER) == "PREDECESSOR_SAME"
    for unknown in ("9999999999", ""):
        assert await refusal_of(mika, unknown, THIRD) == "BIDDER_UNKNOWN"
        assert await refusal_of(mika, BIDDER, unknown) == "BIDDER_UNKNOWN"
    for kind in (bidders_pb2.SUCCESSION_KIND_UNSPECIFIED, 17):
        assert await refusal_of(mika, THIRD, BIDDER, kind=kind) == "PREDECESSOR_KIND_INVALID"
    assert await refusal_of(mika, THIRD, BIDDER, reason=" ") == "OFFICER_REASON_INVALID"
    assert await refusal_of(mika, THIRD, BIDDER, category="nothing") == "CATEGORY_UNKNOWN"
    assert await refusal_of(mika, THIRD, BIDDER, agency=CITY) == "AGENCY_NOT_OWN"


async def test_links_of_categories_are_their_own_and_a_bidder_has_several_predecessors(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    await taro.approve(await mika.propose_link(OTHER_BIDDER, BIDDER))
    await taro.approve(await mika.propose_link(BIDDER, OTHER_BIDDER, category=GOODS))
    await taro.approve(await mika.propose_link(OTHER_BIDDER, THIRD))
    assert await registry.query(LINKS) == [
        (GOODS, BIDDER, OTHER_BIDDER, "transfer"),
        (WORKS, OTHER_BIDDER, BIDDER, "transfer"),
        (WORKS, OTHER_BIDDER, THIRD, "transfer"),
    ]


async def test_approval_is_judged_by_the_links_of_then(
    registry: RunningQualificationRegistry, mika: BidderOfficer, taro: BidderOfficer
) -> None:
    first, same, reverse = [
        await mika.propose_link(*pair) for pair in ((OTHER_BIDDER, BIDDER), (THIRD, BIDDER), (BIDDER, OTHER_BIDDER))
    ]
    of_target = await mika.propose_link(OTHER_BIDDER, THIRD, category=GOODS)
    await taro.approve(first)
    for outdated in (same, reverse):
        with pytest.raises(Refusal, match="PROPOSAL_TARGET_CHANGED"):
            await taro.approve(outdated)
    # Its bidder got a successor meanwhile, which its officers did not know.
    await taro.approve(await mika.propose_link(BIDDER, OTHER_BIDDER, category=GOODS))
    with pytest.raises(Refusal, match="PROPOSAL_TARGET_CHANGED"):
        await taro.approve(of_target)
    assert await registry.query(LINKS) == [
        (GOODS, BIDDER, OTHER_BIDDER, "transfer"),
        (WORKS, OTHER_BIDDER, BIDDER, "transfer"),
    ]


async def test_operators_officers_link_bidders_too(registry: RunningQualificationRegistry) -> None:
    gen, ichiro = [await registry.appoint(f"operator/{name}", "binding") for name in ("gen", "ichiro")]
    await ichiro.approve(await gen.propose_link(OTHER_BIDDER, BIDDER))
    with pytest.raises(Refusal, match="BIDDER_AUTHORITY_TRANSFERRED"):
        await registry.prove(BIDDER, agency=CITY)
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await (await registry.appoint(f"{TOWN}/nao", "suspension")).propose_link(THIRD, OTHER_BIDDER)

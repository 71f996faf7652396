"""What a search found is confirmed before the act is made and before it is carried out; a retry gets its receipt."""

from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from refusals import Refusal
from tests.support.contractor import Contractor
from tests.support.example_profile import BIDDER, example_profile
from tests.support.services.front_door import COMPANY, RunningFrontDoor, running_front_door
from toroku.qualification.v1.bidder_pb2 import BidderStatement


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    async with running_front_door(example_profile(), tmp_path) as running:
        yield running


async def prepared(front_door: RunningFrontDoor) -> Contractor:
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()
    await contractor.prepare()
    return contractor


@pytest.mark.requirement("REG-01")
async def test_registration_half_an_hour_after_the_search_is_committed_with_a_fresh_proof(
    front_door: RunningFrontDoor,
) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()
    for _ in range(5):
        front_door.clock.now += timedelta(minutes=6)
        await contractor.check_session()
    await contractor.prepare()
    assert (await contractor.register()).registration.bidder_id == BIDDER
    for confirmation in front_door.bidders.confirmations:
        assert confirmation.proof == contractor.found.proof
        assert confirmation.certificate_company_name == COMPANY
    (proof,) = front_door.cards.proofs
    assert BidderStatement.FromString(proof.statement).issued_at.ToDatetime(UTC) == front_door.clock.now


async def test_bidder_that_left_the_roster_meanwhile_is_refused_before_the_commit(
    front_door: RunningFrontDoor,
) -> None:
    contractor = await prepared(front_door)
    del front_door.bidders.companies[BIDDER]
    with pytest.raises(Refusal, match="BIDDER_NOT_QUALIFIED"):
        await contractor.register()
    assert front_door.cards.calls["Register"] == 0


@pytest.mark.requirement("REG-05")
async def test_existing_outcome_is_returned_whatever_became_of_the_bidder(front_door: RunningFrontDoor) -> None:
    contractor = await prepared(front_door)
    first = await contractor.register()
    del front_door.bidders.companies[BIDDER]
    assert await contractor.register() == first
    # After the session and the proof have ended, in a new session of the same card.
    front_door.clock.now += timedelta(minutes=61)
    await contractor.begin(resume=contractor.request_id)
    await contractor.log_in(resume=contractor.request_id)
    assert await contractor.register() == first
    assert await contractor.receipt() == first

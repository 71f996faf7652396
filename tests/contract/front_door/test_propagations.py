"""自動反映 over gRPC: how far what a card did has come at the other agencies (SYN-05)."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from refusals import Refusal
from refusals.status import from_rpc_error
from tests.support.example_profile import CITY, GOODS, PREFECTURE, VILLAGE, WORKS, example_profile
from tests.support.propagations import ended, planned
from tests.support.services.front_door import RunningFrontDoor, running_front_door
from toroku.frontdoor.v1 import propagations_pb2, propagations_pb2_grpc


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    async with running_front_door(example_profile(propagation="night"), tmp_path) as running:
        yield running


async def list_own(
    front_door: RunningFrontDoor, token: str, agency: str = PREFECTURE, category: str = WORKS
) -> propagations_pb2.ListOwnPropagationsResponse:
    request = propagations_pb2.ListOwnPropagationsRequest(session_token=token, agency=agency, category=category)
    try:
        response: propagations_pb2.ListOwnPropagationsResponse = await propagations_pb2_grpc.PropagationsStub(
            front_door.channel
        ).ListOwnPropagations(request, timeout=20)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error
    return response


@pytest.mark.requirement("SYN-05")
@pytest.mark.parametrize("operation", ["registration", "change"])
async def test_card_lists_what_it_did_at_the_agency_of_its_session_whatever_that_is_for(
    front_door: RunningFrontDoor, operation: str
) -> None:
    contractor = front_door.contractor()
    if operation == "registration":
        await contractor.begin()
        await contractor.log_in()
        token = contractor.session_token
    else:
        changing = await front_door.register(contractor)
        await changing.enter()
        token = changing.session_token
    propagations = [planned(CITY), ended(CITY), ended(VILLAGE, "BIDDER_NOT_QUALIFIED")]
    front_door.propagations.propagations[contractor.card.sha256, WORKS, PREFECTURE] = propagations
    # And at any hour.
    front_door.clock.japan(10, 5)
    response = await list_own(front_door, token)
    assert list(response.propagations) == propagations
    assert response.HasField("as_of")
    other = front_door.contractor()
    await other.begin()
    await other.log_in()
    assert not (await list_own(front_door, other.session_token)).propagations


@pytest.mark.parametrize(
    ("agency", "category", "reason"),
    [
        ("nowhere", WORKS, "AGENCY_UNKNOWN"),
        (PREFECTURE, "potions", "CATEGORY_UNKNOWN"),
        (VILLAGE, GOODS, "CATEGORY_NOT_OFFERED"),
        ("pre\x00fecture", WORKS, "FIELDS_INVALID"),
        (CITY, WORKS, "CARD_SESSION_FOR_ANOTHER_AGENCY"),
    ],
)
async def test_place_that_the_session_is_not_for_is_refused(
    front_door: RunningFrontDoor, agency: str, category: str, reason: str
) -> None:
    contractor = front_door.contractor()
    await contractor.begin()
    await contractor.log_in()
    with pytest.raises(Refusal, match=reason):
        await list_own(front_door, contractor.session_token, agency, category)
    assert front_door.propagations.calls["ListPropagationsOfCard"] == 0


async def test_stranger_without_a_session_learns_nothing(front_door: RunningFrontDoor) -> None:
    for token in ("", "invented"):
        with pytest.raises(Refusal, match="CARD_SESSION_UNKNOWN"):
            await list_own(front_door, token)
    assert front_door.propagations.calls["ListPropagationsOfCard"] == 0

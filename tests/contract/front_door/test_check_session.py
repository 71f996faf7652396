"""A session lives while a person fills in its form, for an hour at most (ENT-07)."""

from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from refusals import Refusal
from tests.support.example_profile import BIDDER, CITY, GOODS, example_profile
from tests.support.services.front_door import RunningFrontDoor, running_front_door
from toroku.certificate.v1 import card_pb2


@pytest.fixture
async def front_door(tmp_path: Path) -> AsyncIterator[RunningFrontDoor]:
    async with running_front_door(example_profile(), tmp_path) as running:
        yield running


@pytest.mark.requirement("ENT-07")
async def test_session_that_is_checked_lives_while_a_form_is_filled_in(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    await contractor.find()
    opened_at = front_door.clock.now
    ends = []
    for _ in range(6):
        front_door.clock.now += timedelta(minutes=9)
        ends.append((await contractor.check_session()).expires_at.ToDatetime(UTC) - opened_at)
    # Ten minutes after each check, and never beyond the hour.
    assert ends == [timedelta(minutes=minutes) for minutes in (19, 28, 37, 46, 55, 60)]
    await contractor.prepare()
    assert (await contractor.register()).registration.bidder_id == BIDDER
    front_door.clock.now = opened_at + timedelta(minutes=60, seconds=1)
    with pytest.raises(Refusal, match="CARD_SESSION_EXPIRED"):
        await contractor.check_session()


@pytest.mark.requirement("ENT-07")
async def test_session_that_nobody_uses_ends_after_ten_minutes(front_door: RunningFrontDoor) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    front_door.clock.now += timedelta(minutes=10, seconds=1)
    with pytest.raises(Refusal, match="CARD_SESSION_EXPIRED"):
        await contractor.check_session()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"agency": CITY}, "CARD_SESSION_FOR_ANOTHER_AGENCY"),
        ({"category": GOODS}, "CARD_SESSION_FOR_ANOTHER_CATEGORY"),
        ({"session_token": "A" * 43}, "CARD_SESSION_UNKNOWN"),
        ({"operation": card_pb2.OPERATION_CHANGE}, "CARD_SESSION_FOR_ANOTHER_OPERATION"),
        ({"operation": card_pb2.OPERATION_UNSPECIFIED}, "OPERATION_UNKNOWN"),
    ],
)
async def test_session_of_something_else_is_refused(
    front_door: RunningFrontDoor, changes: dict[str, Any], reason: str
) -> None:
    contractor = front_door.contractor()
    await contractor.enter()
    with pytest.raises(Refusal, match=reason):
        await contractor.check_session(**changes)

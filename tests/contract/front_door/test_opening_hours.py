"""The days on which an instance is closed, as a contractor over gRPC meets them (ENT-05)."""

from datetime import datetime
from pathlib import Path

import pytest

from instance_profile.japan_time import JAPAN
from refusals import Refusal
from tests.support.example_profile import example_profile
from tests.support.services.front_door import running_front_door

HOURS = example_profile().opening_hours.model_dump() | {"year_end": ["12-29", "01-03"]}


@pytest.mark.requirement("ENT-05")
async def test_weekends_public_holidays_and_the_years_end_are_closed(tmp_path: Path) -> None:
    next_openings = {
        # A Saturday and a Sunday.
        "2026-11-28": "2026-11-30",
        "2026-11-29": "2026-11-30",
        # Labour Thanksgiving Day, a Monday.
        "2026-11-23": "2026-11-24",
        # The emperor's birthday, a Tuesday.
        "2027-02-23": "2027-02-24",
        # 振替休日: the Wednesday after three holidays, of which the first is a Sunday.
        "2026-05-06": "2026-05-07",
        # From the year's end the instance opens on the Monday after it.
        "2026-12-29": "2027-01-04",
        "2027-01-01": "2027-01-04",
    }
    async with running_front_door(example_profile(opening_hours=HOURS), tmp_path) as front_door:
        for day, opens_next in next_openings.items():
            front_door.clock.now = datetime.fromisoformat(f"{day}T10:00").replace(tzinfo=JAPAN)
            with pytest.raises(Refusal, match="OUTSIDE_OPENING_HOURS") as refused:
                await front_door.contractor().begin()
            assert refused.value.metadata["opens_next"] == f"{opens_next}T08:30:00+09:00", day
            opening = (await front_door.contractor().describe()).opening
            assert not opening.open
            assert opening.opens_next.ToDatetime(JAPAN).isoformat() == f"{opens_next}T08:30:00+09:00", day
        assert not front_door.cards.calls
        front_door.clock.now = datetime(2026, 12, 28, 10, 0, tzinfo=JAPAN)
        await front_door.contractor().begin()

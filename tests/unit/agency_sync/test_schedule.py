"""When something is carried out that is done now: at once, or in the night batch of Japan's day."""

from datetime import UTC, datetime, timedelta

import pytest

from agency_sync.domain.schedule import Schedule
from tests.support.example_profile import example_profile

AT_NIGHT = Schedule.of(example_profile(propagation="night", propagation_at="22:00"))


@pytest.mark.parametrize(
    ("now", "planned"),
    [
        # Both in UTC: 22:00 in Japan is 13:00.
        ("2026-11-27T01:00", "2026-11-27T13:00"),
        ("2026-11-27T13:00", "2026-11-27T13:00"),
        ("2026-11-27T13:00:00.000001", "2026-11-28T13:00"),
        # Already the next day in Japan.
        ("2026-11-27T15:30", "2026-11-28T13:00"),
        ("2026-12-31T14:00", "2027-01-01T13:00"),
    ],
)
def test_night_is_the_next_time_of_day_in_japan(now: str, planned: str) -> None:
    assert AT_NIGHT.plan(datetime.fromisoformat(now).replace(tzinfo=UTC)) == datetime.fromisoformat(planned).replace(
        tzinfo=UTC
    )
    assert not AT_NIGHT.is_at_once


def test_what_is_done_at_once_is_planned_for_now() -> None:
    now = datetime(2026, 11, 27, 23, 59, tzinfo=UTC)
    for propagation, propagates in (("at_once", True), ("none", False)):
        schedule = Schedule.of(example_profile(propagation=propagation))
        assert (schedule.propagates, schedule.is_at_once, schedule.plan(now)) == (propagates, True, now)


def test_plan_is_never_more_than_a_day_ahead() -> None:
    for hours in range(72):
        now = datetime(2026, 11, 27, tzinfo=UTC) + timedelta(hours=hours, minutes=17)
        assert timedelta() <= AT_NIGHT.plan(now) - now <= timedelta(days=1)

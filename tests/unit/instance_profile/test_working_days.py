"""Working days: what an officer's act counts in before it lapses."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from instance_profile.japan_time import JAPAN
from instance_profile.working_days import add_working_days, is_working_day
from tests.support.example_profile import example_profile

AROUND_THE_CLOCK: dict[str, Any] = {
    "opens": "0:00",
    "closes": "24:00",
    "weekdays": [0, 1, 2, 3, 4, 5, 6],
    "closed_on_public_holidays": False,
    "year_end": None,
}
ON_WEEKDAYS: dict[str, Any] = {
    "opens": "8:30",
    "closes": "20:00",
    "weekdays": [0, 1, 2, 3, 4],
    "closed_on_public_holidays": True,
    "year_end": ["12-29", "01-03"],
}


@pytest.mark.parametrize("opening_hours", [AROUND_THE_CLOCK, ON_WEEKDAYS])
@pytest.mark.parametrize(
    ("instant", "end"),
    [
        # A Monday: Tuesday to Thursday.
        ("2026-06-01T14:00", "2026-06-05"),
        # A Friday before a weekend and a holiday, 2026-11-23 (勤労感謝の日), at its very end and its very beginning.
        ("2026-11-20T23:59:59", "2026-11-27"),
        ("2026-11-20T00:00", "2026-11-27"),
        # Over the year's end: 12-28 is a Monday, 01-04 the next working day.
        ("2026-12-27T09:00", "2027-01-06"),
        ("2026-12-28T09:00", "2027-01-07"),
        ("2026-12-31T09:00", "2027-01-07"),
    ],
)
def test_third_working_day_after_the_day_of_the_act_is_the_last(
    opening_hours: dict[str, Any], instant: str, end: str
) -> None:
    profile = example_profile(opening_hours=opening_hours)
    begins = datetime.fromisoformat(instant).replace(tzinfo=JAPAN)
    expected = datetime.fromisoformat(end).replace(tzinfo=JAPAN)
    assert add_working_days(profile, begins, 3) == add_working_days(profile, begins.astimezone(UTC), 3) == expected


def test_closed_days_of_the_profile_do_not_count() -> None:
    closed = ON_WEEKDAYS | {"closed_days": ["2026-06-02"]}
    profile = example_profile(opening_hours=closed)
    begins = datetime(2026, 6, 1, 9, tzinfo=JAPAN)
    assert add_working_days(profile, begins, 1) == datetime(2026, 6, 4, tzinfo=JAPAN)
    assert not is_working_day(profile.opening_hours, date(2026, 6, 2))


def test_instance_that_never_opens_still_has_an_end() -> None:
    profile = example_profile(opening_hours=ON_WEEKDAYS | {"weekdays": []})
    begins = datetime(2026, 6, 1, 9, tzinfo=JAPAN)
    assert add_working_days(profile, begins, 3) == datetime(2027, 7, 7, tzinfo=JAPAN)

"""Working days of the agencies: the opening days of the instance on which public offices are open too."""

from datetime import date, datetime, time, timedelta

import jpholiday

from instance_profile.hours import is_open_day
from instance_profile.japan_time import JAPAN, find_japan_day
from instance_profile.model import OpeningHours, Profile

# No sequence of free days is longer; an instance that is closed for so long has no working days.
_DAYS_AHEAD = 400
_SATURDAY = 5


def is_working_day(hours: OpeningHours, day: date) -> bool:
    """Returns whether officers work on this day: an opening day of the profile, and no holiday of public offices.

    An instance may be open at weekends and at the turn of the year; offices are not (12-29 to 01-03, by law).
    """
    if day.weekday() >= _SATURDAY or jpholiday.is_holiday(day):
        return False
    return "01-03" < f"{day:%m-%d}" < "12-29" and is_open_day(hours, day)


def add_working_days(profile: Profile, instant: datetime, days: int) -> datetime:
    """Returns the end of the working day, in Japan, that is this many after the day of `instant`, which does not count.

    Where the profile has too few working days in sight, the end of the last day in sight.
    """
    today = find_japan_day(instant)
    ahead = (today + timedelta(days=offset) for offset in range(1, _DAYS_AHEAD + 1))
    working = [day for day in ahead if is_working_day(profile.opening_hours, day)][:days]
    last = working[-1] if len(working) == days else today + timedelta(days=_DAYS_AHEAD)
    return datetime.combine(last + timedelta(days=1), time(), JAPAN)

"""Opening hours (ENT-05): whether an instance is open, and when it opens or closes next. Japan's time throughout.

Pure: the moment is passed in, as an aware datetime of any zone; what comes out is in Asia/Tokyo.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import jpholiday

from instance_profile.japan_time import JAPAN, japan_day
from instance_profile.model import OpeningHours
from refusals import Code, Refusal

# No sequence of holidays is longer; whoever is closed for more than a year has no next opening.
_DAYS_AHEAD = 400
_WEEKDAYS_JA = "月火水木金土日"
_WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether it is open at a moment, and the edges that come after it.

    `opens_next` is the first moment after now at which it changes from closed to open, `closes_next` the first at
    which it changes from open to closed: while open, `closes_next` comes first, while closed `opens_next`. None where
    there is no such edge within 400 days (around the clock, or closed for good). Opening hours include their first
    moment and exclude their last.
    """

    open: bool
    opens_next: datetime | None
    closes_next: datetime | None


def opening_state(hours: OpeningHours, now: datetime) -> Opening:
    """Whether `hours` are open at `now`, and what comes next."""
    is_open = False
    opens_next: datetime | None = None
    closes_next: datetime | None = None
    last_day = japan_day(now) + timedelta(days=_DAYS_AHEAD)
    for opens, closes in _windows(hours, japan_day(now)):
        if opens > now and opens_next is None:
            opens_next = opens
        if opens <= now < closes:
            is_open = True
        # A window that goes on past the days that are looked at has no end that is worth telling.
        if closes > now and closes_next is None and closes.date() <= last_day:
            closes_next = closes
        if opens_next is not None and closes_next is not None:
            break
    return Opening(is_open, opens_next, closes_next)


def check_open(hours: OpeningHours, now: datetime, began_at: datetime | None = None) -> None:
    """Returns while it is open, or raises OUTSIDE_OPENING_HOURS, which says when it opens next.

    `began_at` is given at a commit: what began within opening hours may be finished until `grace_minutes` after they
    ended. Metadata: `opens_next` (ISO 8601 with zone, empty where it is not known), `opens_next_ja`
    (2026年11月24日(火) 8時30分, or 未定) and `opens_next_en`.
    """
    for opens, closes in _windows(hours, japan_day(now), days=2):
        if opens <= now < closes:
            return
        grace = timedelta(minutes=hours.grace_minutes)
        if began_at is not None and opens <= began_at < closes and opens <= now < closes + grace:
            return
    opens_next = opening_state(hours, now).opens_next
    raise Refusal(
        "OUTSIDE_OPENING_HOURS",
        Code.FAILED_PRECONDITION,
        {
            "opens_next": opens_next.isoformat() if opens_next else "",
            "opens_next_ja": readable_ja(opens_next) if opens_next else "未定",
            "opens_next_en": readable_en(opens_next) if opens_next else "not known yet",
        },
    )


def is_open_day(hours: OpeningHours, day: date) -> bool:
    """Whether opening hours begin on this day: not a free weekday, a public holiday, the year's end or a closed day."""
    if day.weekday() not in hours.weekdays or day in hours.closed_days:
        return False
    if hours.closed_on_public_holidays and jpholiday.is_holiday(day):
        return False
    return not (hours.year_end is not None and _is_year_end(hours.year_end, day))


def readable_ja(moment: datetime) -> str:
    """A moment for Japanese eyes: 2026年11月24日(火) 8時30分."""
    local = moment.astimezone(JAPAN)
    day = f"{local.year}年{local.month}月{local.day}日({_WEEKDAYS_JA[local.weekday()]})"
    return f"{day} {local.hour}時{local.minute:02}分"


def readable_en(moment: datetime) -> str:
    """The same for English eyes: Tue 2026-11-24 08:30 (Japan time)."""
    local = moment.astimezone(JAPAN)
    return f"{_WEEKDAYS_EN[local.weekday()]} {local:%Y-%m-%d %H:%M} (Japan time)"


def _windows(hours: OpeningHours, today: date, days: int = _DAYS_AHEAD + 1) -> Iterator[tuple[datetime, datetime]]:
    """Opening windows from the one that may still last from yesterday on; those that touch come as one.

    A window belongs to the day on which it begins, and lasts to its end also where the next day is closed.
    """
    current: tuple[datetime, datetime] | None = None
    # `closes` reaches 48:00 at most, so what began the day before yesterday is over by today's first moment; the grace
    # after it can still run, so that day is looked at too.
    for offset in range(-2, days):
        day = today + timedelta(days=offset)
        if not is_open_day(hours, day):
            continue
        midnight = datetime.combine(day, time(), JAPAN)
        opens, closes = midnight + hours.opens, midnight + hours.closes
        if current is not None and opens <= current[1]:
            current = (current[0], max(closes, current[1]))
            continue
        if current is not None:
            yield current
        current = (opens, closes)
    if current is not None:
        yield current


def _is_year_end(year_end: tuple[str, str], day: date) -> bool:
    first, last = year_end
    today = f"{day:%m-%d}"
    if first <= last:
        return first <= today <= last
    return today >= first or today <= last

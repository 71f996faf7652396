"""Opening hours (ENT-05): whether an instance is open, and when it opens or closes next, in Japan's time.

The instant is passed in as an aware datetime of any zone; results are in Asia/Tokyo.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import jpholiday

from instance_profile.base import Text
from instance_profile.japan_time import JAPAN, find_japan_day
from instance_profile.model import OpeningHours
from refusals import Code, Refusal

# No sequence of holidays is longer; an instance closed for more than a year has no next opening.
_DAYS_AHEAD = 400
_WEEKDAYS_JA = "月火水木金土日"
_WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether the instance is open at an instant, and the next changes.

    `opens_next` is the next change from closed to open, `closes_next` the next from open to closed: while open,
    `closes_next` comes first, while closed `opens_next`. None where there is no such change within 400 days (open
    around the clock, or closed permanently). Opening hours include their first instant and exclude their last.
    """

    open: bool
    opens_next: datetime | None
    closes_next: datetime | None


def determine_opening_state(hours: OpeningHours, now: datetime) -> Opening:
    """Returns whether the instance is open at `now`, and the next changes."""
    is_open = False
    opens_next: datetime | None = None
    closes_next: datetime | None = None
    last_day = find_japan_day(now) + timedelta(days=_DAYS_AHEAD)
    for opens, closes in _windows(hours, find_japan_day(now)):
        if opens > now and opens_next is None:
            opens_next = opens
        if opens <= now < closes:
            is_open = True
        # A window that extends beyond the days examined counts as having no end.
        if closes > now and closes_next is None and closes.date() <= last_day:
            closes_next = closes
        if opens_next is not None and closes_next is not None:
            break
    return Opening(is_open, opens_next, closes_next)


def find_opening_after_today(hours: OpeningHours, now: datetime) -> datetime | None:
    """Returns the first instant after today, in Japan, at which the instance is open; None if there is none in sight.

    Where the instance is open at midnight, that is midnight.
    """
    today = find_japan_day(now)
    tomorrow = datetime.combine(today + timedelta(days=1), time(), JAPAN)
    return next((max(opens, tomorrow) for opens, closes in _windows(hours, today) if closes > tomorrow), None)


def make_opening_metadata(opens_next: datetime | None) -> dict[str, str]:
    """Returns what words say of the next opening.

    `opens_next` (ISO 8601 with zone, empty if unknown), `opens_next_ja` (2026年11月24日(火) 8時30分, or 未定) and
    `opens_next_en`.
    """
    return {
        "opens_next": opens_next.isoformat() if opens_next else "",
        "opens_next_ja": format_instant_ja(opens_next) if opens_next else "未定",
        "opens_next_en": format_instant_en(opens_next) if opens_next else "not known yet",
    }


def check_open(hours: OpeningHours, now: datetime, began_at: datetime | None = None) -> None:
    """Raises OUTSIDE_OPENING_HOURS, with the next opening, unless the instance is open at `now`.

    `began_at` is for a commit: what began within opening hours may be finished until `grace_minutes` after their end.
    Metadata: those of `make_opening_metadata`.
    """
    for opens, closes in _windows(hours, find_japan_day(now), days=2):
        if opens <= now < closes:
            return
        grace = timedelta(minutes=hours.grace_minutes)
        if began_at is not None and opens <= began_at < closes and opens <= now < closes + grace:
            return
    metadata = make_opening_metadata(determine_opening_state(hours, now).opens_next)
    raise Refusal("OUTSIDE_OPENING_HOURS", Code.FAILED_PRECONDITION, metadata)


def is_open_day(hours: OpeningHours, day: date) -> bool:
    """Returns whether opening hours begin on this day; not on free weekdays, holidays, year-end and closed days."""
    if day.weekday() not in hours.weekdays or day in hours.closed_days:
        return False
    if hours.closed_on_public_holidays and jpholiday.is_holiday(day):
        return False
    return not (hours.year_end is not None and _is_year_end(hours.year_end, day))


def write_hours(hours: OpeningHours) -> Text:
    """Returns the opening hours in words: 平日8時30分～20時00分, weekdays 8:30 to 20:00.

    The closed days (the year's end, maintenance) are not named: when it opens next is in the opening state.
    """
    if not hours.weekdays:
        return Text(ja="受付は行っていません", en="closed")
    days_ja, days_en = _write_days(hours)
    if (hours.opens, hours.closes) == (timedelta(), timedelta(days=1)):
        return Text(ja=f"{days_ja}24時間", en=f"{days_en}, around the clock")
    (opens_ja, opens_en), (closes_ja, closes_en) = _write_time(hours.opens), _write_time(hours.closes)
    return Text(ja=f"{days_ja}{opens_ja}～{closes_ja}", en=f"{days_en} {opens_en} to {closes_en}")


def format_instant_ja(moment: datetime) -> str:
    """Returns an instant as Japanese text: 2026年11月24日(火) 8時30分."""
    local = moment.astimezone(JAPAN)
    day = f"{local.year}年{local.month}月{local.day}日({_WEEKDAYS_JA[local.weekday()]})"
    return f"{day} {local.hour}時{local.minute:02}分"


def format_instant_en(moment: datetime) -> str:
    """Returns an instant as English text: Tue 2026-11-24 08:30 (Japan time)."""
    local = moment.astimezone(JAPAN)
    return f"{_WEEKDAYS_EN[local.weekday()]} {local:%Y-%m-%d %H:%M} (Japan time)"


def _windows(hours: OpeningHours, today: date, days: int = _DAYS_AHEAD + 1) -> Iterator[tuple[datetime, datetime]]:
    """Yields the opening windows in order, from those that may still be open; adjacent ones are joined.

    A window belongs to the day on which it begins, and ends as usual even if the next day is closed.
    """
    current: tuple[datetime, datetime] | None = None
    # `closes` is at most 48:00, so a window of the day before yesterday has ended by today's midnight; its grace period
    # may not have, so that day is examined too.
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


def _write_days(hours: OpeningHours) -> tuple[str, str]:
    days = sorted(set(hours.weekdays))
    if days == [0, 1, 2, 3, 4] and hours.closed_on_public_holidays:
        return "平日", "weekdays"
    if len(days) == len(_WEEKDAYS_JA):
        written = ("毎日", "every day")
    else:
        names = [_WEEKDAYS_EN[day] for day in days]
        written = ("・".join(_WEEKDAYS_JA[day] for day in days) + "曜日", ", ".join(names))
    if hours.closed_on_public_holidays:
        return f"{written[0]}（祝日を除く）", f"{written[1]} (except public holidays)"
    return written


def _write_time(since_midnight: timedelta) -> tuple[str, str]:
    hour, minute = divmod(int(since_midnight.total_seconds()) // 60, 60)
    # 24:00 is the end of the day itself.
    if (hour, minute) > (24, 0):
        return f"翌日{hour - 24}時{minute:02}分", f"{hour - 24}:{minute:02} of the next day"
    return f"{hour}時{minute:02}分", f"{hour}:{minute:02}"


def _is_year_end(year_end: tuple[str, str], day: date) -> bool:
    first, last = year_end
    today = f"{day:%m-%d}"
    if first <= last:
        return first <= today <= last
    return today >= first or today <= last

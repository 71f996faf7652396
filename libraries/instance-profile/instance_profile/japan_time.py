"""Japan's calendar: days of the domain are days in Asia/Tokyo, whatever an instant's zone is."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

JAPAN = ZoneInfo("Asia/Tokyo")


def find_japan_day(instant: datetime) -> date:
    """Returns the day of an aware datetime in Japan; raises ValueError where it has no zone."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs its zone")
    return instant.astimezone(JAPAN).date()

"""The clock by which PINs, hand-offs and signed successions end, and the time zone in which people are told of time."""

import sys
import time
from zoneinfo import ZoneInfo

# The time zone in which people are told days and hours.
JAPAN = ZoneInfo("Asia/Tokyo")


def read_clock() -> float:
    """Returns seconds from an unknown beginning, that only go forward, also while the PC sleeps (not so on macOS)."""
    if sys.platform == "linux":
        # Python's own clock stands still there (clock_gettime(2)).
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    else:  # noqa: RET505  # what follows the branch of a system is no code on that system
        return time.monotonic()

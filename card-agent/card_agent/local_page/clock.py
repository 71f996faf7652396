"""The clock by which PINs and hand-offs end: it only goes forward, also while the PC sleeps."""

import sys
import time


def read_clock() -> float:
    """Returns seconds from an unknown beginning. On macOS they stand still while the PC sleeps."""
    if sys.platform == "linux":
        # Python's own clock stands still there (clock_gettime(2)).
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    else:  # noqa: RET505  # what follows the branch of a system is no code on that system
        return time.monotonic()

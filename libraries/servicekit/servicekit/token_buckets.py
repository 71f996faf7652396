"""Token buckets: how often something may happen, by a key that a stranger chooses."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

# Keys that are remembered: some megabytes. Of more, the one that was used longest ago gets a full bucket again.
MOST_KEYS = 20_000


@dataclass(frozen=True, slots=True)
class Rate:
    """What one key may do: `burst` times at once, and `per_second` times in the long run."""

    burst: int
    per_second: float


class TokenBuckets:
    """One bucket per key, in a table of bounded size."""

    def __init__(self, rate: Rate, *, most_keys: int = MOST_KEYS, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._most_keys = most_keys
        self._clock = clock
        # By key, the one used last at the end: tokens, and when they were counted.
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, key: Hashable) -> int:
        """Takes a token; returns 0, or the whole seconds until there is one again, at least 1, where there is none."""
        now = self._clock()
        tokens, counted_at = self._buckets.pop(key, (float(self._rate.burst), now))
        tokens = min(self._rate.burst, tokens + (now - counted_at) * self._rate.per_second)
        is_given = tokens >= 1
        self._buckets[key] = (tokens - 1 if is_given else tokens, now)
        if len(self._buckets) > self._most_keys:
            self._buckets.popitem(last=False)
        return 0 if is_given else math.ceil((1 - tokens) / self._rate.per_second)

    def __len__(self) -> int:
        return len(self._buckets)

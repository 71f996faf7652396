"""What an operation costs, or a part of its floor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds until the next one is done, where so many are made at a time, and CPU seconds of all processes."""

    seconds: float
    cpu: float

    def __add__(self, other: "Cost") -> "Cost":
        """Returns both, one after the other."""
        return Cost(self.seconds + other.seconds, self.cpu + other.cpu)

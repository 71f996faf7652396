"""For how long the validation of a certificate stands while its CRLs do: until an instant that it was compared with."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """The time between two instants, without either of them. Nothing that validation compares changes in it."""

    after: datetime
    before: datetime

    def covers(self, instant: datetime) -> bool:
        """Returns whether a validation would find at this instant what it found."""
        return self.after < instant < self.before


def find_standing(now: datetime, instants: Iterable[datetime]) -> Standing:
    """Returns the time around `now` without any of these instants: begins and ends of certificates and of CRLs.

    It is empty where `now` is one of them: just afterwards another answer may be right.
    """
    after, before = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for instant in instants:
        if instant <= now:
            after = max(after, instant)
        if instant >= now:
            before = min(before, instant)
    return Standing(after, before)

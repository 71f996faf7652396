"""When an instance propagates (SYN-02): at once, in the night batch of the same day, or never."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from instance_profile.japan_time import JAPAN
from instance_profile.model import Profile, Propagation


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the other agencies follow. `night` is the batch's time since midnight in Japan; None where it is at once."""

    propagates: bool
    night: timedelta | None = None

    @classmethod
    def of(cls, profile: Profile) -> "Schedule":
        """Returns the schedule of an instance."""
        is_at_night = profile.propagation is Propagation.NIGHT
        return cls(profile.propagation is not Propagation.NONE, profile.propagation_at if is_at_night else None)

    @property
    def is_at_once(self) -> bool:
        """Whether nothing waits for a night."""
        return self.night is None

    def plan(self, now: datetime) -> datetime:
        """Returns the instant at which something that was done now is carried out: now, or at the next batch."""
        if self.night is None:
            return now
        day = now.astimezone(JAPAN).date()
        tonight = datetime.combine(day, time(), JAPAN) + self.night
        return tonight if now <= tonight else tonight + timedelta(days=1)

"""The intention to propagate a registration, and when."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from servicekit.versions import Version


class Timing(StrEnum):
    """When an intention is carried out (SYN-02)."""

    AT_ONCE = "at_once"
    NIGHT = "night"


class IntentionState(StrEnum):
    """Whether an intention is still to be carried out. A newer version of its registration opens it again."""

    OPEN = "open"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Intention:
    """A registration to propagate to all other agencies. Which those are is decided when it is carried out."""

    registration_id: UUID
    agency: str
    category: str
    bidder_id: str
    version: Version


@dataclass(frozen=True, slots=True)
class OpenIntention:
    """What the planned propagations of a registration are shown from, until its intention is done."""

    agency: str
    category: str
    planned_at: datetime

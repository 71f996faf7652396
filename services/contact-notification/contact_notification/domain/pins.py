"""Which version of a contact counts at which agency, after a change and after the night that follows (CHG-02).

The newest version counts everywhere, except where an earlier one is *pinned*. A change counts at its own agency at
once. What becomes of another agency at which the bidder, or the card, is registered:

| the change is       | no pin there                  | a pin that stays           | a pin that a night ends      |
|---------------------|-------------------------------|----------------------------|------------------------------|
| propagated at once  | follows                       | ends                       | ends                         |
| not propagated      | pinned to the version before  | stays                      | stays; in the night the      |
|                     |                               |                            | version before this change   |
| propagated by night | pinned to the version before, | ends in the night: the     | ends in this night: the      |
|                     | in the night the newest       | newest                     | newest                       |

So with three changes of a contact in version 1, made at one agency in any order (A and C by night, B not propagated),
the other agency has version 1 until the night, and then:

| order          | versions 2, 3, 4 are | after the night          |
|----------------|----------------------|--------------------------|
| A, then B      | A, B                 | 2: what A left           |
| B, then A      | B, A                 | 3: the newest            |
| A, B, C        | A, B, C              | 4: the newest            |
| A, C, B        | A, C, B              | 3: what C left           |
| B, A, C        | B, A, C              | 4: the newest            |
| B alone        | B                    | 1: nobody is to follow   |

A further 登録 at an agency takes the newest version there, whatever was planned.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from instance_profile.model import Propagation


class Reach(StrEnum):
    """Where a change counts beside its own agency."""

    # Nowhere.
    HERE = "here"
    # Everywhere, from its own instant on.
    AT_ONCE = "at_once"
    # Everywhere, from the night on.
    NIGHT = "night"


@dataclass(frozen=True, slots=True)
class Pin:
    """An earlier version that counts at an agency.

    `planned_by` is the change whose propagation ends it, None where no night does. Then `then_version` counts there,
    where it is None the newest.
    """

    version: int
    planned_by: UUID | None = None
    then_version: int | None = None


def choose_reach(propagation: Propagation, *, propagate: bool) -> Reach:
    """Returns where a change counts, by the profile and by what the contractor chose."""
    if not propagate:
        return Reach.HERE
    return Reach.NIGHT if propagation is Propagation.NIGHT else Reach.AT_ONCE


def list_pins(
    pins: Mapping[str, Pin], agencies: Set[str], *, version: int, agency: str, reach: Reach, change_id: UUID
) -> Mapping[str, Pin]:
    """Returns the pins after a change made at `agency`, by the agencies that have them.

    `version` is the one before the change, `pins` are those before it, `agencies` are where the contact is needed.
    """
    if reach is Reach.AT_ONCE:
        return {}
    earlier = {other: pin for other, pin in pins.items() if other != agency}
    new = agencies - earlier.keys() - {agency}
    if reach is Reach.NIGHT:
        return {other: Pin(pin.version, change_id) for other, pin in earlier.items()} | {
            other: Pin(version, change_id) for other in new
        }
    return {other: _keep(pin, version) for other, pin in earlier.items()} | {other: Pin(version) for other in new}


def _keep(pin: Pin, version: int) -> Pin:
    """Returns a pin after a change that its agency does not follow, also after the night."""
    is_open = pin.planned_by is not None and pin.then_version is None
    return replace(pin, then_version=version) if is_open else pin

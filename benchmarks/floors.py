"""The floors by the names of their benchmarks."""

from collections.abc import Mapping

from benchmarks.change_floor import CHANGE
from benchmarks.floor.entries import Floor
from benchmarks.registration_floor import REGISTRATION
from benchmarks.renewal_floor import RENEWAL

FLOORS: Mapping[str, Floor] = {"registration": REGISTRATION, "change": CHANGE, "renewal": RENEWAL}

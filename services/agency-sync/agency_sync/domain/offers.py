"""What the profile says about propagation."""

from collections.abc import Mapping, Sequence

from agency_sync.domain import Timing
from instance_profile.model import Profile, Propagation


def agencies_offering(profile: Profile) -> Mapping[str, Sequence[str]]:
    """The agencies that offer each category (ENT-03), by codes."""
    return {
        category.code: [agency.code for agency in profile.agencies if category.code in agency.categories]
        for category in profile.categories
    }


def timing(profile: Profile) -> Timing | None:
    """When registrations are propagated in this instance; None where they are not."""
    match profile.propagation:
        case Propagation.AT_ONCE:
            return Timing.AT_ONCE
        case Propagation.NIGHT:
            return Timing.NIGHT
        case Propagation.NONE:
            return None

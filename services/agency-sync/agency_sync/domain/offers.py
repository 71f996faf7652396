"""The profile's settings for propagation: which agencies offer a category, when registrations are propagated."""

from collections.abc import Mapping, Sequence

from agency_sync.domain.intention import Timing
from instance_profile.model import Profile, Propagation


def list_agencies_by_category(profile: Profile) -> Mapping[str, Sequence[str]]:
    """Returns the agencies that offer each category (ENT-03), by codes, in the profile's order."""
    return {
        category.code: [agency.code for agency in profile.agencies if category.code in agency.categories]
        for category in profile.categories
    }


def choose_timing(profile: Profile) -> Timing | None:
    """Returns when registrations are propagated in this instance; None where they are not (SYN-02)."""
    match profile.propagation:
        case Propagation.AT_ONCE:
            return Timing.AT_ONCE
        case Propagation.NIGHT:
            return Timing.NIGHT
        case Propagation.NONE:
            return None

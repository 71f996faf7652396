"""The profile's settings for propagation: what each agency asks of a card, when registrations are propagated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from agency_sync.domain.intention import Timing
from instance_profile.model import CompanyMatch, Profile, Propagation, SearchField


@dataclass(frozen=True, slots=True)
class AgencyRule:
    """What one agency asks of a bidder and its card in a category."""

    agency: str
    # Whether its search asks for the bidder's password.
    requires_password: bool
    company_match: CompanyMatch


# The rules of the agencies that offer each category, by the category's code.
Offering: TypeAlias = Mapping[str, Sequence[AgencyRule]]


def list_rules_by_category(profile: Profile) -> Offering:
    """Returns the rules of the agencies that offer each category (ENT-03), in the profile's order."""
    return {
        category.code: [
            AgencyRule(agency.code, SearchField.PASSWORD in rules.required_search_fields, rules.company_match)
            for agency in profile.agencies
            if category.code in agency.categories
            for rules in (agency.find_rules(category),)
        ]
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

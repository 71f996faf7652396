"""The profile's rules for propagation: what each agency asks of a card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from instance_profile.model import CompanyMatch, HolderRule, Profile, SearchField


@dataclass(frozen=True, slots=True)
class AgencyRule:
    """What one agency asks of a bidder and its card in a category."""

    agency: str
    # Whether its search asks for the bidder's password.
    requires_password: bool
    company_match: CompanyMatch
    holder: HolderRule


# The rules of the agencies that offer each category, by the category's code.
Offering: TypeAlias = Mapping[str, Sequence[AgencyRule]]


def list_rules_by_category(profile: Profile) -> Offering:
    """Returns the rules of the agencies that offer each category (ENT-03), in the profile's order."""
    return {
        category.code: [
            AgencyRule(
                agency.code,
                SearchField.PASSWORD in rules.required_search_fields,
                rules.company_match,
                rules.holder,
            )
            for agency in profile.agencies
            if category.code in agency.categories
            for rules in (agency.find_rules(category),)
        ]
        for category in profile.categories
    }

"""調達機関: an agency, the categories that it offers, and its rules in each of them (ENT-03)."""

from dataclasses import dataclass

from instance_profile.base import Code, Part, Text
from instance_profile.card_authority import CompanyMatch
from instance_profile.category import Category, SearchField


@dataclass(frozen=True, slots=True)
class AgencyRules:
    """What holds at one agency in one category."""

    company_match: CompanyMatch
    """How the company of the certificate is held against the roster's."""
    holder_rule: Text
    """Whose name the certificate may carry (CRD-10)."""
    search_text: Text | None
    """The agency's own text on the search screen (QUA-16)."""
    required_search_fields: tuple[SearchField, ...]
    """The fields of the search that must be filled, in its order: the category's and the agency's own (QUA-03)."""


class RulesInCategory(Part):
    """The rules of an agency that are others in one of its categories: each key here takes the agency's place there."""

    category: Code
    """The code of the category in which these rules hold."""
    company_match: CompanyMatch | None = None
    """How the company of the certificate is held against the roster there."""
    holder_rule: Text | None = None
    """Whose name the certificate may carry there."""
    search_text: Text | None = None
    """The agency's own text on the search screen there."""
    required_search_fields: tuple[SearchField, ...] | None = None
    """The search fields that the agency requires there beyond the category's."""


class Agency(Part):
    """調達機関, and the categories that it offers (ENT-03).

    `find_rules` says what holds in one of them; nothing else reads the rules.
    """

    code: Code
    """The code of the agency in messages, URLs, certificates and logs."""
    name: Text
    """The name of the agency, as contractors know it."""
    categories: tuple[Code, ...]
    """The codes of the categories that it offers."""
    company_match: CompanyMatch
    """How the company of the certificate is held against the roster: required (another one is refused, and where it
    can't be compared an officer decides), officer (an officer decides wherever it is not the same) or off (not
    compared)."""
    holder_rule: Text
    """Whose name the certificate may carry, in words for contractors (CRD-10)."""
    new_card_during_review: bool
    """Whether a new certificate is good while changed company data is under review (QUA-08)."""
    search_text: Text | None = None
    """The agency's own text on the search screen."""
    required_search_fields: tuple[SearchField, ...] = ()
    """The search fields that the agency requires beyond the category's (QUA-03, 16)."""
    in_category: tuple[RulesInCategory, ...] = ()
    """The rules that are others in one of its categories."""

    def find_rules(self, category: Category) -> AgencyRules:
        """Returns what holds at this agency in a category that it offers."""
        own = next((rules for rules in self.in_category if rules.category == category.code), None)
        own = own or RulesInCategory(category=category.code)
        required = self.required_search_fields if own.required_search_fields is None else own.required_search_fields
        return AgencyRules(
            company_match=own.company_match or self.company_match,
            holder_rule=own.holder_rule or self.holder_rule,
            search_text=own.search_text or self.search_text,
            required_search_fields=tuple(
                rule.field for rule in category.search_fields if rule.required or rule.field in required
            ),
        )

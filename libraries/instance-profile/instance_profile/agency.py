"""調達機関: an agency, the categories that it offers, and its rules in each of them (ENT-03)."""

from dataclasses import dataclass

from instance_profile.base import Code, Part, Text
from instance_profile.card_authority import CompanyMatch, HolderRule
from instance_profile.category import Category, SearchField

# What contractors read of each rule; an agency may add a note.
_HOLDER_TEXTS = {
    HolderRule.CONTRACT_PARTY: Text(
        ja="競争入札参加資格申請時の「契約者」名義のICカードが必要です。",
        en="The card has to be in the name of the contract party (契約者) of the application for qualification.",
    ),
    HolderRule.OR_REPRESENTATIVE: Text(
        ja="競争入札参加資格申請時の「契約者」名義のICカードが必要です。「法人の代表者」名義でも登録できます。",
        en="The card has to be in the name of the contract party (契約者) of the application for qualification, or of "
        "the corporate representative.",
    ),
    HolderRule.NOT_COMPARED: Text(ja="", en=""),
}


@dataclass(frozen=True, slots=True)
class AgencyRules:
    """What holds at one agency in one category."""

    company_match: CompanyMatch
    """How the company of the certificate is held against the roster's."""
    holder: HolderRule
    """Whose name the certificate has to carry (CRD-10)."""
    holder_note: Text | None
    """What the agency adds to the rule's own words."""
    search_text: Text | None
    """The agency's own text on the search screen (QUA-16)."""
    required_search_fields: tuple[SearchField, ...]
    """The fields of the search that must be filled, in its order: the category's and the agency's own (QUA-03)."""

    @property
    def holder_text(self) -> Text:
        """The rule on the holder in words for contractors, with the agency's note; empty where there is neither."""
        text, note = _HOLDER_TEXTS[self.holder], self.holder_note
        if note is None:
            return text
        return Text(ja=text.ja + note.ja, en=f"{text.en} {note.en}".strip())


class RulesInCategory(Part):
    """The rules of an agency that are others in one of its categories: each key here takes the agency's place there."""

    category: Code
    """The code of the category in which these rules hold."""
    company_match: CompanyMatch | None = None
    """How the company of the certificate is held against the roster there."""
    holder: HolderRule | None = None
    """Whose name the certificate has to carry there."""
    holder_note: Text | None = None
    """What contractors are told there beside the rule's own words. With holder, the agency's note does not count."""
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
    holder: HolderRule
    """Whose name the certificate has to carry (CRD-10): contract_party (the 契約者 of the roster), or_representative
    (or the representative), or not_compared. An officer decides about every other card. Contractors are told in
    words."""
    new_card_during_review: bool
    """Whether a new certificate is good while changed company data is under review (QUA-08)."""
    holder_note: Text | None = None
    """What contractors are told beside the rule's own words, for example whom to ask about another holder."""
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
            holder=own.holder or self.holder,
            holder_note=own.holder_note if own.holder_note or own.holder else self.holder_note,
            search_text=own.search_text or self.search_text,
            required_search_fields=tuple(
                rule.field for rule in category.search_fields if rule.required or rule.field in required
            ),
        )

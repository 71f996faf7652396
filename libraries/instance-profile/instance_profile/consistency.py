"""What a profile may not say: parts that name each other wrongly, and codes that stand for two things."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from instance_profile.base import ProfileProblems
from instance_profile.card_authority import CompanyMatch
from instance_profile.category import ContactField, Proof, SearchField

if TYPE_CHECKING:
    from instance_profile.model import Agency, Profile

Problems = Iterator[tuple[tuple[str | int, ...], str]]


def require_consistency(profile: "Profile") -> None:
    """Raises ProfileProblems with every contradiction in the profile, each with its place."""
    checks = (_same_codes(profile), _categories(profile), _agencies(profile), _mappings(profile), _menu(profile))
    if problems := [problem for check in checks for problem in check]:
        raise ProfileProblems(problems)


def _same_codes(profile: "Profile") -> Problems:
    yield from _twins(("categories",), "code", [category.code for category in profile.categories])
    yield from _twins(("agencies",), "code", [agency.code for agency in profile.agencies])
    yield from _twins(("roster_mappings",), "name", [mapping.name for mapping in profile.roster_mappings])
    yield from _twins(("card_authorities",), "id", [authority.id for authority in profile.card_authorities])
    yield from _twins(("operations",), "operation", [guide.operation for guide in profile.operations])


def _categories(profile: "Profile") -> Problems:
    for index, category in enumerate(profile.categories):
        place = ("categories", index)
        yield from _twins((*place, "search_fields"), "field", [rule.field for rule in category.search_fields])
        contact_fields = [rule.field for rule in category.contact_fields]
        yield from _twins((*place, "contact_fields"), "field", contact_fields)
        if contact_fields and ContactField.MAIL_ADDRESS not in contact_fields:
            yield (*place, "contact_fields"), "a contact without mail_address can't be written to"


def _agencies(profile: "Profile") -> Problems:
    categories = {category.code: category for category in profile.categories}
    for index, agency in enumerate(profile.agencies):
        place = ("agencies", index)
        known: set[SearchField] = set()
        for position, code in enumerate(agency.categories):
            if code not in categories:
                yield (*place, "categories", position), f"there is no category {code}"
                continue
            category = categories[code]
            known |= {rule.field for rule in category.search_fields}
            asked = {rule.field for rule in category.search_fields if rule.required or _wants(agency, rule.field)}
            if (
                agency.company_match is CompanyMatch.OFF
                and category.proof is Proof.CARD
                and category.search_fields
                and SearchField.PASSWORD not in asked
            ):
                yield (
                    (*place, "company_match"),
                    f"off needs a search with a password, and {code} asks none: bidder numbers and names are public",
                )
        for position, field in enumerate(agency.required_search_fields):
            if field not in known:
                yield (*place, "required_search_fields", position), f"no category of the agency has the field {field}"


def _wants(agency: "Agency", field: SearchField) -> bool:
    return field in agency.required_search_fields


def _mappings(profile: "Profile") -> Problems:
    categories = {category.code for category in profile.categories}
    agencies = {agency.code: agency for agency in profile.agencies}
    for index, mapping in enumerate(profile.roster_mappings):
        place = ("roster_mappings", index)
        if mapping.category not in categories:
            yield (*place, "category"), f"there is no category {mapping.category}"
        if mapping.bidder_id is None and not profile.bidder_id.is_assigned:
            yield (*place, "bidder_id"), "the file has no bidder ids, and the profile's bidder_id assigns none"
        for position, code in enumerate(mapping.agencies):
            if code not in agencies:
                yield (*place, "agencies", position), f"there is no agency {code}"
            elif mapping.category not in agencies[code].categories:
                yield (*place, "agencies", position), f"{code} does not offer the category {mapping.category}"


def _menu(profile: "Profile") -> Problems:
    explained = {guide.operation for guide in profile.operations}
    for index, category in enumerate(profile.categories):
        for position, operation in enumerate(category.operations):
            if operation not in explained:
                yield ("categories", index, "operations", position), f"operations does not say what {operation} is for"


def _twins(place: tuple[str | int, ...], key: str, codes: Sequence[str]) -> Problems:
    for position, code in enumerate(codes):
        if code in codes[:position]:
            yield (*place, position, key), f"{code} stands there twice"

"""Consistency of a profile: references between its parts exist, and codes are unique."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from instance_profile.agency import Agency
from instance_profile.authority_certificates import check_authorities
from instance_profile.base import OPERATOR, ProfileProblems
from instance_profile.card_authority import CompanyMatch, UnknownRevocation
from instance_profile.category import Category, ContactField, Proof, SearchField
from instance_profile.display import ContactSection
from instance_profile.operation import Operation

if TYPE_CHECKING:
    from instance_profile.model import Profile

Problems = Iterator[tuple[tuple[str | int, ...], str]]


def require_consistency(profile: "Profile") -> None:
    """Raises ProfileProblems with every inconsistency of the profile and its key path."""
    checks = (
        _check_codes,
        _check_propagation,
        _check_categories,
        _check_agencies,
        _check_mappings,
        _check_guides,
        _check_authorities,
    )
    if problems := [problem for check in checks for problem in check(profile)]:
        raise ProfileProblems(problems)


def _check_codes(profile: "Profile") -> Problems:
    yield from _find_duplicates(("categories",), "code", [category.code for category in profile.categories])
    yield from _find_duplicates(("agencies",), "code", [agency.code for agency in profile.agencies])
    yield from _find_duplicates(("roster_mappings",), "name", [mapping.name for mapping in profile.roster_mappings])
    yield from _find_duplicates(("card_authorities",), "id", [authority.id for authority in profile.card_authorities])
    yield from _find_duplicates(("operations",), "operation", [guide.operation for guide in profile.operations])


def _check_propagation(profile: "Profile") -> Problems:
    is_at_night = profile.propagation == "night"
    if is_at_night and profile.propagation_at is None:
        yield ("propagation_at",), "propagation: night needs the time of day at which the batch begins"
    if not is_at_night and profile.propagation_at is not None:
        yield ("propagation_at",), "only propagation: night has a time of day; leave it out"
    if profile.propagation_at is not None and profile.propagation_at >= timedelta(days=1):
        yield ("propagation_at",), "the batch begins at a time of the day itself, before 24:00"
    if Operation.REGISTRATION in profile.propagation_chosen_at:
        yield ("propagation_chosen_at",), "a registration always reaches the other agencies; leave registration out"


def _check_categories(profile: "Profile") -> Problems:
    for index, category in enumerate(profile.categories):
        path = ("categories", index)
        yield from _find_duplicates((*path, "search_fields"), "field", [rule.field for rule in category.search_fields])
        contact_fields = [rule.field for rule in category.contact_fields]
        yield from _find_duplicates((*path, "contact_fields"), "field", contact_fields)
        if contact_fields and ContactField.MAIL_ADDRESS not in contact_fields:
            yield (*path, "contact_fields"), "a contact needs mail_address, or no mail can be sent to it"
        company_fields = [rule.field for rule in category.company_fields]
        yield from _find_duplicates((*path, "company_fields"), "field", company_fields)
        sections = [rule.section for rule in category.contact_sections]
        yield from _find_duplicates((*path, "contact_sections"), "section", sections)
        receipts = [receipt.operation for receipt in category.receipts]
        yield from _find_duplicates((*path, "receipts"), "operation", receipts)
        if category.proof is Proof.CARD:
            yield from _check_screens(category, path)


def _check_screens(category: Category, path: tuple[str | int, ...]) -> Problems:
    """Yields what a category with cards lacks so that its screens can be shown: no program makes up a label."""
    if category.search_title is None:
        yield (*path, "search_title"), "missing; a category with cards has a search"
    if not category.company_fields:
        yield (*path, "company_fields"), "missing; a registration shows the company that was found"
    sections = {rule.section for rule in category.contact_sections}
    for section in (ContactSection.REPRESENTATIVE, ContactSection.CARD):
        if section not in sections:
            yield (*path, "contact_sections"), f"has no section {section}, which a registration asks for or shows"


def _check_agencies(profile: "Profile") -> Problems:
    categories = {category.code: category for category in profile.categories}
    for index, agency in enumerate(profile.agencies):
        path = ("agencies", index)
        if agency.code == OPERATOR:
            yield (
                (*path, "code"),
                f"{OPERATOR} is reserved for the operator of the instance; give the agency another code",
            )
        yield from _check_rules(agency, categories, path)


def _check_rules(agency: Agency, categories: dict[str, Category], path: tuple[str | int, ...]) -> Problems:
    for position, code in enumerate(agency.categories):
        if code not in categories:
            yield (*path, "categories", position), f"there is no category {code}"
    offered = [categories[code] for code in agency.categories if code in categories]
    own = {rules.category: (*path, "in_category", position) for position, rules in enumerate(agency.in_category)}
    yield from _find_duplicates((*path, "in_category"), "category", [rules.category for rules in agency.in_category])
    for other in agency.in_category:
        if other.category not in agency.categories:
            yield (*own[other.category], "category"), f"{agency.code} does not offer the category {other.category}"
    for category in offered:
        rules = agency.find_rules(category)
        if (
            rules.company_match is CompanyMatch.OFF
            and category.proof is Proof.CARD
            and category.search_fields
            and SearchField.PASSWORD not in rules.required_search_fields
        ):
            yield (
                (*own.get(category.code, path), "company_match"),
                f"off needs a search with a password, and {category.code} has none: "
                "bidder numbers and names are public",
            )
    known = {rule.field for category in offered for rule in category.search_fields}
    yield from _check_search_fields(agency.required_search_fields, known, path, "no category of the agency has")
    for other in agency.in_category:
        if other.category in categories and other.required_search_fields:
            known = {rule.field for rule in categories[other.category].search_fields}
            yield from _check_search_fields(
                other.required_search_fields, known, own[other.category], f"the search of {other.category} has not"
            )


def _check_search_fields(
    fields: Sequence[SearchField], known: set[SearchField], path: tuple[str | int, ...], problem: str
) -> Problems:
    for position, field in enumerate(fields):
        if field not in known:
            yield (*path, "required_search_fields", position), f"{problem} the field {field}"


def _check_mappings(profile: "Profile") -> Problems:
    categories = {category.code for category in profile.categories}
    agencies = {agency.code: agency for agency in profile.agencies}
    for index, mapping in enumerate(profile.roster_mappings):
        path = ("roster_mappings", index)
        if mapping.category not in categories:
            yield (*path, "category"), f"there is no category {mapping.category}"
        if mapping.responsible_agency not in agencies and mapping.responsible_agency != OPERATOR:
            yield (
                (*path, "responsible_agency"),
                f"there is no agency {mapping.responsible_agency}, and it is not {OPERATOR}",
            )
        if mapping.bidder_id is None and not profile.bidder_id.is_assigned:
            yield (*path, "bidder_id"), "the file has no bidder ids, and the profile's bidder_id assigns none"
        first = next(other for other in profile.roster_mappings if other.roster == mapping.roster)
        for key in ("category", "responsible_agency"):
            if (expected := getattr(first, key)) != getattr(mapping, key):
                yield (*path, key), f"{first.name} brings lists of the same roster, and says {expected}"
        if (first.bidder_id is None) != (mapping.bidder_id is None):
            yield (
                (*path, "bidder_id"),
                f"{first.name} brings lists of the same roster: both need a column with the bidder id, or neither",
            )
        for position, code in enumerate(mapping.agencies):
            if code not in agencies:
                yield (*path, "agencies", position), f"there is no agency {code}"
            elif mapping.category not in agencies[code].categories:
                yield (*path, "agencies", position), f"{code} does not offer the category {mapping.category}"


def _check_guides(profile: "Profile") -> Problems:
    explained = {guide.operation for guide in profile.operations}
    for index, category in enumerate(profile.categories):
        for position, operation in enumerate(category.operations):
            if operation not in explained:
                yield ("categories", index, "operations", position), f"operations has no guide for {operation}"


def _check_authorities(profile: "Profile") -> Problems:
    for path, problem in check_authorities(profile.card_authorities):
        yield ("card_authorities", *path), problem
    for index, authority in enumerate(profile.card_authorities):
        rule, path = authority.revocation, ("card_authorities", index, "revocation")
        if not rule.access and rule.unknown is UnknownRevocation.ACCEPT:
            yield (*path, "unknown"), "without access to the CA's CRLs every card is refused; leave unknown out"
        if not rule.access and rule.crl_urls:
            yield (*path, "crl_urls"), "without access to the CA's CRLs there is nothing to fetch; leave crl_urls out"


def _find_duplicates(path: tuple[str | int, ...], key: str, codes: Sequence[str]) -> Problems:
    for position, code in enumerate(codes):
        if code in codes[:position]:
            yield (*path, position, key), f"{code} is there twice"

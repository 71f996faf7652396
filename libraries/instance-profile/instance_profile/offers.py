"""Checks whether an agency offers a category (ENT-01 to ENT-03), for the codes of every request."""

from dataclasses import dataclass

from instance_profile.base import Text
from instance_profile.characters import shorten_visible
from instance_profile.model import Agency, AgencyRules, Category, Operation, Profile
from refusals import Code, Refusal, Violation

# A refusal travels in HTTP/2 headers, of which gRPC accepts 8 KiB, so not all sixty agencies of a prefecture are named.
_MOST_CHARACTERS_OF_NAMES = 100
_MOST_CHARACTERS_OF_CODE = 40


@dataclass(frozen=True, slots=True)
class Offer:
    """An agency and a category that it offers."""

    agency: Agency
    category: Category

    @property
    def rules(self) -> AgencyRules:
        """What holds at this agency in this category."""
        return self.agency.find_rules(self.category)


def require_offer(profile: Profile, agency_code: str, category_code: str) -> Offer:
    """Returns the agency and the category with these codes.

    Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, and CATEGORY_NOT_OFFERED with the agencies that do offer it, each with a
    violation of the field `agency` or `category`.
    """
    agency = require_agency(profile, agency_code)
    category = require_category(profile, category_code)
    if category.code not in agency.categories:
        offering = [other.name for other in profile.agencies if category.code in other.categories]
        metadata = {
            **make_text_metadata("agency", agency.name),
            **make_text_metadata("category", category.name),
            "offered_by_ja": _join_names([name.ja for name in offering], "、", "ほか{more}機関", "なし"),
            "offered_by_en": _join_names([name.en for name in offering], ", ", "and {more} more", "none"),
        }
        raise refuse_field("category", "CATEGORY_NOT_OFFERED", Code.FAILED_PRECONDITION, metadata)
    return Offer(agency, category)


def require_operation(profile: Profile, agency_code: str, category_code: str, operation: Operation) -> Offer:
    """Returns the agency and the category with these codes, where this operation can be used.

    Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED and OPERATION_NOT_OFFERED, each with a violation of
    the field `agency` or `category`.
    """
    offer = require_offer(profile, agency_code, category_code)
    if operation in offer.category.list_usable_operations():
        return offer
    name = next((guide.name for guide in profile.operations if guide.operation is operation), None)
    metadata = {
        **make_text_metadata("agency", offer.agency.name),
        **make_text_metadata("category", offer.category.name),
        **make_text_metadata("operation", name or Text(ja=operation.value, en=operation.value)),
    }
    raise refuse_field("category", "OPERATION_NOT_OFFERED", Code.FAILED_PRECONDITION, metadata)


def require_agency(profile: Profile, code: str) -> Agency:
    """Returns the agency with this code; raises AGENCY_UNKNOWN."""
    try:
        return profile.agency(code)
    except KeyError:
        metadata = {"agency": shorten_visible(code, _MOST_CHARACTERS_OF_CODE)}
        raise refuse_field("agency", "AGENCY_UNKNOWN", Code.NOT_FOUND, metadata) from None


def require_category(profile: Profile, code: str) -> Category:
    """Returns the category with this code; raises CATEGORY_UNKNOWN."""
    try:
        return profile.category(code)
    except KeyError:
        metadata = {"category": shorten_visible(code, _MOST_CHARACTERS_OF_CODE)}
        raise refuse_field("category", "CATEGORY_UNKNOWN", Code.NOT_FOUND, metadata) from None


def make_text_metadata(key: str, text: Text) -> dict[str, str]:
    """Returns a text in both languages as metadata of a refusal: `<key>_ja` and `<key>_en`."""
    return {f"{key}_ja": text.ja, f"{key}_en": text.en}


def refuse_field(field: str, reason: str, code: Code, metadata: dict[str, str]) -> Refusal:
    """Returns a refusal of one field of the request, for the caller to raise."""
    return Refusal(reason, code, metadata, [Violation(field, reason, metadata)])


def _join_names(names: list[str], separator: str, more: str, none: str) -> str:
    shown = ""
    for count, name in enumerate(names):
        longer = f"{shown}{separator}{name}" if shown else name
        if len(longer) > _MOST_CHARACTERS_OF_NAMES and shown:
            return f"{shown}{separator}{more.format(more=len(names) - count)}"
        shown = longer
    return shown or none

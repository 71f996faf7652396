"""Finding the bidder that a contractor searches for (QUA-01, 02, 05, 06, 09).

One answer for a wrong name, an unknown id, a wrong password and a bidder that is not on this agency's roster. Whatever
says more is said only to who gave everything right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from instance_profile.field_rules import check_search, refuse_violations
from instance_profile.japan_time import JAPAN
from instance_profile.model import Agency, Category, CompanyMatch, PasswordRule, Profile, SearchField
from instance_profile.name_key import name_key
from qualification_registry.domain.bidders import BidderStatus, Qualification
from qualification_registry.domain.passwords import PasswordHash, changed_today
from refusals import Code, Refusal, Violation

_CERTIFICATE_SHA256_BYTES = 32
# What stands in a refusal of something that is not in the profile; nobody needs more of it.
_MOST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Search:
    """What a contractor typed, and the card that it was typed with; shape-checked."""

    agency: Agency
    category: Category
    certificate_sha256: bytes
    name: str
    bidder_id: str
    password: str = field(repr=False)
    certificate_company_name: str | None = None

    @property
    def asks_password(self) -> bool:
        """Whether this agency's search in this category has a password."""
        asked = {rule.field for rule in self.category.search_fields if rule.required}
        return SearchField.PASSWORD in asked | set(self.agency.required_search_fields)


def checked_search(
    profile: Profile,
    *,
    agency: str,
    category: str,
    certificate_sha256: bytes,
    name: str,
    bidder_id: str,
    password: str,
    certificate_company_name: str | None,
) -> Search:
    """The search, where its parts have the right shape.

    Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED and FIELDS_INVALID. Shape is all that is looked at.
    """
    place, kind = agency_of(profile, agency), category_of(profile, category)
    if kind.code not in place.categories:
        metadata = {"agency_ja": place.name.ja, "category_ja": kind.name.ja}
        metadata |= {"agency_en": place.name.en, "category_en": kind.name.en}
        raise Refusal("CATEGORY_NOT_OFFERED", Code.FAILED_PRECONDITION, metadata)
    typed = {"name": name, "bidder_id": bidder_id, "password": password}
    violations = check_search(kind, typed, agency=place)
    if len(certificate_sha256) != _CERTIFICATE_SHA256_BYTES:
        violations.append(Violation("certificate_sha256", "FIELD_REQUIRED"))
    refuse_violations(violations)
    return Search(place, kind, certificate_sha256, name, bidder_id, password, certificate_company_name)


def agency_of(profile: Profile, code: str) -> Agency:
    """The agency; raises AGENCY_UNKNOWN."""
    try:
        return profile.agency(code)
    except KeyError:
        raise Refusal("AGENCY_UNKNOWN", Code.INVALID_ARGUMENT, {"agency": code[:_MOST_SHOWN]}) from None


def category_of(profile: Profile, code: str) -> Category:
    """The category; raises CATEGORY_UNKNOWN."""
    try:
        return profile.category(code)
    except KeyError:
        raise Refusal("CATEGORY_UNKNOWN", Code.INVALID_ARGUMENT, {"category": code[:_MOST_SHOWN]}) from None


def qualification_found(search: Search, qualifications: Sequence[Qualification], today: date) -> Qualification | None:
    """The line of the roster that the search is about: at this agency, good today, and of the name that was typed.

    The name is compared by the category's strictness (QUA-05). `qualifications` come newest first.
    """
    typed = name_key(search.name, search.category.name_strictness)
    for qualification in qualifications:
        if qualification.holds(search.agency.code, today):
            # An empty key is that of a name without any letter, and matches nothing.
            return qualification if typed and name_key(qualification.company.name) == typed else None
    return None


def bidder_not_found() -> Refusal:
    """The one refusal of a search; its words name the checks that help (QUA-01)."""
    return Refusal("BIDDER_NOT_FOUND", Code.NOT_FOUND)


def refuse_who_may_not(
    search: Search,
    qualification: Qualification,
    status: BidderStatus,
    password: PasswordHash | None,
    rule: PasswordRule,
    now: datetime,
) -> None:
    """Raises what stands against a registration by a bidder that was found, with the right password.

    BIDDER_ENDED, BIDDER_SUSPENDED, PASSWORD_CHANGED_TODAY, COMPANY_DIFFERS_FROM_CARD, COMPANY_NEEDS_OFFICER.
    """
    if status is BidderStatus.ENDED:
        raise Refusal("BIDDER_ENDED", Code.FAILED_PRECONDITION, {"bidder_id": search.bidder_id})
    if status is BidderStatus.SUSPENDED:
        raise Refusal("BIDDER_SUSPENDED", Code.FAILED_PRECONDITION, {"bidder_id": search.bidder_id})
    if rule.no_registration_on_the_day_of_change and password is not None and changed_today(password, now):
        raise Refusal("PASSWORD_CHANGED_TODAY", Code.FAILED_PRECONDITION)
    if search.agency.company_match is not CompanyMatch.OFF:
        _check_company(search, qualification.company.name)


def today_in_japan(now: datetime) -> date:
    """The day of Japan's calendar."""
    return now.astimezone(JAPAN).date()


def _check_company(search: Search, roster_name: str) -> None:
    on_card = name_key(search.certificate_company_name or "")
    if on_card and on_card == name_key(roster_name):
        return
    # Neither name stands in the refusal: the holder knows the one and typed the other.
    metadata = {"agency_ja": search.agency.name.ja, "agency_en": search.agency.name.en}
    if search.agency.company_match is CompanyMatch.OFFICER:
        raise Refusal("COMPANY_NEEDS_OFFICER", Code.FAILED_PRECONDITION, metadata)
    raise Refusal("COMPANY_DIFFERS_FROM_CARD", Code.FAILED_PRECONDITION, metadata)

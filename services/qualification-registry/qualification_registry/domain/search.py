"""Finds the bidder that a contractor searches for (QUA-01, 02, 05, 06, 09), and compares its company with the card's.

A wrong name, an unknown id, a wrong password and a bidder that is not on this agency's roster get the same answer. More
specific refusals are raised only after all entered fields were right.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from instance_profile.field_rules import check_search, refuse_violations
from instance_profile.hours import find_opening_after_today, make_opening_metadata
from instance_profile.model import CompanyMatch, Profile, SearchField
from instance_profile.name_comparison import NameComparison, judge_names
from instance_profile.name_key import differ_by_variant_only, exact_name_key, name_key
from instance_profile.name_rules import NameVerdict
from instance_profile.name_spellings import write_spelling_pattern
from instance_profile.offers import Offer, make_text_metadata, require_offer
from qualification_registry.domain.bidders import BidderStatus, Company, Qualification
from qualification_registry.domain.passwords import PasswordHash, is_changed_today
from qualification_registry.domain.proof import CompanyComparison, Proof
from refusals import Code, Refusal, Violation

# As in a certificate's subject (RFC 5280, ub-organization-name is 64; authorities exceed it).
_MOST_COMPARED_CHARACTERS = 200
# The end of Unicode's blocks of Latin letters with and without marks (ā, ō).
_LAST_LATIN = 0x24F


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEntry:
    """What a contractor entered, and the card (SHA-256 of its certificate, 32 bytes) that it was entered with."""

    agency: str
    category: str
    certificate_sha256: bytes
    name: str
    bidder_id: str
    password: str = field(repr=False)
    # The company in the certificate; None where it has none.
    certificate_company_name: str | None


@dataclass(frozen=True, slots=True)
class Search:
    """An entry whose fields have the right shape, for an agency that offers the category."""

    offer: Offer
    certificate_sha256: bytes
    name: str
    bidder_id: str
    password: str = field(repr=False)
    certificate_company_name: str | None = None

    @property
    def requires_password(self) -> bool:
        """Whether a search at this agency in this category requires a password."""
        return SearchField.PASSWORD in self.offer.rules.required_search_fields


@dataclass(frozen=True, slots=True)
class ComparedName:
    """A bidder's name in the roster, character for character, and how another name compares with it."""

    roster_name: str
    comparison: NameComparison


@dataclass(frozen=True, slots=True)
class FoundBidder:
    """The result of a search: the company, and the proof that the search succeeded."""

    company: Company
    proof: Proof


def check_entry(profile: Profile, entry: SearchEntry) -> Search:
    """Returns the search that an entry describes; checks shapes only, never what a roster contains.

    Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED and FIELDS_INVALID.
    """
    offer = require_offer(profile, entry.agency, entry.category)
    fields = {"name": entry.name, "bidder_id": entry.bidder_id, "password": entry.password}
    refuse_violations(check_search(offer.category, fields, agency=offer.agency))
    # As all fields that the category does not have, its password is ignored.
    has_password = any(rule.field is SearchField.PASSWORD for rule in offer.category.search_fields)
    return Search(
        offer,
        entry.certificate_sha256,
        entry.name,
        entry.bidder_id,
        entry.password if has_password else "",
        entry.certificate_company_name,
    )


@dataclass(frozen=True, slots=True)
class SearchedBidder:
    """What a search reads of a bidder: its password and its qualifications in the category, the newest first.

    Qualifications are valid within the term of their list only.
    """

    status: BidderStatus
    password: PasswordHash | None
    qualifications: Sequence[Qualification]


def find_qualification(search: Search, qualifications: Sequence[Qualification], today: date) -> Qualification | None:
    """Returns the qualification at the search's agency that is valid today and has the entered name, or None.

    The category's strictness applies to the name (QUA-05). `qualifications` are sorted newest first. A name that is the
    roster's in a variant form only is in question still (`write_patterns_in_question`).
    """
    entered = name_key(search.name, search.offer.category.name_strictness)
    for qualification in qualifications:
        if qualification.is_valid(search.offer.agency.code, today):
            # The key of a name without any letter is empty, and matches nothing.
            return qualification if entered and name_key(qualification.company.name) == entered else None
    return None


def write_patterns_in_question(names: Iterable[str | None], roster_name: str | None) -> list[str]:
    """Returns patterns of those names that are a roster's in a variant form only; none where there is no roster's.

    If another bidder of the agency's roster has such a name character for character, it is that bidder's (渡邊組 beside
    渡辺組), and the variant is no answer.
    """
    if roster_name is None:
        return []
    return [write_spelling_pattern(name) for name in names if name and differ_by_variant_only(name, roster_name)]


def belongs_to_another(name: str, roster_name: str, names_of_others: Iterable[str]) -> bool:
    """Returns whether a name is the roster's in a variant form only, and another bidder's character for character."""
    key = exact_name_key(name)
    return differ_by_variant_only(name, roster_name) and any(exact_name_key(other) == key for other in names_of_others)


def check_compared_name(name: str) -> list[Violation]:
    """Returns what is wrong with a name that an officer has compared; the company in a certificate may be long."""
    if not name.strip():
        return [Violation("name", "FIELD_REQUIRED")]
    if len(name) > _MOST_COMPARED_CHARACTERS:
        metadata = {"most": str(_MOST_COMPARED_CHARACTERS), "actual": str(len(name))}
        return [Violation("name", "FIELD_TOO_LONG", metadata)]
    return []


def refuse_search() -> Refusal:
    """Returns the one refusal of a failed search, for the caller to raise; its words name what to check (QUA-01)."""
    return Refusal("BIDDER_NOT_FOUND", Code.NOT_FOUND)


def require_may_register(
    offer: Offer,
    bidder_id: str,
    company: CompanyComparison,
    status: BidderStatus,
    password: PasswordHash | None,
    profile: Profile,
    now: datetime,
) -> None:
    """Raises the reason why a bidder may not register at an agency although a search found it, with its right password.

    BIDDER_ENDED, BIDDER_SUSPENDED, PASSWORD_CHANGED_TODAY with the next opening after today,
    COMPANY_DIFFERS_FROM_CARD, COMPANY_NEEDS_OFFICER.
    """
    if status is BidderStatus.ENDED:
        raise Refusal("BIDDER_ENDED", Code.FAILED_PRECONDITION, {"bidder_id": bidder_id})
    if status is BidderStatus.SUSPENDED:
        raise Refusal("BIDDER_SUSPENDED", Code.FAILED_PRECONDITION, {"bidder_id": bidder_id})
    if (
        profile.password.no_registration_on_the_day_of_change
        and password is not None
        and is_changed_today(password, now)
    ):
        metadata = make_opening_metadata(find_opening_after_today(profile.opening_hours, now))
        raise Refusal("PASSWORD_CHANGED_TODAY", Code.FAILED_PRECONDITION, metadata)
    if offer.rules.company_match is not CompanyMatch.OFF:
        _check_company(offer, company)


def require_same_password(password_issued_at: datetime | None, password: PasswordHash | None) -> None:
    """Raises PASSWORD_CHANGED_SINCE_SEARCH where the password that a search was made with does not count any more.

    `password_issued_at` is when that one had been issued; None where the search was made without a password.
    """
    if password_issued_at is not None and (password is None or password.issued_at != password_issued_at):
        raise Refusal("PASSWORD_CHANGED_SINCE_SEARCH", Code.FAILED_PRECONDITION)


def compare_company(
    certificate_name: str | None, roster_name: str, names_of_others: Collection[str] = ()
) -> CompanyComparison:
    """Returns how the company in a certificate compares with the roster's (CRD-10).

    Unreadable, so that an officer looks at it, is a certificate without a company or without letters in it; one whose
    name has no other letters than Latin ones, such as romaji, where the roster's name has others; one whose name is the
    roster's perhaps; and one whose name is the roster's in a variant form that another bidder has, of whose names
    `names_of_others` are those in question.
    """
    name = certificate_name or ""
    card_key, roster_key = name_key(name), name_key(roster_name)
    verdict = judge_names(name, roster_name)
    if verdict is NameVerdict.SAME:
        is_another = belongs_to_another(name, roster_name, names_of_others)
        return CompanyComparison.UNREADABLE if is_another else CompanyComparison.SAME
    # A key without any letter counts as Latin, too.
    if verdict is NameVerdict.PERHAPS_SAME or not card_key or (_is_latin(card_key) and not _is_latin(roster_key)):
        return CompanyComparison.UNREADABLE
    return CompanyComparison.DIFFERENT


def _is_latin(key: str) -> bool:
    return all(ord(letter) <= _LAST_LATIN for letter in key if letter.isalpha())


def _check_company(offer: Offer, company: CompanyComparison) -> None:
    if company is CompanyComparison.SAME:
        return
    # The refusal contains neither name: the holder knows the one and entered the other.
    metadata = make_text_metadata("agency", offer.agency.name)
    if company is CompanyComparison.DIFFERENT:
        raise Refusal("COMPANY_DIFFERS_FROM_CARD", Code.FAILED_PRECONDITION, metadata)
    raise Refusal("COMPANY_NEEDS_OFFICER", Code.FAILED_PRECONDITION, metadata)

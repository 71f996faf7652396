"""Finds the bidder that a contractor searches for (QUA-01, 02, 05, 06, 09).

A wrong name, an unknown id, a wrong password and a bidder that is not on this agency's roster get the same answer. More
specific refusals are raised only after all entered fields were right.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from instance_profile.field_rules import check_search, refuse_violations
from instance_profile.hours import find_opening_after_today, make_opening_metadata
from instance_profile.model import Profile, SearchField
from instance_profile.name_comparison import NameComparison
from instance_profile.name_key import name_key
from instance_profile.offers import Offer, require_offer
from instance_profile.roster_mapping import SuccessionKind
from qualification_registry.domain.bidders import BidderStatus, Company, Qualification
from qualification_registry.domain.card_approval import require_company
from qualification_registry.domain.certificate_names import CertificateNames
from qualification_registry.domain.passwords import PasswordHash, is_changed_today
from qualification_registry.domain.proof import Proof, Proven
from refusals import Code, Refusal, Violation

# As in a certificate's subject (RFC 5280, ub-organization-name is 64; authorities exceed it).
_MOST_COMPARED_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEntry:
    """What a contractor entered, and the card (SHA-256 of its certificate, 32 bytes) that it was entered with."""

    agency: str
    category: str
    certificate_sha256: bytes
    name: str
    bidder_id: str
    password: str = field(repr=False)
    names: CertificateNames = field(repr=False)


@dataclass(frozen=True, slots=True)
class Search:
    """An entry whose fields have the right shape, for an agency that offers the category."""

    offer: Offer
    certificate_sha256: bytes
    name: str
    bidder_id: str
    password: str = field(repr=False)
    names: CertificateNames = field(repr=False)

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
        entry.names,
    )


@dataclass(frozen=True, slots=True)
class SearchedBidder:
    """What a search reads of a bidder: its status at the agency, its password and its qualifications in the category.

    Qualifications are sorted newest first, and valid within the term of their list only. `succession` says why it has a
    successor in the category by now.
    """

    status: BidderStatus
    password: PasswordHash | None
    qualifications: Sequence[Qualification]
    succession: SuccessionKind | None = None


def find_qualification(search: Search, qualifications: Sequence[Qualification], today: date) -> Qualification | None:
    """Returns the qualification at the search's agency that is valid today and has the entered name, or None.

    The category's strictness applies to the name (QUA-05). `qualifications` are sorted newest first. A name that is the
    roster's in a variant form only is in question still (`name_variants.write_patterns_in_question`). While a changed
    name is under review, a bidder is found by the one of before and by the new one, which its card has (QUA-08).
    """
    entered = name_key(search.name, search.offer.category.name_strictness)
    for qualification in qualifications:
        if qualification.is_valid(search.offer.agency.code, today):
            # The key of a name without any letter is empty, and matches nothing.
            is_meant = entered and any(name_key(company.name) == entered for company in qualification.companies)
            return qualification if is_meant else None
    return None


def require_qualified(bidder: SearchedBidder | None, agency: str, today: date) -> tuple[SearchedBidder, Qualification]:
    """Returns a bidder, and its qualification in the newest roster by which it is qualified at an agency today.

    Raises BIDDER_NOT_QUALIFIED, also where there is no such bidder.
    """
    known = bidder.qualifications if bidder is not None else ()
    qualification = next((each for each in known if each.is_valid(agency, today)), None)
    if bidder is None or qualification is None:
        raise refuse_unqualified()
    return bidder, qualification


def refuse_unqualified() -> Refusal:
    """Returns the refusal of a bidder that is not qualified at an agency in a category, for the caller to raise."""
    return Refusal("BIDDER_NOT_QUALIFIED", Code.FAILED_PRECONDITION)


def check_compared_name(name: str) -> list[Violation]:
    """Returns what is wrong with a name that an officer has compared; the company in a certificate may be long."""
    if not name.strip():
        return [Violation("name", "FIELD_REQUIRED")]
    if len(name) > _MOST_COMPARED_CHARACTERS:
        metadata = {"most": str(_MOST_COMPARED_CHARACTERS), "actual": str(len(name))}
        return [Violation("name", "FIELD_TOO_LONG", metadata)]
    return []


def find_compared_name(name: str, qualification: Qualification) -> str:
    """Returns the name in the roster that an officer's is compared with: the shown one.

    While a changed name is under review, it is that one if only its key is the other name's.
    """
    shown, *under_review = (company.name for company in qualification.companies)
    key = name_key(name)
    return next((new for new in under_review if name_key(new) == key != name_key(shown)), shown)


def refuse_search() -> Refusal:
    """Returns the one refusal of a failed search, for the caller to raise; its words name what to check (QUA-01)."""
    return Refusal("BIDDER_NOT_FOUND", Code.NOT_FOUND)


def require_active(bidder_id: str, status: BidderStatus) -> None:
    """Raises BIDDER_ENDED, BIDDER_SUSPENDED."""
    if status is BidderStatus.ENDED:
        raise Refusal("BIDDER_ENDED", Code.FAILED_PRECONDITION, {"bidder_id": bidder_id})
    if status is BidderStatus.SUSPENDED:
        raise Refusal("BIDDER_SUSPENDED", Code.FAILED_PRECONDITION, {"bidder_id": bidder_id})


def require_may_register(
    offer: Offer,
    bidder_id: str,
    proven: Proven,
    status: BidderStatus,
    password: PasswordHash | None,
    profile: Profile,
    now: datetime,
) -> None:
    """Raises the reason why a bidder may not register at an agency although a search found it, with its right password.

    BIDDER_ENDED, BIDDER_SUSPENDED, PASSWORD_CHANGED_TODAY with the next opening after today,
    COMPANY_DIFFERS_FROM_CARD. Whether an officer has to decide about the card says `card_approval.find_questions`.
    """
    require_active(bidder_id, status)
    if (
        profile.password.no_registration_on_the_day_of_change
        and password is not None
        and is_changed_today(password, now)
    ):
        metadata = make_opening_metadata(find_opening_after_today(profile.opening_hours, now))
        raise Refusal("PASSWORD_CHANGED_TODAY", Code.FAILED_PRECONDITION, metadata)
    require_company(offer, proven)


def require_same_password(password_issued_at: datetime | None, password: PasswordHash | None) -> None:
    """Raises PASSWORD_CHANGED_SINCE_SEARCH where the password that a search was made with does not count any more.

    `password_issued_at` is when that one had been issued; None where the search was made without a password.
    """
    if password_issued_at is not None and (password is None or password.issued_at != password_issued_at):
        raise Refusal("PASSWORD_CHANGED_SINCE_SEARCH", Code.FAILED_PRECONDITION)

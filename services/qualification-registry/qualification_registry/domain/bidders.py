"""Bidders: whether they may act, and what a roster contains about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from instance_profile.characters import shorten_visible
from refusals import Code, Refusal

_MOST_BIDDER_ID_CHARACTERS = 40


class BidderStatus(StrEnum):
    """Whether a bidder may act in a category."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Grade:
    """One kind (業種, 営業種目) and the bidder's grade in it."""

    kind: str
    grade: str


@dataclass(frozen=True, slots=True)
class Company:
    """企業情報 from the roster, character for character (QUA-07); None where the roster has nothing."""

    bidder_id: str
    name: str
    postal_code: str | None
    address: str | None
    representative_name: str | None
    contract_party_name: str | None
    representative_title: str | None
    telephone: str | None
    fax: str | None
    department: str | None
    branch: str | None
    region: str | None
    permit_number: str | None
    corporate_number: str | None
    grades: tuple[Grade, ...]


@dataclass(frozen=True, slots=True)
class ListedBidder:
    """A bidder in the list of an agency and category, with all agencies where it is or will be qualified."""

    bidder_id: str
    name: str
    agencies: tuple[str, ...]
    has_password: bool


@dataclass(frozen=True, slots=True)
class Qualification:
    """A current roster line: a company, and where and when it is qualified. A day that is None sets no limit.

    While changed data are under review, `company` has those of before and `company_under_review` the new ones (QUA-08).
    """

    company: Company
    agencies: frozenset[str]
    valid_from: date | None
    valid_until: date | None
    company_under_review: Company | None = None

    @property
    def companies(self) -> Sequence[Company]:
        """The company as it is shown and, while changed data are under review, as it will be."""
        return [self.company] if self.company_under_review is None else [self.company, self.company_under_review]

    def is_valid(self, agency: str, today: date) -> bool:
        """Returns whether it is valid at an agency on a day of Japan's calendar, first and last day included."""
        return (
            agency in self.agencies
            and (self.valid_from is None or self.valid_from <= today)
            and (self.valid_until is None or today <= self.valid_until)
        )

    def is_or_will_be_valid(self, agency: str, today: date) -> bool:
        """Returns whether it is valid at an agency on this day or a later one."""
        return agency in self.agencies and (self.valid_until is None or today <= self.valid_until)


def can_be_bidder_id(text: str) -> bool:
    """Returns whether a text of a caller may be a bidder id, and so may go into a query.

    PostgreSQL accepts no NUL in a text. Bidder ids are printable: a roster with any other is refused.
    """
    return text.isprintable()


def refuse_unknown_bidder(bidder_id: str) -> Refusal:
    """Returns the refusal of an id that no bidder has, for the caller to raise."""
    metadata = {"bidder_id": shorten_visible(bidder_id, _MOST_BIDDER_ID_CHARACTERS)}
    return Refusal("BIDDER_UNKNOWN", Code.NOT_FOUND, metadata)

"""Bidders: whether they may act, and what a roster says of them."""

from dataclasses import dataclass
from datetime import date
from enum import IntEnum


class BidderStatus(IntEnum):
    """Whether a bidder may act at all, in every category and at every agency. The numbers are those of the proto."""

    ACTIVE = 1
    SUSPENDED = 2
    ENDED = 3


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """The version of a bidder's status: the epoch is raised when the database was restored."""

    epoch: int
    number: int


@dataclass(frozen=True, slots=True)
class Bidder:
    """The state of one bidder, as other services are told it."""

    bidder_id: str
    status: BidderStatus
    version: Version


@dataclass(frozen=True, slots=True)
class Grade:
    """One kind (業種, 営業種目) and the grade that the bidder has in it."""

    kind: str
    grade: str


@dataclass(frozen=True, slots=True)
class Company:
    """企業情報 as the roster gives it, character for character (QUA-07); None where the roster has nothing."""

    bidder_id: str
    name: str
    postal_code: str | None
    address: str | None
    representative_name: str | None
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
    """A bidder in the list of a category, with the agencies where it is or will be qualified."""

    bidder_id: str
    name: str
    agencies: tuple[str, ...]
    has_password: bool


@dataclass(frozen=True, slots=True)
class Qualification:
    """One line of a roster that stands: a company, and where and when it is qualified. None is no end."""

    company: Company
    agencies: frozenset[str]
    valid_from: date | None
    valid_until: date | None

    def holds(self, agency: str, today: date) -> bool:
        """Whether it is good at this agency on this day of Japan's calendar; both ends are included."""
        return (
            agency in self.agencies
            and (self.valid_from is None or self.valid_from <= today)
            and (self.valid_until is None or today <= self.valid_until)
        )
